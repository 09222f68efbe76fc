//! Coalesces concurrent checks into one read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Histogram;
use tokio::sync::oneshot;

use super::read::Reads;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::store::{CheckRow, Validity, loggable};
use crate::telemetry::metrics::{CHECKS_PER_READ, Metrics};

/// Most checks of one read.
const MAX_READ: usize = 1000;

/// Checks that arrive while a read of their workspace is under way share the next
/// one. There is no timer: if no read is under way, one begins at once. A read
/// begins after all the checks that it serves arrived, so none gets a state older
/// than itself.
#[derive(Clone)]
pub(super) struct Coalescer<R> {
    reads: R,
    /// The checks that wait for the next read, by workspace. There is an entry as
    /// long as a task reads for that workspace.
    waiting: Arc<Mutex<HashMap<String, Vec<Waiter>>>>,
    /// How many checks share a read.
    sizes: Histogram,
}

struct Waiter {
    /// None: only the validity is asked for.
    key: Option<MatchKey>,
    /// Whether the validity is asked for.
    with_validity: bool,
    reply: oneshot::Sender<Result<Read>>,
}

/// What was read for one check.
pub(super) struct Read {
    /// None if nothing is known of the person.
    pub(super) row: Option<CheckRow>,
    /// See [`Checked::as_of`](crate::store::Checked::as_of).
    pub(super) as_of: Option<Validity>,
    validity: Option<Validity>,
}

impl<R: Reads> Coalescer<R> {
    pub(super) fn new(reads: R) -> Self {
        Self { reads, waiting: Arc::default(), sizes: Histogram::noop() }
    }

    /// Measures how many checks share a read.
    pub(super) fn measured(self, metrics: &Metrics) -> Self {
        Self { sizes: metrics.histogram(&CHECKS_PER_READ, &[]), ..self }
    }

    /// Reads the consent of one person, and the validity if that is asked for.
    pub(super) async fn read(
        &self,
        workspace_id: &str,
        key: MatchKey,
        with_validity: bool,
    ) -> Result<Read> {
        self.ask(workspace_id, Some(key), with_validity).await
    }

    /// Reads what tells whether consent that was read before is still that of the database.
    pub(super) async fn validity(&self, workspace_id: &str) -> Result<Validity> {
        let read = self.ask(workspace_id, None, true).await?;
        read.validity.ok_or_else(|| Error::internal("the validity was not read"))
    }

    async fn ask(
        &self,
        workspace_id: &str,
        key: Option<MatchKey>,
        with_validity: bool,
    ) -> Result<Read> {
        let (reply, replied) = oneshot::channel();
        self.enter(workspace_id, Waiter { key, with_validity, reply });
        let gone = |_| Error::internal("the reading task ended without a reply");
        replied.await.map_err(gone)?
    }

    /// Joins the next read of a workspace, and begins it if none is under way.
    fn enter(&self, workspace_id: &str, waiter: Waiter) {
        let mut waiting = self.lock();
        if let Some(next_read) = waiting.get_mut(workspace_id) {
            next_read.push(waiter);
            return;
        }
        waiting.insert(workspace_id.to_owned(), vec![waiter]);
        drop(waiting);
        // In a task, because the caller of this first check may go away.
        tokio::spawn(self.clone().serve(workspace_id.to_owned()));
    }

    /// Reads for a workspace until no checks wait.
    async fn serve(self, workspace_id: String) {
        while let Some(batch) = self.next_batch(&workspace_id) {
            self.sizes.record(batch.len() as f64);
            let mut keys: Vec<_> = batch.iter().filter_map(|waiter| waiter.key.clone()).collect();
            keys.sort_unstable();
            keys.dedup();
            let with_validity = batch.iter().any(|waiter| waiter.with_validity);
            let result = self.reads.read(&workspace_id, &keys, with_validity).await;
            if let Err(error) = &result {
                log_failure(error);
            }
            for Waiter { key, reply, .. } in batch {
                let row = match &result {
                    Ok(checked) => {
                        let row = key.and_then(|key| checked.rows.get(&key).cloned());
                        let as_of = checked.as_of().cloned();
                        Ok(Read { row, as_of, validity: checked.validity.clone() })
                    }
                    Err(error) => Err(error.for_another_caller()),
                };
                // The send fails if the caller went away.
                drop(reply.send(row));
            }
        }
    }

    fn next_batch(&self, workspace_id: &str) -> Option<Vec<Waiter>> {
        let mut waiting = self.lock();
        let batch = waiting.get_mut(workspace_id)?;
        if batch.is_empty() {
            waiting.remove(workspace_id);
            return None;
        }
        let rest = batch.split_off(batch.len().min(MAX_READ));
        Some(std::mem::replace(batch, rest))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_failure(error: &Error) {
    if error.reason() != Reason::WorkspaceNotFound {
        let cause = std::error::Error::source(error).map(loggable);
        tracing::error!(error.cause = cause, "a consent read failed; its checks failed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::time::{Duration, sleep};

    use super::*;
    use crate::store::{CheckRows, Checked};

    /// A database that takes its time: a read returns, as the revision, which read it was.
    #[derive(Clone, Default)]
    struct SlowReads(Arc<AtomicI64>);

    impl Reads for SlowReads {
        async fn read(&self, _: &str, _: &[MatchKey], _: bool) -> Result<Checked> {
            let revision = self.0.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
            let validity =
                Validity { incarnation: [0; 32], revision, stamp: 0, max_ages: [None; 3] };
            Ok(Checked { rows: CheckRows::new(), validity: Some(validity), is_exact: true })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_check_is_answered_by_a_read_that_began_before_it() {
        let reads = SlowReads::default();
        let coalescer = Coalescer::new(reads.clone());
        let mut checks = Vec::new();
        for number in 0..100_u64 {
            // Some arrive together, others while a read is under way, or when none is.
            sleep(Duration::from_millis(number * 7 % 23 / 4)).await;
            let (reads, coalescer) = (reads.clone(), coalescer.clone());
            checks.push(tokio::spawn(async move {
                let begun = reads.0.load(Ordering::SeqCst);
                let read = coalescer.validity("acme").await.expect("a validity").revision;
                assert!(read >= begun, "read {read} began before check {number}, after {begun}");
            }));
        }
        for check in checks {
            check.await.expect("a check that did not panic");
        }
        let all = reads.0.load(Ordering::SeqCst);
        assert!((2..80).contains(&all), "{all} reads for 100 checks");
        assert!(coalescer.lock().is_empty(), "nobody reads any more");
    }
}
