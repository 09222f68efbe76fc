//! Work sent over a bidirectional stream, a few units ahead of their answers.

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

/// What is said over the stream.
pub(crate) trait Conversation: Send + Sync + 'static {
    /// One unit of work, kept until it is answered.
    type Unit: Send + 'static;
    type Request: Send + 'static;
    type Answer: Send + 'static;
    /// What an answer means to the caller.
    type Output: Send + 'static;

    /// Whether a unit may be sent a second time without harm.
    fn may_repeat(&self) -> bool;

    /// The first message of every connection, if there is one.
    fn greeting(&self) -> Option<Self::Request>;

    /// The message for a unit. Asked for again with a new connection, if `may_repeat`.
    fn request(&self, unit: &mut Self::Unit) -> Self::Request;

    fn open(
        &self,
        requests: Outgoing<Self::Request>,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Answer>>>;

    /// Finds the unit that is answered, takes it out and makes the output.
    fn settle(
        &self,
        pending: &mut VecDeque<Self::Unit>,
        answer: Self::Answer,
    ) -> Result<Self::Output>;

    /// Adds to the error that ends it all what became of the units without an answer.
    fn lose(&self, error: Error, pending: &VecDeque<Self::Unit>) -> Error;
}

pub(crate) struct Limits {
    /// How many units may be without an answer.
    pub in_flight: usize,
    /// How long an answer may take.
    pub patience: Duration,
    pub retry: RetryPolicy,
}

/// Sends the units and yields what their answers mean. Nothing is read ahead of what may be in
/// flight, and nothing happens while the stream is not polled. Ends after the first error.
pub(crate) fn pipeline<C: Conversation>(
    conversation: C,
    units: BoxStream<'static, C::Unit>,
    limits: Limits,
) -> BoxStream<'static, Result<C::Output>> {
    let pipeline = Pipeline {
        conversation,
        units: units.fuse(),
        pending: VecDeque::new(),
        connection: None,
        reconnects: Reconnects::new(limits.retry.clone()),
        limits: Limits { patience: limits.patience.min(FOREVER), ..limits },
        heard: Instant::now(),
    };
    let outputs = stream::try_unfold(pipeline, async |mut pipeline| {
        Ok(pipeline.next().await?.map(|output| (output, pipeline)))
    });
    outputs.boxed()
}

/// How long the server may take to agree that everything was said.
const FAREWELL: Duration = Duration::from_secs(1);

struct Pipeline<C: Conversation> {
    conversation: C,
    units: Fuse<BoxStream<'static, C::Unit>>,
    /// Without an answer, oldest first.
    pending: VecDeque<C::Unit>,
    connection: Option<Connection<C>>,
    reconnects: Reconnects,
    limits: Limits,
    /// Since when an answer is awaited.
    heard: Instant,
}

struct Connection<C: Conversation> {
    requests: mpsc::UnboundedSender<C::Request>,
    answers: Incoming<C::Answer>,
}

impl<C: Conversation> Pipeline<C> {
    async fn next(&mut self) -> Result<Option<C::Output>> {
        loop {
            if self.pending.is_empty() && !self.await_unit().await {
                self.farewell().await;
                return Ok(None);
            }
            match self.converse().await {
                Ok(Some(output)) => return Ok(Some(output)),
                Ok(None) => {}
                Err(error) => self.recover(error).await?,
            }
        }
    }

    /// Waits for work; false if there is no more. A connection that ends meanwhile loses nothing
    /// and is forgotten: servers close imports that are idle for long.
    async fn await_unit(&mut self) -> bool {
        loop {
            let ended = async {
                match &mut self.connection {
                    Some(connection) => drop(connection.answers.next().await),
                    None => future::pending().await,
                }
            };
            tokio::select! {
                unit = self.units.next() => match unit {
                    Some(unit) => {
                        self.heard = Instant::now();
                        self.send(unit);
                        return true;
                    }
                    None => return false,
                },
                () = ended => self.connection = None,
            }
        }
    }

    /// Sends one more unit or receives one answer, whichever can be done first.
    async fn converse(&mut self) -> Result<Option<C::Output>> {
        let room = self.pending.len() < self.limits.in_flight && !self.units.is_done();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                none.insert(connect(&self.conversation, &mut self.pending, &self.limits).await?)
            }
        };
        tokio::select! {
            unit = self.units.next(), if room => {
                if let Some(unit) = unit {
                    self.send(unit);
                }
                Ok(None)
            }
            answer = timeout_at(self.heard + self.limits.patience, connection.answers.next()) => {
                let answer = match answer {
                    Ok(Some(answer)) => answer?,
                    Ok(None) => return Err(Error::unavailable("the stream ended too early")),
                    Err(_) => return Err(Error::unavailable("no answer within the idle timeout")),
                };
                let output = self.conversation.settle(&mut self.pending, answer)?;
                self.heard = Instant::now();
                self.reconnects.progress();
                Ok(Some(output))
            }
        }
    }

    fn send(&mut self, mut unit: C::Unit) {
        if let Some(connection) = &self.connection {
            let request = self.conversation.request(&mut unit);
            // If nobody reads it any more, the answers end and the unit is sent again.
            let _ = connection.requests.unbounded_send(request);
        }
        self.pending.push_back(unit);
    }

    /// Waits until a new connection may be tried. An error ends it all.
    async fn recover(&mut self, error: Error) -> Result<()> {
        self.connection = None;
        let outcome = match self.conversation.may_repeat() {
            true => self.reconnects.wait(error).await,
            false => Err(error),
        };
        self.heard = Instant::now();
        outcome.map_err(|error| self.conversation.lose(error, &self.pending))
    }

    /// Lets the server end the call by itself instead of cancelling it.
    async fn farewell(&mut self) {
        if let Some(Connection { requests, mut answers }) = self.connection.take() {
            drop(requests);
            let _ = timeout(FAREWELL, answers.next()).await;
        }
    }
}

/// A new connection, on which everything without an answer is already sent.
async fn connect<C: Conversation>(
    conversation: &C,
    pending: &mut VecDeque<C::Unit>,
    limits: &Limits,
) -> Result<Connection<C>> {
    let (requests, outgoing) = mpsc::unbounded();
    let units = pending.iter_mut().map(|unit| conversation.request(unit));
    for request in conversation.greeting().into_iter().chain(units) {
        let _ = requests.unbounded_send(request);
    }
    let answers = conversation.open(outgoing, limits.patience).await?;
    Ok(Connection { requests, answers })
}
