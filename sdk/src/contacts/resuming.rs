//! A stream over any number of connections.

use std::time::Duration;

use contacts_proto::v1::{self, StreamEndReason};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::segment::ResumeToken;
use crate::client::ContactsClient;
use crate::convert::count;
use crate::error::{Error, ErrorKind, Result};
use crate::retry::Reconnects;
use crate::transport::{Incoming, Transport};

/// The request of a stream that resumes.
pub(super) trait Resumable: Clone + Send + Sync + 'static {
    /// What the server sends.
    type Message: Send + 'static;
    /// What the stream delivers, without its place.
    type Item;

    fn token(&mut self) -> &mut String;

    fn open(
        self,
        transport: &Transport,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Message>>>;

    /// Takes a message apart: its token, and what it is.
    fn read(message: Self::Message) -> (String, Event<Self::Item>);
}

/// What one message is.
pub(super) enum Event<T> {
    /// Something to hand out, and how many the server counts it for.
    Deliver(T, u64),
    /// A sign of life, or an event of a newer server, which is as good as one.
    Wait,
    /// The last one.
    End(v1::StreamEnd),
}

pub(super) struct Resuming<Q: Resumable> {
    client: ContactsClient,
    /// With the token behind the last message.
    message: Q,
    idle_timeout: Duration,
    connection: Option<Incoming<Q::Message>>,
    reconnects: Reconnects,
    /// Items handed out, here and not before a resume of the caller's.
    delivered: u64,
    /// Whether `delivered` counts from the first item.
    from_start: bool,
    /// Whether the server ever accepted the request.
    begun: bool,
    /// Whether the token leads behind everything that was handed out. If a server leaves it out, a
    /// new connection would deliver items a second time.
    resumable: bool,
}

/// What one message of the stream means.
enum Step<T> {
    Deliver(T),
    Wait,
    End,
}

impl<Q: Resumable> Resuming<Q> {
    pub fn new(client: ContactsClient, mut message: Q, idle_timeout: Duration) -> Self {
        let reconnects = Reconnects::new(client.config().stream_retry.clone());
        let from_start = message.token().is_empty();
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

    /// The next item, and the token behind it; none once everything was delivered.
    pub async fn next(&mut self) -> Result<Option<(Q::Item, ResumeToken)>> {
        loop {
            let step = match self.receive().await {
                Ok(message) => self.step(message),
                Err(error) => Err(error),
            };
            match step {
                Ok(Step::Deliver(item)) => {
                    return Ok(Some((item, ResumeToken::from(self.message.token().as_str()))));
                }
                Ok(Step::Wait) => {}
                Ok(Step::End) => return Ok(None),
                Err(error) => self.resume(error).await?,
            }
        }
    }

    /// The next message, over a new connection if there is none.
    async fn receive(&mut self) -> Result<Q::Message> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let message = self.message.clone();
                let transport = self.client.transport();
                let connection = message.open(transport, self.idle_timeout).await?;
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

    fn step(&mut self, message: Q::Message) -> Result<Step<Q::Item>> {
        let (token, event) = Q::read(message);
        let moved = !token.is_empty() && token != *self.message.token();
        if moved {
            *self.message.token() = token;
            self.reconnects.progress();
        }
        match event {
            Event::Deliver(item, count) => {
                self.resumable = moved;
                self.delivered += count;
                Ok(Step::Deliver(item))
            }
            Event::End(end) => self.end(&end),
            Event::Wait => Ok(Step::Wait),
        }
    }

    fn end(&self, end: &v1::StreamEnd) -> Result<Step<Q::Item>> {
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
                format!("the server counts {sent} delivered, but {} arrived", self.delivered);
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
