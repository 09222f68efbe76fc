mod batch;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use contacts_proto::v1::{self, stream_contacts_response::Event as Sent};
use futures_util::future::BoxFuture;

pub use batch::SegmentBatch;
pub use stream::{ContactStream, SegmentBatches};

use super::resume_token::ResumeToken;
use super::resuming::{Event, Resumable, Resuming};
use crate::convert::IntoProto;
use crate::error::Result;
use crate::handle::Handle;
use crate::model::ContactView;
use crate::transport::{Incoming, Transport};

/// Streams all contacts a filter selects. From [`Contacts::segment`](crate::Contacts::segment).
///
/// Each contact that exists throughout is delivered exactly once, oldest first. The stream resumes
/// by itself after a dropped connection, a silent server or one that stops; failures in a row
/// without progress are bounded by the client's
/// [`stream_retry_policy`](crate::ClientBuilder::stream_retry_policy). It ends only when the server
/// said that everything was delivered: otherwise its last item is an error with
/// [`is_incomplete`](crate::Error::is_incomplete).
///
/// A contact is as it was when its batch was read. Check before sending.
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// use contacts_sdk::{Filter, MessageCategory, OptInStatus};
///
/// let audience = Filter::tag("event_attendee")
///     .and(Filter::attribute("city").eq("São Paulo"))
///     .and(Filter::opt_in().eq(OptInStatus::OptedIn));
/// let mut contacts = client.contacts().segment().filter(audience).stream();
/// while let Some(contact) = contacts.next().await {
///     let contact = contact?;
///     if client.opt_in().may_send(&contact, MessageCategory::Marketing).await {
///         // send the template
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// A campaign that has to survive its own restart reads [`batches`](Self::batches) and stores each
/// batch's token once it is done with it:
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// # let (stored, store) = (None::<String>, |_: &str| ());
/// let mut segment = client.contacts().segment().filter("tags:vip");
/// if let Some(token) = stored {
///     segment = segment.resume_from(token);
/// }
/// let mut batches = segment.batches();
/// while let Some(batch) = batches.next().await {
///     let batch = batch?;
///     for contact in batch.contacts() {
///         println!("{}", contact?.contact_id);
///     }
///     store(batch.resume_token().as_str());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a segment does nothing until it is streamed"]
pub struct StreamContacts {
    handle: Handle,
    message: v1::StreamContactsRequest,
    idle_timeout: Duration,
    /// A limit of 0, which the wire takes for none at all.
    nothing: bool,
}

impl StreamContacts {
    pub(super) fn new(handle: &Handle) -> Self {
        let message = v1::StreamContactsRequest {
            workspace_id: handle.workspace_id(),
            view: ContactView::default().into_proto(),
            ..v1::StreamContactsRequest::default()
        };
        let idle_timeout = handle.config().stream_idle_timeout;
        Self { handle: handle.clone(), message, idle_timeout, nothing: false }
    }

    /// Selects contacts: a [`Filter`](crate::Filter) or text in the filter language. Empty selects
    /// all.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.message.filter = filter.into();
        self
    }

    /// Searches by name, as in [`ListContacts::query`](super::ListContacts::query).
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.message.query = query.into();
        self
    }

    /// Sets how much of each contact to read; everything by default.
    pub fn view(mut self, view: ContactView) -> Self {
        self.message.view = view.into_proto();
        self
    }

    /// Stops after so many contacts, those before a [resume](Self::resume_from) included. With 0
    /// there are none; without a limit, all.
    pub fn limit(mut self, contacts: u64) -> Self {
        self.message.limit = i64::try_from(contacts).unwrap_or(i64::MAX);
        self.nothing = contacts == 0;
        self
    }

    /// Sets how many contacts a batch has at most: 500 by default, at most 1000.
    pub fn batch_size(mut self, contacts: u32) -> Self {
        self.message.max_batch_size = i32::try_from(contacts).unwrap_or(i32::MAX);
        self
    }

    /// Goes on behind the batch that had this token. Filter, query and limit have to be as they were
    /// then.
    pub fn resume_from(mut self, token: impl Into<ResumeToken>) -> Self {
        self.message.resume_token = token.into().into_string();
        self
    }

    /// Sets how long the stream may be silent before it is made anew, in place of the client's
    /// [default](crate::ClientBuilder::stream_idle_timeout).
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Streams the contacts one by one.
    pub fn stream(self) -> ContactStream {
        ContactStream::new(self.batches())
    }

    /// Streams the contacts as they arrive, in batches that each have a resume token.
    pub fn batches(self) -> SegmentBatches {
        if self.nothing {
            return SegmentBatches::empty();
        }
        SegmentBatches::new(Resuming::new(self.handle, self.message, self.idle_timeout))
    }
}

impl Resumable for v1::StreamContactsRequest {
    type Message = v1::StreamContactsResponse;
    type Item = Vec<Bytes>;

    fn token_mut(&mut self) -> &mut String {
        &mut self.resume_token
    }

    fn open(
        self,
        transport: &Transport,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Message>>> {
        transport.stream_contacts(self, open_timeout)
    }

    fn decode(message: Self::Message) -> (String, Event<Self::Item>) {
        let event = match message.event {
            Some(Sent::Batch(batch)) if !batch.contacts.is_empty() => {
                let count = batch.contacts.len() as u64;
                Event::Item(batch.contacts, count)
            }
            Some(Sent::End(end)) => Event::End(end),
            Some(Sent::Batch(_) | Sent::Heartbeat(_)) | None => Event::Heartbeat,
        };
        (message.resume_token, event)
    }
}
