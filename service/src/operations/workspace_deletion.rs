//! Deleting workspaces.
//!
//! The first transaction makes sure that nobody finds the workspace any more. What it held is deleted in
//! that one too if it is little, and otherwise in further ones, so that no opt-out elsewhere waits for
//! all of it. Should the server end meanwhile, the next one goes on.

use crate::domain::error::{Error, Reason, Result};
use crate::store::{Bulk, GivenUp, Lock, LongWork, Operation, Purged, Store, Transaction};

use super::{api_tokens, lock_workspace};

/// Deletes a workspace with everything in it. Returns how many contacts it had. Goes on without its
/// caller only as long as the future is polled.
///
/// # Errors
/// NOT_FOUND, INVALID_ARGUMENT without the same id as confirmation; UNAVAILABLE also if the workspace
/// is gone already, but something of it is left.
pub async fn delete(store: &Store, workspace_id: String, confirmation: String) -> Result<i64> {
    if workspace_id.is_empty() {
        return Err(Error::required("workspace_id"));
    }
    if confirmation != workspace_id {
        let message = "repeat the workspace_id here: this erases everything in it, the consent \
                       ledger too; keep that first with contacts-service audit export";
        return Err(Error::invalid(Reason::InvalidArgument, "confirm_workspace_id", message));
    }
    let rows = store.rows_of(LongWork::Purge);
    let (row_key, first) = store.write(Delete { workspace_id, rows }).await?;
    if first.is_done {
        return Ok(first.contacts);
    }
    let left = |error: Error| {
        error.with_advice(
            "the workspace is deleted; what it held is being deleted, at the latest with the \
             server's next maintenance",
        )
    };
    let Some(_purge) = store.begin_purge(row_key) else { return Ok(first.contacts) };
    Ok(first.contacts + purge(store, row_key).await.map_err(left)?)
}

/// Deletes what is left of deleted workspaces, unless somebody is about it.
pub async fn purge_all(store: &Store) -> Result<()> {
    let row_keys = store.read().await?.deleted_workspaces().await?;
    for row_key in row_keys {
        if let Some(_purge) = store.begin_purge(row_key) {
            purge(store, row_key).await?;
        }
    }
    Ok(())
}

async fn purge(store: &Store, row_key: i64) -> Result<i64> {
    let mut contacts = 0;
    loop {
        let rows = store.rows_of(LongWork::Purge);
        let purged = store.write(Purge { row_key, rows }).await?;
        contacts += purged.contacts;
        if purged.is_done {
            return Ok(contacts);
        }
    }
}

struct Delete {
    workspace_id: String,
    rows: usize,
}

impl Operation for Delete {
    /// The row key of the workspace, and what was deleted of it.
    type Output = (i64, Purged);

    fn bulk(&self) -> Option<Bulk<'_>> {
        let rows = Some((LongWork::Purge, self.rows));
        Some(Bulk { workspace_id: &self.workspace_id, rows, given_up: GivenUp::RunsAgain })
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(i64, Purged)> {
        let found = lock_workspace(tx, &self.workspace_id, Lock::Exclusive).await?;
        api_tokens::forget_workspace(tx, &found.workspace_id).await?;
        let purged = tx.db.delete_workspace(&found, self.rows).await?;
        Ok((found.row_key, purged))
    }
}

struct Purge {
    row_key: i64,
    rows: usize,
}

impl Operation for Purge {
    type Output = Purged;

    fn bulk(&self) -> Option<Bulk<'_>> {
        Some(Bulk {
            workspace_id: "",
            rows: Some((LongWork::Purge, self.rows)),
            given_up: GivenUp::RunsAgain,
        })
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Purged> {
        tx.db.purge_workspace(self.row_key, self.rows).await
    }
}
