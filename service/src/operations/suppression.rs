//! Those who may not be named: erased people, and those who objected and are no
//! contacts. Kept under keyed hashes only.

use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{KeyLock, Lock, Operation, Store, Transaction};

use super::unit_of_work::put_suppressions;
use super::{workspace, workspaces};

/// People worked on in one transaction.
const BATCH: usize = 500;

/// Brings what versions before 0.2 wrote in clear under keyed hashes, in all
/// workspaces. May run at any time, and several times at once.
pub async fn hash_all(store: &Store) -> Result<()> {
    for found in workspaces::list(store, "", usize::MAX >> 1).await? {
        let workspace_id = found.workspace_id;
        while store.write(HashSome { workspace_id: workspace_id.clone() }).await? {}
    }
    Ok(())
}

/// Hashes some people. False when there was nobody left.
struct HashSome {
    workspace_id: String,
}

impl Operation for HashSome {
    type Output = bool;

    async fn run(&self, tx: &mut Transaction) -> Result<bool> {
        let workspace = workspace(&mut *tx.session, &self.workspace_id, Lock::Shared).await?;
        let named = tx.session.suppressed_in_clear(&workspace, BATCH).await?;
        let subjects = tx.session.subjects_in_clear(&workspace, BATCH).await?;
        if named.is_empty() && subjects.is_empty() {
            return Ok(false);
        }
        let (revision, _) = tx.session.next_consent_revision(&workspace).await?;
        tx.lock_suppression_keys(&workspace, KeyLock::Exclusive).await?;
        let keyring = tx.keyring();
        let hashed = |key: &MatchKey| keyring.hashed(&workspace.workspace_id, key);
        let rename = |old| {
            let new = hashed(&old);
            (old, new)
        };
        let renamed: Vec<_> = subjects.into_iter().map(rename).collect();
        // Held, and read again: somebody may have become a contact meanwhile.
        let keys: Vec<_> = named.into_iter().map(|row| row.match_key).collect();
        let rows = tx.session.consent(&workspace, &keys).await?;
        let rows: Vec<_> =
            rows.into_iter().flatten().filter(|row| row.contact_id.is_none()).collect();
        let keys: Vec<_> = rows.iter().map(|row| row.match_key.clone()).collect();
        let rows = rows
            .into_iter()
            .map(|mut row| {
                row.match_key = hashed(&row.match_key);
                row.revision = revision;
                row
            })
            .collect();
        tx.session.delete_consent(&workspace, &keys).await?;
        put_suppressions(tx, &workspace, rows).await?;
        tx.session.rename_subjects(&workspace, &renamed).await?;
        Ok(true)
    }
}

/// How many rows are under each version of the key, oldest first.
pub async fn count_by_key(store: &Store) -> Result<Vec<(u32, i64)>> {
    let mut counts: Vec<_> = store.keyring().ids().map(|key| (key.version, 0)).collect();
    for found in workspaces::list(store, "", usize::MAX >> 1).await? {
        let mut session = store.read().await?;
        for (version, rows) in &mut counts {
            *rows += session.count_suppressed(&found, *version).await?;
        }
    }
    Ok(counts)
}
