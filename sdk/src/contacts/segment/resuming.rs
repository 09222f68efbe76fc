//! A segment over any number of connections.

use std::time::Duration;

use contacts_proto::v1::{self, StreamEndReason, stream_contacts_response::Event};
use futures::StreamExt;
use tokio::time::timeout;

use super::batch::{ResumeToken, SegmentBatch};
use crate::client::ContactsClient;
use crate::convert::count;
use crate::error::{Error, ErrorKind, Result};
use crate::retry::Reconnects;
use crate::transport::Incoming;

pub(super) struct Resuming {
    client: ContactsClient,
    /// With the token behind the last message.
    message: v1::StreamContactsRequest,
    idle_timeout: Duration,
    connection: Option<Incoming<v1::StreamContactsResponse>>,
    reconnects: Reconnects,
    /// Contacts handed out, here and not before a resume of the caller's.
    delivered: u64,
    /// Whether `delivered` counts from the segment's first contact.
    from_start: bool,
    /// Whether the server ever accepted the request.
    begun: bool,
    /// Whether the token leads behind everything that was handed out. If a server leaves it out, a
    /// new connection would deliver contacts a second time.
    resumable: bool,
}

/// What one message of the stream means.
enum Step {
    Deliver(SegmentBatch),
    Wait,
    End,
}

impl Resuming {
    pub fn new(
        client: ContactsClient,
        message: v1::StreamContactsRequest,
        idle_timeout: Duration,
    ) -> Self {
        let reconnects = Reconnects::new(client.config().stream_retry.clone());
        let from_start = message.resume_token.is_empty();
        Self {
            client,
            message,
            idle_timeout,
            connection: None,
            reconnects,
            delivered: 0,
            from_start,
            begun: false,
            resumable: true,
        }
    }

    /// The next batch; none once everything was delivered.
    pub async fn next(&mut self) -> Result<Option<SegmentBatch>> {
        loop {
            let step = match self.receive().await {
                Ok(message) => self.step(message),
                Err(error) => Err(error),
            };
            match step {
                Ok(Step::Deliver(batch)) => return Ok(Some(batch)),
                Ok(Step::Wait) => {}
                Ok(Step::End) => return Ok(None),
                Err(error) => self.resume(error).await?,
            }
        }
    }

    /// The next message, over a new connection if there is none.
    async fn receive(&mut self) -> Result<v1::StreamContactsResponse> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let message = self.message.clone();
                let transport = self.client.transport();
                let connection = transport.stream_contacts(message, self.idle_timeout).await?;
                self.begun = true;
                none.insert(connection)
            }
        };
        match timeout(self.idle_timeout, connection.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => Err(Error::unavailable("the stream ended without its end message")),
            Err(_) => Err(Error::unavailable("the stream was silent for the idle timeout")),
        }
    }

    fn step(&mut self, message: v1::StreamContactsResponse) -> Result<Step> {
        let moved =
            !message.resume_token.is_empty() && message.resume_token != self.message.resume_token;
        if moved {
            self.message.resume_token = message.resume_token;
            self.reconnects.progress();
        }
        match message.event {
            Some(Event::Batch(batch)) if !batch.contacts.is_empty() => {
                self.resumable = moved;
                self.delivered += batch.contacts.len() as u64;
                let token = ResumeToken::from(self.message.resume_token.as_str());
                Ok(Step::Deliver(SegmentBatch::new(batch.contacts, token)))
            }
            Some(Event::End(end)) => self.end(&end),
            // An event of a newer server is as good as a heartbeat.
            Some(Event::Batch(_) | Event::Heartbeat(_)) | None => Ok(Step::Wait),
        }
    }

    fn end(&self, end: &v1::StreamEnd) -> Result<Step> {
        match end.reason() {
            StreamEndReason::Complete | StreamEndReason::Limit => {}
            StreamEndReason::ServerDrain => {
                return Err(Error::unavailable("the server is stopping"));
            }
            StreamEndReason::Unspecified => {
                return Err(Error::unavailable("the stream ended for an unknown reason"));
            }
        }
        let sent = count(end.delivered_count);
        if self.from_start && sent != self.delivered {
            let message =
                format!("the server sent {sent} contacts, but {} arrived", self.delivered);
            return Err(Error::new(ErrorKind::Incomplete, message));
        }
        Ok(Step::End)
    }

    /// Waits until a new connection may be tried. An error ends the stream.
    async fn resume(&mut self, error: Error) -> Result<()> {
        self.connection = None;
        let outcome = if self.resumable { self.reconnects.wait(error).await } else { Err(error) };
        let begun = self.begun;
        outcome.map_err(|error| error.edit(|inner| inner.incomplete = begun))
    }
}
