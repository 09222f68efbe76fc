//! Appending to the ledger. Nothing else does.

use crate::domain::consent::ConsentEvent;
use crate::domain::error::Result;
use crate::domain::ledger::{Entry, Head};
use crate::store::{Transaction, Workspace, random_salts};

/// Turns events into ledger entries, each with a random salt.
pub fn entries(events: Vec<ConsentEvent>) -> Result<Vec<Entry>> {
    let salts = random_salts(events.len())?;
    Ok(events.into_iter().zip(salts).map(|(event, salt)| Entry::of(event, salt)).collect())
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
    seal(&mut head, entries);
    append_sealed(tx, workspace, &head, entries).await
}

/// Gives entries their positions and hashes, after `head`, which is that of the last one then.
pub fn seal(head: &mut Head, entries: &mut [Entry]) {
    entries.iter_mut().for_each(|entry| head.append(entry));
}

/// Appends entries that are [`seal`]ed, of which `head` is that of the last one.
pub async fn append_sealed(
    tx: &mut Transaction,
    workspace: &Workspace,
    head: &Head,
    entries: &[Entry],
) -> Result<()> {
    match entries.is_empty() {
        true => Ok(()),
        false => tx.db.append_ledger_entries(workspace, entries, head).await,
    }
}
