//! Server streams that resume on a new connection: segments and duplicates.

use std::time::Duration;

use contacts_proto::v1::{self, StreamEndReason};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::resume_token::ResumeToken;
use crate::convert::count;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Handle;
use crate::retry::Reconnects;
use crate::transport::{Incoming, Transport};

/// The request message of a stream with resume tokens.
pub(super) trait Resumable: Clone + Send + Sync + 'static {
    /// What the server sends.
    type Message: Send + 'static;
    /// What the stream delivers.
    type Item;

    fn token_mut(&mut self) -> &mut String;

    fn open(
        self,
        transport: &Transport,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Message>>>;

    /// Splits a message into its resume token and its event.
    fn decode(message: Self::Message) -> (String, Event<Self::Item>);
}

pub(super) enum Event<T> {
    /// Something to deliver, and what it adds to the server's `delivered_count`.
    Item(T, u64),
    /// A heartbeat, or an event that only newer servers send.
    Heartbeat,
    End(v1::StreamEnd),
}

pub(super) struct Resuming<Q: Resumable> {
    handle: Handle,
    /// Its resume token is the one of the last message received.
    request: Q,
    idle_timeout: Duration,
    connection: Option<Incoming<Q::Message>>,
    reconnects: Reconnects,
    /// How much was delivered since this stream was created.
    delivered: u64,
    /// Whether the request had no resume token, so that the server counts from the same start.
    from_start: bool,
    /// Whether the server ever accepted the request.
    opened: bool,
    /// Whether the last token is behind everything that was delivered. If a server omits a token, a
    /// new connection would deliver items twice.
    resumable: bool,
}

enum Step<T> {
    Deliver(T),
    Continue,
    End,
}

impl<Q: Resumable> Resuming<Q> {
    pub fn new(handle: Handle, mut request: Q, idle_timeout: Duration) -> Self {
        let reconnects = Reconnects::new(handle.config().stream_retry.clone());
        let from_start = request.token_mut().is_empty();
        Self {
            handle,
            request,
            idle_timeout,
            connection: None,
            reconnects,
            delivered: 0,
            from_start,
            opened: false,
            resumable: true,
        }
    }

    /// The next item with the token behind it, or `None` at the end of a complete stream.
    pub async fn next(&mut self) -> Result<Option<(Q::Item, ResumeToken)>> {
        loop {
            let step = match self.receive().await {
                Ok(message) => self.step(message),
                Err(error) => Err(error),
            };
            match step {
                Ok(Step::Deliver(item)) => {
                    let token = ResumeToken::from(self.request.token_mut().as_str());
                    return Ok(Some((item, token)));
                }
                Ok(Step::Continue) => {}
                Ok(Step::End) => return Ok(None),
                Err(error) => self.recover(error).await?,
            }
        }
    }

    /// Receives the next message. Connects first if there is no connection.
    async fn receive(&mut self) -> Result<Q::Message> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let request = self.request.clone();
                let transport = self.handle.transport();
                let connection = request.open(transport, self.idle_timeout).await?;
                self.opened = true;
                none.insert(connection)
            }
        };
        match timeout(self.idle_timeout, connection.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => Err(Error::unavailable("the stream ended without its end message")),
            Err(_) => Err(Error::unavailable("no message within the idle timeout")),
        }
    }

    fn step(&mut self, message: Q::Message) -> Result<Step<Q::Item>> {
        let (token, event) = Q::decode(message);
        let advanced = !token.is_empty() && token != *self.request.token_mut();
        if advanced {
            *self.request.token_mut() = token;
            self.reconnects.progress();
        }
        match event {
            Event::Item(item, count) => {
                self.resumable = advanced;
                self.delivered += count;
                Ok(Step::Deliver(item))
            }
            Event::End(end) => self.end(&end),
            Event::Heartbeat => Ok(Step::Continue),
        }
    }

    fn end(&self, end: &v1::StreamEnd) -> Result<Step<Q::Item>> {
        match end.reason() {
            StreamEndReason::Complete | StreamEndReason::Limit => {}
            StreamEndReason::ServerDrain => {
                return Err(Error::unavailable("the server is shutting down"));
            }
            StreamEndReason::Unspecified => {
                return Err(Error::unavailable("the stream ended for an unknown reason"));
            }
        }
        let sent = count(end.delivered_count);
        if self.from_start && sent != self.delivered {
            let message = format!("the server sent {sent} items, but {} arrived", self.delivered);
            return Err(Error::new(ErrorKind::Incomplete, message));
        }
        Ok(Step::End)
    }

    /// Waits until the next connection attempt, or returns the final error.
    async fn recover(&mut self, error: Error) -> Result<()> {
        self.connection = None;
        let outcome = if self.resumable { self.reconnects.wait(error).await } else { Err(error) };
        let opened = self.opened;
        outcome.map_err(|error| error.edit(|inner| inner.incomplete = opened))
    }
}
