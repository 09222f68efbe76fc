//! Verifying that a ledger is as it was written.

use crate::domain::error::Result;
use crate::domain::ledger::{Damage, Entry, Head, IntegrityError, Verifier};
use crate::store::{Reader, Store, Workspace};

use super::workspace;

/// How many entries are read at a time.
const PAGE: usize = 1000;

/// Recomputes the hashes of a workspace's ledger in a snapshot of the database.
/// Returns its end, or the first position that is not as it was written. `kept` is
/// an earlier end of the ledger, which it has to contain.
pub async fn verify(
    store: &Store,
    workspace_id: &str,
    kept: Option<Head>,
) -> Result<std::result::Result<Head, IntegrityError>> {
    let mut db = store.read_snapshot().await?;
    let verified = verify_in(&mut *db, workspace_id, kept).await;
    db.close().await;
    verified
}

async fn verify_in(
    db: &mut dyn Reader,
    workspace_id: &str,
    kept: Option<Head>,
) -> Result<std::result::Result<Head, IntegrityError>> {
    let workspace = workspace(db, workspace_id).await?;
    let mut verifier = Verifier::new(&workspace.workspace_id, kept);
    loop {
        let after = verifier.head().length;
        let entries = db.ledger_entries(&workspace, after, PAGE).await?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            if let Err(broken) = verifier.next(entry) {
                return explain(db, &workspace, &verifier, entry, broken).await.map(Err);
            }
        }
    }
    Ok(match verifier.finish(workspace.ledger) {
        Ok(head) => Ok(head),
        Err(broken) => Err(named(db, &workspace, broken).await?),
    })
}

/// Looks for the reason why `found` does not match its hash.
async fn explain(
    db: &mut dyn Reader,
    workspace: &Workspace,
    verifier: &Verifier,
    found: &Entry,
    broken: IntegrityError,
) -> Result<IntegrityError> {
    if broken.damage != Damage::FactChanged {
        return named(db, workspace, broken).await;
    }
    // The entry that belongs here may be at a later position.
    let mut after = found.position;
    loop {
        let entries = db.ledger_entries(workspace, after, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(broken) };
        after = last.position;
        if let Some(other) = entries.iter().find(|other| verifier.are_swapped(found, other)) {
            return Ok(IntegrityError {
                damage: Damage::Swapped { with: other.position },
                ..broken
            });
        }
    }
}

/// Adds the id of the event at the position, if there is one.
async fn named(db: &mut dyn Reader, workspace: &Workspace, broken: IntegrityError) -> Result<IntegrityError> {
    let there = db.ledger_entries(workspace, broken.position - 1, 1).await?;
    let there = there.into_iter().find(|entry| entry.position == broken.position);
    Ok(IntegrityError { event_id: there.map(|entry| entry.fact.event_id), ..broken })
}
