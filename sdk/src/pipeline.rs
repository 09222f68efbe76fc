//! Items sent over a bidirectional stream, several ahead of their responses.

use std::collections::VecDeque;
use std::time::Duration;

use futures_channel::mpsc;
use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, BoxStream, Fuse, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::FOREVER;
use crate::error::{Error, Result};
use crate::retry::{Reconnects, RetryPolicy};
use crate::transport::{Incoming, Outgoing};

/// The messages of one RPC.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// What a request carries. Kept until its response arrives.
    type Item: Send + 'static;
    type Request: Send + 'static;
    type Response: Send + 'static;
    /// What the caller gets for a response.
    type Output: Send + 'static;

    /// Whether an item may be sent twice without harm.
    fn is_idempotent(&self) -> bool;

    /// The first message of every connection, if the RPC has one.
    fn preface(&self) -> Option<Self::Request>;

    /// The message for an item. Called once per connection, thus at most once unless
    /// `is_idempotent`.
    fn request(&self, item: &mut Self::Item) -> Self::Request;

    fn open(
        &self,
        requests: Outgoing<Self::Request>,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Response>>>;

    /// Removes the item that the response belongs to, and makes the output.
    fn complete(
        &self,
        pending: &mut VecDeque<Self::Item>,
        response: Self::Response,
    ) -> Result<Self::Output>;

    /// Adds to the final error what is known about the items without a response.
    fn fail(&self, error: Error, pending: &VecDeque<Self::Item>) -> Error;
}

pub(crate) struct Limits {
    /// How many items may wait for a response.
    pub in_flight: usize,
    /// How long to wait for the next response.
    pub response_timeout: Duration,
    pub retry: RetryPolicy,
}

/// Sends the items and yields the outputs. Ends after the first error.
///
/// Reads no more items than may be in flight. Makes progress only while it is polled.
pub(crate) fn pipeline<P: Protocol>(
    protocol: P,
    items: BoxStream<'static, P::Item>,
    limits: Limits,
) -> BoxStream<'static, Result<P::Output>> {
    let pipeline = Pipeline {
        protocol,
        items: items.fuse(),
        pending: VecDeque::new(),
        connection: None,
        reconnects: Reconnects::new(limits.retry.clone()),
        limits: Limits { response_timeout: limits.response_timeout.min(FOREVER), ..limits },
        waiting_since: Instant::now(),
    };
    let outputs = stream::try_unfold(pipeline, async |mut pipeline| {
        Ok(pipeline.next().await?.map(|output| (output, pipeline)))
    });
    outputs.boxed()
}

/// How long to wait for the server to end the call after the last item.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

struct Pipeline<P: Protocol> {
    protocol: P,
    items: Fuse<BoxStream<'static, P::Item>>,
    /// Items without a response, oldest first.
    pending: VecDeque<P::Item>,
    connection: Option<Connection<P>>,
    reconnects: Reconnects,
    limits: Limits,
    /// When the wait for the next response began.
    waiting_since: Instant,
}

struct Connection<P: Protocol> {
    requests: mpsc::UnboundedSender<P::Request>,
    responses: Incoming<P::Response>,
}

impl<P: Protocol> Pipeline<P> {
    async fn next(&mut self) -> Result<Option<P::Output>> {
        loop {
            if self.pending.is_empty() && !self.wait_for_item().await {
                self.close().await;
                return Ok(None);
            }
            match self.exchange().await {
                Ok(Some(output)) => return Ok(Some(output)),
                Ok(None) => {}
                Err(error) => self.recover(error).await?,
            }
        }
    }

    /// Waits for an item while nothing is pending; false at the end of the input.
    ///
    /// A connection that ends meanwhile loses nothing, so its end is no error: servers close imports
    /// that are idle for long.
    async fn wait_for_item(&mut self) -> bool {
        loop {
            let ended = async {
                match &mut self.connection {
                    Some(connection) => drop(connection.responses.next().await),
                    None => future::pending().await,
                }
            };
            tokio::select! {
                item = self.items.next() => match item {
                    Some(item) => {
                        self.waiting_since = Instant::now();
                        self.send(item);
                        return true;
                    }
                    None => return false,
                },
                () = ended => self.connection = None,
            }
        }
    }

    /// Sends one more item or receives one response, whichever is possible first.
    async fn exchange(&mut self) -> Result<Option<P::Output>> {
        let has_room = self.pending.len() < self.limits.in_flight && !self.items.is_done();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.protocol, &mut self.pending, &self.limits).await?),
        };
        let deadline = self.waiting_since + self.limits.response_timeout;
        tokio::select! {
            item = self.items.next(), if has_room => {
                if let Some(item) = item {
                    self.send(item);
                }
                Ok(None)
            }
            response = timeout_at(deadline, connection.responses.next()) => {
                let response = match response {
                    Ok(Some(response)) => response?,
                    Ok(None) => return Err(Error::unavailable("the stream ended too early")),
                    Err(_) => return Err(Error::unavailable("no response within the idle timeout")),
                };
                let output = self.protocol.complete(&mut self.pending, response)?;
                self.waiting_since = Instant::now();
                self.reconnects.progress();
                Ok(Some(output))
            }
        }
    }

    fn send(&mut self, mut item: P::Item) {
        if let Some(connection) = &self.connection {
            let request = self.protocol.request(&mut item);
            // This fails if the call has ended. Then the responses end too, and the item is sent over
            // the next connection.
            let _ = connection.requests.unbounded_send(request);
        }
        self.pending.push_back(item);
    }

    /// Waits until the next connection attempt, or returns the final error.
    async fn recover(&mut self, error: Error) -> Result<()> {
        self.connection = None;
        let outcome = match self.protocol.is_idempotent() {
            true => self.reconnects.wait(error).await,
            false => Err(error),
        };
        self.waiting_since = Instant::now();
        outcome.map_err(|error| self.protocol.fail(error, &self.pending))
    }

    /// Lets the server end the call, so that it does not see a cancellation.
    async fn close(&mut self) {
        if let Some(Connection { requests, mut responses }) = self.connection.take() {
            drop(requests);
            let _ = timeout(CLOSE_TIMEOUT, responses.next()).await;
        }
    }
}

/// Opens a connection and sends everything that has no response yet.
async fn connect<P: Protocol>(
    protocol: &P,
    pending: &mut VecDeque<P::Item>,
    limits: &Limits,
) -> Result<Connection<P>> {
    let (requests, outgoing) = mpsc::unbounded();
    let items = pending.iter_mut().map(|item| protocol.request(item));
    for request in protocol.preface().into_iter().chain(items) {
        let _ = requests.unbounded_send(request);
    }
    let responses = protocol.open(outgoing, limits.response_timeout).await?;
    Ok(Connection { requests, responses })
}
