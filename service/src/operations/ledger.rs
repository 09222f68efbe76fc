//! The ledger's chain: the one place where it grows.

use uuid::Uuid;

use crate::domain::consent::ConsentEvent;
use crate::domain::error::Result;
use crate::domain::ledger::{Entry, Head, Salt};
use crate::store::{Lock, Operation, Store, Transaction, Workspace};

use super::workspace;

/// Entries sealed in one transaction.
const SEALED_AT_ONCE: usize = 5000;

/// Events as the ledger takes them, each with a salt of its own.
pub fn entries(events: Vec<ConsentEvent>) -> Vec<Entry> {
    events.into_iter().map(|event| Entry::of(event, new_salt())).collect()
}

/// Appends to the ledger of a workspace that ends with `head`, which is known
/// and holds since its consent revision was counted up.
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
    tx.session.append_entries(workspace, entries, &head).await
}

/// Seals events from before there was a chain. Several processes may at once.
pub async fn seal_all(store: &Store) -> Result<()> {
    while let Some(workspace_id) = unsealed(store).await? {
        store.write(Seal { workspace_id }).await?;
    }
    Ok(())
}

/// A workspace whose ledger is not sealed to its end.
pub async fn unsealed(store: &Store) -> Result<Option<String>> {
    Ok(store.read().await?.unsealed_workspaces(1).await?.pop())
}

/// Seals some of the events of a workspace.
struct Seal {
    workspace_id: String,
}

impl Operation for Seal {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> Result<()> {
        let workspace = workspace(&mut *tx.session, &self.workspace_id, Lock::Exclusive).await?;
        let mut head = workspace.ledger;
        let mut entries = tx.session.entries(&workspace, head.length, SEALED_AT_ONCE).await?;
        // Behind the first that has a hash somebody was at work already, or at
        // the ledger: `audit verify` tells.
        let sealed = entries.iter().position(|entry| entry.hash.is_some());
        entries.truncate(sealed.unwrap_or(entries.len()));
        for entry in &mut entries {
            if let Some(detail) = &mut entry.detail {
                detail.salt = new_salt();
                entry.detail_hash = Some(detail.hash());
            }
            head.append(entry);
        }
        tx.session.seal_entries(&workspace, &entries, &head).await
    }
}

#[expect(clippy::disallowed_methods, reason = "salts have to be unpredictable")]
fn new_salt() -> Salt {
    Uuid::new_v4().into_bytes()
}
