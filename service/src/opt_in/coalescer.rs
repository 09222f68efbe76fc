//! Makes one read of many checks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::read_rows;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::store::{CheckRow, Store, loggable};

/// Most keys of one read.
const MAX_READ: usize = 1000;

/// Checks that come while a read of their workspace is under way wait for the
/// next one, which answers them all. There is no timer: an idle workspace reads
/// at once. A read begins only after everybody it answers has asked, so an
/// answer is never older than its question.
#[derive(Clone)]
pub(super) struct Coalescer {
    store: Store,
    timeout: Duration,
    /// Who waits for the next read, by workspace. An entry is there as long as
    /// a task reads for that workspace.
    waiting: Arc<Mutex<HashMap<String, Vec<Waiter>>>>,
}

struct Waiter {
    key: MatchKey,
    answer: oneshot::Sender<Result<Option<CheckRow>>>,
}

impl Coalescer {
    pub(super) fn new(store: Store, timeout: Duration) -> Self {
        Self { store, timeout, waiting: Arc::default() }
    }

    /// What is known of one person.
    pub(super) async fn read(&self, workspace_id: &str, key: MatchKey) -> Result<Option<CheckRow>> {
        let (answer, answered) = oneshot::channel();
        self.enter(workspace_id, Waiter { key, answer });
        let gone = |_| Error::internal("the reading task ended without an answer");
        answered.await.map_err(gone)?
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
        // A task of its own: the caller whose check began it may go away.
        tokio::spawn(self.clone().serve(workspace_id.to_owned()));
    }

    /// Reads for a workspace until nobody waits.
    async fn serve(self, workspace_id: String) {
        while let Some(batch) = self.next_batch(&workspace_id) {
            let mut keys: Vec<_> = batch.iter().map(|waiter| waiter.key.clone()).collect();
            keys.sort_unstable();
            keys.dedup();
            let result = read_rows(&self.store, self.timeout, &workspace_id, &keys).await;
            if let Err(error) = &result {
                log_failure(error);
            }
            for Waiter { key, answer } in batch {
                let row = match &result {
                    Ok(rows) => Ok(rows.get(&key).cloned()),
                    Err(error) => Err(error.for_another_caller()),
                };
                // Who went away needs no answer.
                drop(answer.send(row));
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
        tracing::error!(error.cause = cause, "a consent read failed; its checks were not answered");
    }
}
