//! Listing erasures, and repeating them on a database that was restored from an older
//! backup.

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{
    CategoryConsent, ConsentState, MessageCategory, OptInStatus, PlatformPreferences,
};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::ledger::Entry;
use crate::store::{
    ConsentRow, KeyLock, Lock, Operation, Receipt, Store, Subjects, Transaction, Workspace,
};

use super::unit_of_work::{UnitOfWork, put_suppressions};
use super::{ledger, lock_workspace, workspace};

/// An erasure that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Erasure {
    /// The receipt of the erasure.
    pub receipt: Receipt,
    /// The categories the person opted out of, if this is still stored.
    pub opted_out: Vec<MessageCategory>,
}

/// Returns a page of the erasures of a workspace since this time, with receipt ids
/// greater than `after`.
pub async fn page(
    store: &Store,
    workspace_id: &str,
    since: Time,
    after: Uuid,
    limit: usize,
) -> Result<Vec<Erasure>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let receipts = db.receipts_since(&workspace, since, after, limit).await?;
    let mut erasures = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        let rows = db.consent(&workspace, &receipt.hashed_keys).await?;
        let states = rows.into_iter().flatten().map(|row| row.state);
        let summary = states.fold(ConsentState::default(), ConsentState::stricter).summary();
        let is_out = |category: &MessageCategory| {
            summary.categories[*category as usize].0 == OptInStatus::OptedOut
        };
        let opted_out = MessageCategory::ALL.into_iter().filter(is_out).collect();
        erasures.push(Erasure { receipt, opted_out });
    }
    Ok(erasures)
}

/// Repeats an erasure on this database.
#[derive(Debug)]
pub struct RepeatErasure {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The erasure. The keyring has the keys that its hashed keys were made with.
    pub erasure: Erasure,
}

/// What repeating an erasure has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// The contact, or one that was merged into it, was erased.
    Erased,
    /// There was no contact. It is now recorded that the person was erased.
    Suppressed,
    /// Nothing: the erasure was already recorded.
    AlreadyGone,
}

impl Operation for RepeatErasure {
    type Output = Repeated;

    async fn run(&self, tx: &mut Transaction) -> Result<Repeated> {
        let receipt = &self.erasure.receipt;
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let known = tx.db.receipts(&workspace, receipt.contact_id).await?;
        if known.iter().any(|known| known.receipt_id == receipt.receipt_id) {
            return Ok(Repeated::AlreadyGone);
        }
        let mut ids = vec![receipt.contact_id];
        ids.extend(&receipt.merged_contact_ids);
        let mut repeated = Repeated::Suppressed;
        for id in &ids {
            let person = Recipient::Id(*id);
            let unit = UnitOfWork::load(tx, &workspace, std::slice::from_ref(&person)).await?;
            let found = unit.find_contact(&person).and_then(|entry| unit.contact(entry)).cloned();
            if let Some(contact) = found {
                unit.erase(tx, &contact, receipt.delete_time).await?;
                repeated = Repeated::Erased;
            }
        }
        self.suppress(tx, &workspace, ids).await?;
        tx.db.insert_receipt(&workspace, receipt).await?;
        Ok(repeated)
    }
}

impl RepeatErasure {
    /// Erases the details recorded under the contact's hashed keys, and records under
    /// them that the person was erased. This includes keys that the contact got after
    /// the backup.
    async fn suppress(
        &self,
        tx: &mut Transaction,
        workspace: &Workspace,
        contact_ids: Vec<Uuid>,
    ) -> Result<()> {
        let Receipt { contact_id, delete_time, hashed_keys, .. } = &self.erasure.receipt;
        let (revision, head) = tx.db.next_consent_revision(workspace).await?;
        tx.lock_suppression_keys(workspace, KeyLock::Exclusive).await?;
        let keyring = tx.keyring();
        for key in hashed_keys.iter().filter_map(|key| keyring.key_of(key)) {
            // The backup may be older than this version of the key.
            tx.db.lock_suppression_keys(workspace, key, KeyLock::Exclusive).await?;
        }
        let event_id = tx.new_id();
        let state = self.state(event_id, *delete_time);
        let known = tx.db.consent(workspace, hashed_keys).await?;
        let mut rows = Vec::new();
        for (key, known) in hashed_keys.iter().zip(known) {
            let known = known.map(|row| row.state).unwrap_or_default();
            if known.clone().stricter(state.clone()) != known {
                let (match_key, state) = (key.clone(), state.clone());
                rows.push(ConsentRow { match_key, contact_id: None, state, revision });
            }
        }
        let subjects = Subjects { contact_ids, keys: hashed_keys.clone() };
        let forgotten = tx.db.erase_ledger_details(workspace, &subjects).await?;
        tx.db.erase_stored_responses(workspace, &subjects).await?;
        if rows.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        let event = Entry::of_erasure(event_id, *contact_id, forgotten, tx.now);
        ledger::append(tx, workspace, head, &mut [event]).await?;
        put_suppressions(tx, workspace, rows).await
    }

    /// The consent that stays stored. It has the time of the original erasure, so that
    /// statements after it still count when they are recorded again.
    fn state(&self, event_id: Uuid, delete_time: Time) -> ConsentState {
        let category = |category| match self.erasure.opted_out.contains(&category) {
            true => CategoryConsent {
                status: OptInStatus::OptedOut,
                occurred_time: Some(delete_time),
                expire_time: None,
                event_id: Some(event_id),
            },
            false => CategoryConsent::default(),
        };
        ConsentState::new(MessageCategory::ALL.map(category), PlatformPreferences::default(), None)
            .erased(event_id, delete_time)
    }
}
