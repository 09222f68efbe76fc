//! Deleting what is stored for a limited time.

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::consent::EventChange;
use crate::domain::error::Result;
use crate::domain::ledger::Entry;
use crate::store::{Listing, Lock, Operation, Store, Transaction};

use super::{ledger, webhook, workspace_deletion, workspaces};

/// How many rows one transaction deletes.
const BATCH: usize = 500;

/// How long servers can catch up with changes of consent instead of reading all of it again.
const CHANGES_KEPT: TimeDelta = TimeDelta::hours(1);

/// Deletes expired responses and records of webhooks in all workspaces, and expired
/// suppressions unless they are kept forever. Several processes may do this at once.
/// A workspace that fails does not keep the others from it; the last error is returned.
pub async fn sweep(store: &Store, suppressions: Option<TimeDelta>) -> Result<()> {
    // Not `workspaces::for_each`: the server runs this in a task, whose future has to be Send.
    let mut swept = Ok(());
    for id in workspaces::ids(store).await? {
        let done = match workspaces::exists(store, &id).await {
            Ok(false) => continue,
            Ok(true) => sweep_one(store, &id, suppressions).await,
            Err(error) => Err(error),
        };
        swept = done.and(swept);
    }
    workspace_deletion::purge_all(store).await.and(swept)
}

async fn sweep_one(store: &Store, id: &str, suppressions: Option<TimeDelta>) -> Result<()> {
    let sweep = |what, before| Sweep { workspace_id: id.to_owned(), what, before };
    let before = store.kept_since(store.response_retention());
    while store.write(sweep(What::Answers, before)).await? {}
    let before = store.kept_since(webhook::KEPT);
    while store.write(sweep(What::Webhooks, before)).await? {}
    let before = store.kept_since(CHANGES_KEPT);
    while store.write(sweep(What::Changes, before)).await? {}
    if let Some(kept) = suppressions {
        let before = store.kept_since(kept);
        while store.write(sweep(What::Suppressions, before)).await? {}
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum What {
    Answers,
    Webhooks,
    Changes,
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
            What::Webhooks => db.delete_webhook_records(&workspace, self.before, BATCH).await?,
            What::Changes => db.delete_consent_changes(&workspace, self.before, BATCH).await?,
            What::Suppressions => {
                let (_, head) = db.next_consent_revision(&workspace).await?;
                let forgotten = db.delete_suppressions(&workspace, self.before, BATCH).await?;
                let count = forgotten.len();
                if count > 0 {
                    let change = EventChange::Forgotten(forgotten.clone());
                    let mut entries = [Entry::without_detail(tx.new_id(), None, change, tx.now)];
                    ledger::append(tx, &workspace, head, &mut entries).await?;
                    let position = entries[0].position;
                    let pointer = |id| (Listing::Identity(id), position);
                    let pointers: Vec<_> = forgotten.into_iter().map(pointer).collect();
                    tx.db.add_ledger_pointers(&workspace, &pointers).await?;
                }
                count as u64
            }
        };
        Ok(dropped == BATCH as u64)
    }
}
