use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use contacts_proto::v1::{self, stream_duplicate_contacts_response::Event as Sent};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use super::resume_token::ResumeToken;
use super::resuming::{Event, Resumable, Resuming};
use crate::convert::{FromProto, IntoProto, count};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Contact, ContactView, DuplicateReason};
use crate::transport::{Incoming, Transport};

/// Request builder for a stream of possible duplicates, returned by
/// [`Contacts::duplicates`](crate::Contacts::duplicates).
///
/// The stream reconnects, resumes and ends like [`StreamContacts`](super::StreamContacts).
#[derive(Clone)]
#[must_use = "a request does nothing until it is streamed"]
pub struct StreamDuplicates {
    handle: Handle,
    message: v1::StreamDuplicateContactsRequest,
    idle_timeout: Duration,
}

/// A group of contacts that may be the same person.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DuplicateGroup {
    /// What the contacts have in common.
    pub reason: DuplicateReason,
    /// 2 to 100 contacts, oldest first.
    pub contacts: Vec<Contact>,
    /// The number of contacts in the group. If it is larger than `contacts.len()`, those are the oldest.
    pub contact_count: u64,
    /// The position after this group.
    pub resume_token: ResumeToken,
}

/// A stream of groups of possible duplicates. Ends after the last group or the first error.
#[must_use = "streams do nothing until they are polled"]
pub struct DuplicateGroups(BoxStream<'static, Result<DuplicateGroup>>);

impl StreamDuplicates {
    pub(super) fn new(handle: &Handle) -> Self {
        let message = v1::StreamDuplicateContactsRequest {
            workspace_id: handle.workspace_id(),
            view: ContactView::default().into_proto(),
            ..v1::StreamDuplicateContactsRequest::default()
        };
        let idle_timeout = handle.config().stream_idle_timeout;
        Self { handle: handle.clone(), message, idle_timeout }
    }

    /// Sets which fields to return. Default: all.
    pub fn view(mut self, view: ContactView) -> Self {
        self.message.view = view.into_proto();
        self
    }

    /// Sets the maximum number of groups, including those before a [resume](Self::resume_from). Default
    /// and 0: no limit.
    pub fn limit(mut self, groups: u64) -> Self {
        self.message.limit = i64::try_from(groups).unwrap_or(i64::MAX);
        self
    }

    /// Resumes after the group with this token. The limit must be unchanged.
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

    /// Returns the stream of groups.
    pub fn stream(self) -> DuplicateGroups {
        let search = Resuming::new(self.handle, self.message, self.idle_timeout);
        let groups = stream::try_unfold(search, async |mut search| {
            let group = search.next().await?;
            Ok(group.map(|(group, token)| (DuplicateGroup::new(group, token), search)))
        });
        DuplicateGroups(groups.boxed())
    }
}

impl DuplicateGroup {
    fn new(group: v1::DuplicateGroup, resume_token: ResumeToken) -> Self {
        Self {
            reason: DuplicateReason::from_proto(group.reason),
            contacts: group.contacts.into_iter().map(Contact::from_proto).collect(),
            contact_count: count(group.contact_count),
            resume_token,
        }
    }
}

impl DuplicateGroups {
    /// Returns the next group, or `None` at the end. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<DuplicateGroup>> {
        self.0.next().await
    }
}

impl Stream for DuplicateGroups {
    type Item = Result<DuplicateGroup>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Resumable for v1::StreamDuplicateContactsRequest {
    type Message = v1::StreamDuplicateContactsResponse;
    type Item = v1::DuplicateGroup;

    fn token_mut(&mut self) -> &mut String {
        &mut self.resume_token
    }

    fn open(
        self,
        transport: &Transport,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Message>>> {
        transport.stream_duplicate_contacts(self, open_timeout)
    }

    fn decode(message: Self::Message) -> (String, Event<Self::Item>) {
        let event = match message.event {
            Some(Sent::Group(group)) => Event::Item(group, 1),
            Some(Sent::End(end)) => Event::End(end),
            Some(Sent::Heartbeat(_)) | None => Event::Heartbeat,
        };
        (message.resume_token, event)
    }
}
