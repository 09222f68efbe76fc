//! Deleting what is stored for a limited time.

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::error::Result;
use crate::store::{Lock, Operation, Store, Transaction};

use super::workspaces;

/// How many rows one transaction deletes.
const BATCH: usize = 500;

/// Deletes expired responses in all workspaces, and expired suppressions unless they
/// are kept forever. Several processes may do this at once.
pub async fn sweep(store: &Store, suppressions: Option<TimeDelta>) -> Result<()> {
    for found in workspaces::list(store, "", usize::MAX >> 1).await? {
        let sweep = |what, before| Sweep { workspace_id: found.workspace_id.clone(), what, before };
        let before = store.now() - store.response_retention();
        while store.write(sweep(What::Answers, before)).await? {}
        if let Some(kept) = suppressions {
            let before = store.now() - kept;
            while store.write(sweep(What::Suppressions, before)).await? {}
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum What {
    Answers,
    Suppressions,
}

/// Deletes some rows that were written before a time. Returns whether there may be
/// more.
struct Sweep {
    workspace_id: String,
    what: What,
    before: Time,
}

impl Operation for Sweep {
    type Output = bool;

    async fn run(&self, tx: &mut Transaction) -> Result<bool> {
        let db = &mut tx.db;
        // It may have been deleted meanwhile.
        let Some(workspace) = db.lock_workspace(&self.workspace_id, Lock::Shared).await? else {
            return Ok(false);
        };
        let dropped = match self.what {
            What::Answers => db.delete_stored_responses(&workspace, self.before, BATCH).await?,
            What::Suppressions => db.delete_suppressions(&workspace, self.before, BATCH).await?,
        };
        Ok(dropped == BATCH as u64)
    }
}
