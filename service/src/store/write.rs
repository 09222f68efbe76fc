//! Writing: one transaction after the other, each when it is its turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::pace::{Other, Took};
use super::turns::{Turn, Turns};
use super::{
    Backend, ConnectionPlaces, GivenUp, Operation, Store, Transaction, Writer, connections,
    measured,
};
use crate::domain::error::{Error, Reason, Result};
use crate::operations::named;
use crate::runtime::off_worker;
use crate::telemetry::call;

/// How often a write runs, at most, when it conflicts with others.
const WRITE_ATTEMPTS: u32 = 5;
/// The pause after the first conflict. It grows with each attempt.
const CONFLICT_PAUSE: Duration = Duration::from_millis(5);

/// How long long work waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Changes of a connection that wait for the only writer at a time. With one, long work would come
/// between any two of them.
const WAITING: usize = 8;

/// The caller went away before it was the turn of its change.
#[derive(Debug, thiserror::Error)]
#[error("nobody waits for it")]
struct Abandoned;

/// Where writes wait for a connection.
pub(super) struct WriteQueue {
    /// By workspace: more transactions at a time gain nothing, and the others have at least half of the
    /// connections.
    long_work: Turns<String>,
    /// By the client's connection, and whether it is an objection. Only where one writes at a time: where
    /// several do, the wait is short, and whoever waits for a database node that hangs must not keep the
    /// client's other changes.
    changes: Option<Turns<(Option<SocketAddr>, bool)>>,
    others: ConnectionPlaces,
}

impl WriteQueue {
    pub(super) fn new(backend: &dyn Backend) -> Self {
        let writers = connections(backend, measured::WRITE);
        let half = usize::try_from(writers.div_ceil(2)).unwrap_or(1);
        let longest_wait = backend.write_timeout();
        let changes = || Turns::new(WAITING, usize::MAX, longest_wait, "changes");
        Self {
            long_work: Turns::new(backend.parallel_writes(), half, LONGEST_WAIT, "long work"),
            changes: (writers == 1).then(changes),
            others: ConnectionPlaces::of_writes(writers, longest_wait),
        }
    }

    /// Waits until it is this operation's turn to get a connection.
    async fn enter(
        &self,
        operation: &impl Operation,
    ) -> Result<(Option<Turn>, Option<OwnedSemaphorePermit>)> {
        let is_objection = operation.is_objection();
        let turn = match (operation.bulk(), &self.changes) {
            (Some(bulk), _) => {
                Some(self.long_work.enter(named(bulk.workspace_id)?.to_owned()).await?)
            }
            (None, Some(changes)) => {
                let connection = call::current().and_then(|call| call.peer());
                Some(changes.enter((connection, is_objection)).await?)
            }
            (None, None) => None,
        };
        let place = match is_objection {
            true => None,
            false => Some(self.others.enter().await?),
        };
        Ok((turn, place))
    }
}

impl Store {
    /// Somebody whose objection waits, until this is dropped.
    #[cfg(test)]
    pub(crate) fn objecting(&self) -> impl Drop + use<> {
        self.pace.other(true)
    }

    /// Runs an operation in a write transaction and commits it. Runs it again if
    /// it conflicts with another one.
    ///
    /// Once it has begun, the operation finishes even if the caller is dropped: cancelling it in
    /// the middle would cost its connection.
    pub async fn write<O: Operation>(&self, operation: O) -> Result<O::Output> {
        let is_objection = operation.is_objection();
        let other = operation.bulk().is_none().then(|| self.pace.other(is_objection));
        self.write_beside(operation, other).await
    }

    /// The same as this write of others, until its end.
    pub(super) async fn write_beside<O: Operation>(
        &self,
        operation: O,
        other: Option<Other>,
    ) -> Result<O::Output> {
        let store = self.clone();
        let is_bulk = operation.bulk().is_some();
        // What nobody waits for any more is not begun.
        let caller = CancellationToken::new();
        let _caller = caller.clone().drop_guard();
        let write = call::outliving(async move {
            let _other = other;
            store.write_with_retries(&operation, &caller).await
        });
        let runtime = self.runtime.handle();
        let written = match is_bulk {
            true => self.writes.spawn_on(off_worker(write).in_current_span(), &runtime),
            false => self.writes.spawn_on(write.in_current_span(), &runtime),
        };
        written.await.unwrap_or_else(|error| Err(Error::internal(error)))
    }

    async fn write_with_retries<O: Operation>(
        &self,
        operation: &O,
        caller: &CancellationToken,
    ) -> Result<O::Output> {
        if operation.needs_preparation() {
            operation.prepare(self).await?;
        }
        let given_up = operation.bulk().map_or(GivenUp::Never, |bulk| bulk.given_up);
        let attempts = if given_up == GivenUp::IsDivided { 1 } else { WRITE_ATTEMPTS };
        let mut attempt = 1;
        loop {
            let gives_way = attempt == 1 && given_up != GivenUp::Never;
            match self.write_once(operation, caller, gives_way).await {
                Err(error) if error.reason() == Reason::WriteConflict => {
                    // Whoever it was given up for may not wait for the connection yet.
                    tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
                    if attempt == attempts {
                        return Err(error);
                    }
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn write_once<O: Operation>(
        &self,
        operation: &O,
        caller: &CancellationToken,
        gives_way: bool,
    ) -> Result<O::Output> {
        let bulk = operation.bulk();
        let turn = caller.run_until_cancelled(self.queue.enter(operation)).await;
        let _turn = turn.ok_or_else(|| Error::unavailable(Abandoned))??;
        let mut db = self.begin().await?;
        if gives_way {
            db.give_way_to(self.pace.first(bulk.and_then(|bulk| bulk.rows))).await?;
        }
        let began = Instant::now();
        let (ids, keyring) = (Arc::clone(&self.ids), Arc::clone(&self.keyring));
        let times = (self.now(), self.clock.earliest());
        let mut tx = Transaction::new(db, times, self.response_retention, ids, keyring);
        let ran = async {
            let output = operation.run(&mut tx).await?;
            tx.announce_consent().await?;
            Ok(output)
        };
        match ran.await {
            Ok(output) => {
                let held = tx.db.held(began.elapsed());
                let committing = Instant::now();
                tx.db.commit().await?;
                if let Some((work, rows)) = bulk.and_then(|bulk| bulk.rows) {
                    let commit = committing.elapsed();
                    self.pace.wrote(work, rows, Took { held: held + commit, commit });
                    let is_alone = self.pace.is_alone(Instant::now());
                    if let Err(error) = self.backend.tidy(rows, is_alone).await {
                        // What was written is committed.
                        tracing::warn!(error.reason = ?error.reason(), "tidying up failed");
                    }
                }
                Ok(output)
            }
            Err(error) => {
                tx.db.rollback().await;
                Err(error)
            }
        }
    }

    async fn begin(&self) -> Result<Box<dyn Writer>> {
        let call = call::current();
        self.backend.begin(call.as_ref().and_then(|call| call.workspace_id())).await
    }
}
