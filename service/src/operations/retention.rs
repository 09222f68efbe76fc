//! What is kept for a time only.

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::error::Result;
use crate::store::{Lock, Operation, Store, Transaction};

use super::workspaces;

/// Rows dropped in one transaction.
const BATCH: usize = 500;

/// Drops answers past their retention in all workspaces; and, unless they are
/// kept forever, what is known of people who are no contacts. Several may.
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

/// Drops some of what is from before a time. False when that was all.
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
