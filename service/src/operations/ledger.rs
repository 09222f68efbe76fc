//! Appending to the ledger. Nothing else does.

use crate::domain::consent::ConsentEvent;
use crate::domain::error::Result;
use crate::domain::ledger::{Entry, Head};
use crate::store::{Transaction, Workspace};

/// Turns events into ledger entries, each with a random salt.
pub fn entries(tx: &Transaction, events: Vec<ConsentEvent>) -> Result<Vec<Entry>> {
    events.into_iter().map(|event| Ok(Entry::of(event, tx.random()?))).collect()
}

/// Seals entries and appends them to the ledger, which ends with `head`: the one that
/// [`next_consent_revision`](crate::store::WorkspaceWriter::next_consent_revision)
/// returned in this transaction.
pub async fn append(
    tx: &mut Transaction,
    workspace: &Workspace,
    mut head: Head,
    entries: &mut [Entry],
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    entries.iter_mut().for_each(|entry| head.append(entry));
    tx.db.append_ledger_entries(workspace, entries, &head).await
}
