//! Going through a ledger, to see that it is as it was written.

use crate::domain::error::Result;
use crate::domain::ledger::{Damage, Entry, Head, IntegrityError, Verifier};
use crate::store::{Lock, Session, Store, Workspace};

use super::workspace;

/// Entries in memory at a time.
const PAGE: usize = 1000;

/// Recomputes the ledger of a workspace, in one state of the database: where it
/// ends, or the first place that is not as it was written. `kept` is a head that
/// it had before.
pub async fn verify(
    store: &Store,
    workspace_id: &str,
    kept: Option<Head>,
) -> Result<std::result::Result<Head, IntegrityError>> {
    let mut session = store.read_snapshot().await?;
    let verified = verify_in(&mut *session, workspace_id, kept).await;
    session.rollback().await;
    verified
}

async fn verify_in(
    session: &mut dyn Session,
    workspace_id: &str,
    kept: Option<Head>,
) -> Result<std::result::Result<Head, IntegrityError>> {
    let workspace = workspace(session, workspace_id, Lock::None).await?;
    let mut verifier = Verifier::new(&workspace.workspace_id, kept);
    loop {
        let after = verifier.head().length;
        let entries = session.entries(&workspace, after, PAGE).await?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            if let Err(broken) = verifier.next(entry) {
                return explain(session, &workspace, &verifier, entry, broken).await.map(Err);
            }
        }
    }
    Ok(match verifier.finish(workspace.ledger) {
        Ok(head) => Ok(head),
        Err(broken) => Err(named(session, &workspace, broken).await?),
    })
}

/// Says more of what is wrong with `found` than it shows by itself.
async fn explain(
    session: &mut dyn Session,
    workspace: &Workspace,
    verifier: &Verifier,
    found: &Entry,
    broken: IntegrityError,
) -> Result<IntegrityError> {
    if broken.damage != Damage::FactChanged {
        return named(session, workspace, broken).await;
    }
    // Perhaps what belongs here is further back.
    let mut after = found.position;
    loop {
        let entries = session.entries(workspace, after, PAGE).await?;
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

/// Adds which event is there, if one is.
async fn named(
    session: &mut dyn Session,
    workspace: &Workspace,
    broken: IntegrityError,
) -> Result<IntegrityError> {
    let there = session.entries(workspace, broken.position - 1, 1).await?;
    let there = there.into_iter().find(|entry| entry.position == broken.position);
    Ok(IntegrityError { event_id: there.map(|entry| entry.fact.event_id), ..broken })
}
