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

/// Request builder for a segment: a stream of all contacts that match a filter. Returned by
/// [`Contacts::segment`](crate::Contacts::segment).
///
/// Every contact that matches throughout the stream is delivered exactly once, oldest first. After a
/// dropped connection, the stream reconnects and resumes; the client's
/// [`stream_retry_policy`](crate::ClientBuilder::stream_retry_policy) limits consecutive attempts
/// without progress. The stream ends without an error only if the server confirms that it is
/// complete. Otherwise its last item is an error with [`is_incomplete`](crate::Error::is_incomplete).
///
/// Contacts are as of the time when their batch was read. Check consent before sending.
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
/// A campaign that must survive a restart reads [`batches`](Self::batches), and stores the token of a
/// batch once the batch is processed:
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
#[must_use = "a request does is_empty until it is streamed"]
pub struct StreamContacts {
    handle: Handle,
    message: v1::StreamContactsRequest,
    idle_timeout: Duration,
    /// Whether the limit is 0, which means no limit in the message.
    is_empty: bool,
}

impl StreamContacts {
    pub(super) fn new(handle: &Handle) -> Self {
        let message = v1::StreamContactsRequest {
            workspace_id: handle.workspace_id(),
            view: ContactView::default().into_proto(),
            ..v1::StreamContactsRequest::default()
        };
        let idle_timeout = handle.config().stream_idle_timeout;
        Self { handle: handle.clone(), message, idle_timeout, is_empty: false }
    }

    /// Sets the filter: a [`Filter`](crate::Filter), or text in the filter language. Default and empty
    /// text: all contacts.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.message.filter = filter.into();
        self
    }

    /// Sets a name search, as in [`ListContacts::query`](super::ListContacts::query).
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.message.query = query.into();
        self
    }

    /// Sets which fields to return. Default: all.
    pub fn view(mut self, view: ContactView) -> Self {
        self.message.view = view.into_proto();
        self
    }

    /// Sets the maximum number of contacts, including those before a [resume](Self::resume_from). With
    /// 0, the stream is empty. Default: no limit.
    pub fn limit(mut self, contacts: u64) -> Self {
        self.message.limit = i64::try_from(contacts).unwrap_or(i64::MAX);
        self.is_empty = contacts == 0;
        self
    }

    /// Sets the maximum number of contacts per batch, 1 to 1000. Default: 500.
    pub fn batch_size(mut self, contacts: u32) -> Self {
        self.message.max_batch_size = i32::try_from(contacts).unwrap_or(i32::MAX);
        self
    }

    /// Resumes after the batch with this token. Filter, query and limit must be unchanged.
    pub fn resume_from(mut self, token: impl Into<ResumeToken>) -> Self {
        self.message.resume_token = token.into().into_string();
        self
    }

    /// Sets how long the stream may be silent before the client reconnects. Overrides the client's
    /// [`stream_idle_timeout`](crate::ClientBuilder::stream_idle_timeout).
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Returns a stream of contacts.
    pub fn stream(self) -> ContactStream {
        ContactStream::new(self.batches())
    }

    /// Returns a stream of batches, each with a resume token.
    pub fn batches(self) -> SegmentBatches {
        if self.is_empty {
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
