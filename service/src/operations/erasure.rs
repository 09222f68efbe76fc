//! Listing erasures, and repeating them on a database that was restored from an older
//! backup.

use std::collections::HashSet;

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{
    Change, Clock, ConsentEvent, EventChange, EventKind, Evidence, IdentityConsent, IdentityId,
    MessageCategory, Person, Said, Source, fold,
};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::ledger::Entry;
use crate::domain::phone::MatchKey;
use crate::store::{
    ConsentRow, Listing, Lock, Operation, Receipt, Store, Subjects, Transaction, Workspace,
};

use super::unit_of_work::{UnitOfWork, Version, new_identity, positions_of};
use super::{ledger, lock_workspace, workspace};

pub use holders::{Holders, holders};

mod holders;

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
        let is_out = |category: &MessageCategory| {
            let mut rows = rows.iter().flatten();
            rows.any(|row| row.consent.objections.opt_out(*category).is_some())
        };
        let opted_out = MessageCategory::ALL.into_iter().filter(is_out).collect();
        erasures.push(Erasure { receipt, opted_out });
    }
    Ok(erasures)
}

/// Repeats an erasure on this database, of which [`EraseAgain`] erased the contacts.
#[derive(Clone, Debug)]
pub struct RepeatErasure {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The erasure. The keyring has the keys that its hashed keys were made with.
    pub erasure: Erasure,
    /// The keys of contacts that the erased contact had, too.
    pub holders: Holders,
}

/// Erases the contacts of an erasure, unless it is recorded. To be done for all erasures before any is
/// repeated: an id may have come from one of their contacts to another one since the backup, and only
/// what is nobody's is found under its hashed key.
#[derive(Debug)]
pub struct EraseAgain(pub RepeatErasure);

impl Operation for EraseAgain {
    /// Whether there were any.
    type Output = bool;

    async fn run(&self, tx: &mut Transaction) -> Result<bool> {
        let Self(RepeatErasure { workspace_id, erasure, .. }) = self;
        let workspace = lock_workspace(tx, workspace_id, Lock::Shared).await?;
        if is_recorded(tx, &workspace, &erasure.receipt).await? {
            return Ok(false);
        }
        let mut erased = false;
        for id in erasure.receipt.contact_ids() {
            let person = Recipient::Id(id);
            let unit = UnitOfWork::load(tx, &workspace, std::slice::from_ref(&person)).await?;
            let found = unit.find_contact(&person).and_then(|entry| unit.contact(entry)).cloned();
            if let Some(contact) = found {
                unit.erase(tx, &contact, erasure.receipt.delete_time, Version::Oldest).await?;
                erased = true;
            }
        }
        Ok(erased)
    }
}

impl Operation for RepeatErasure {
    /// Whether it was not recorded before.
    type Output = bool;

    async fn run(&self, tx: &mut Transaction) -> Result<bool> {
        let receipt = &self.erasure.receipt;
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        if is_recorded(tx, &workspace, receipt).await? {
            return Ok(false);
        }
        let kept = self.part(tx, &workspace).await?;
        self.suppress(tx, &workspace, receipt.contact_ids().collect(), &kept).await?;
        tx.db.insert_receipt(&workspace, receipt).await?;
        Ok(true)
    }
}

async fn is_recorded(
    tx: &mut Transaction,
    workspace: &Workspace,
    receipt: &Receipt,
) -> Result<bool> {
    let known = tx.db.receipts(workspace, receipt.contact_id).await?;
    Ok(known.iter().any(|known| known.receipt_id == receipt.receipt_id))
}

impl RepeatErasure {
    /// Erases the details recorded under the contact's hashed keys, and records under
    /// them that the person was erased. This includes keys that the contact got after
    /// the backup, but not those that a contact keeps.
    async fn suppress(
        &self,
        tx: &mut Transaction,
        workspace: &Workspace,
        contact_ids: Vec<Uuid>,
        kept: &[MatchKey],
    ) -> Result<()> {
        let Receipt { contact_id, delete_time, .. } = &self.erasure.receipt;
        let hashed_keys = self.rows_under(tx, workspace, kept).await?;
        let (revision, head) = tx.db.next_consent_revision(workspace).await?;
        tx.lock_keys_of(workspace, &self.erasure.receipt.hashed_keys).await?;
        let known = tx.db.consent(workspace, &hashed_keys).await?;
        let keys = self.erasure.receipt.hashed_keys.clone();
        let subjects = Subjects { contact_ids, keys, ..Subjects::default() };
        let standing = known.iter().flatten().flat_map(|row| row.consent.objections.events());
        let standing = standing.collect();
        let mut positions =
            positions_of(tx, workspace, std::slice::from_ref(&subjects), &standing).await?;
        let forgotten = tx.db.erase_ledger_details(workspace, &subjects).await?;
        tx.db.erase_stored_responses(workspace, &subjects).await?;
        // Details alone are not erased: whose they were is erased again with them.
        if self.is_known(&known) && forgotten.is_empty() {
            return Ok(());
        }
        // One person, of which the backup may know several: what stood against one stands against all.
        let rows = known.into_iter().map(|row| match row {
            Some(row) => (row.identity_id, row.consent),
            None => (new_identity(), IdentityConsent::default()),
        });
        let mut person = Person::create(rows);
        let ids: Vec<_> = person.members().iter().map(|member| member.id).collect();
        let (Some(first), Some(key)) = (ids.first().copied(), hashed_keys.first()) else {
            return Ok(());
        };
        let created = EventChange::Identities(Change::Created { identities: ids.clone() });
        let created = Entry::without_detail(tx.new_id(), Some(*contact_id), created, tx.now);
        let mut entries = vec![created];
        if !self.erasure.opted_out.is_empty() {
            let (event, statement) = self.objection(tx, &ids, key);
            person.record(&statement);
            entries.extend(ledger::entries(vec![event])?);
        }
        let event_id = tx.new_id();
        let change = EventChange::Identities(Change::Erased { identity: first });
        let times = (*delete_time, tx.now);
        entries.push(Entry::of_erasure(event_id, *contact_id, change, forgotten, times));
        ledger::append(tx, workspace, head, &mut entries).await?;
        let all: Vec<_> = entries.iter().map(|entry| entry.position).collect();
        positions.extend(entries.iter().map(|entry| (entry.fact.event_id, entry.position)));
        let erased = person.erase(*delete_time, event_id);
        let (mut rows, mut pointers) = (Vec::new(), Vec::new());
        for ((key, id), person) in hashed_keys.iter().zip(ids).zip(erased) {
            let consent = person.row(id).unwrap_or_default();
            let standing = consent.objections.events().into_iter();
            let listed = standing.filter_map(|event| positions.get(&event).copied());
            pointers.extend(listed.map(|position| (Listing::Key(key.clone()), position)));
            pointers.extend(all.iter().map(|position| (Listing::Identity(id), *position)));
            rows.push(ConsentRow {
                match_key: key.clone(),
                identity_id: id,
                contact_id: None,
                is_former: false,
                consent,
                update_time: Some(tx.now),
                revision,
            });
        }
        let erasure = all.last().copied();
        let of_contacts = subjects.contact_ids.iter().map(|id| Listing::Contact(*id));
        pointers.extend(of_contacts.filter_map(|listing| Some((listing, erasure?))));
        tx.db.add_ledger_pointers(workspace, &pointers).await?;
        rows.sort_by(|a, b| a.match_key.cmp(&b.match_key));
        tx.db.upsert_consent(workspace, &rows).await
    }

    /// The hashed keys of the rows of what was erased, without what a contact keeps: those that there are, under
    /// any version of the key, or else the oldest, which all erasures of the same id name.
    async fn rows_under(
        &self,
        tx: &mut Transaction,
        workspace: &Workspace,
        kept: &[MatchKey],
    ) -> Result<Vec<MatchKey>> {
        let keyring = tx.keyring();
        let by_identity = self.erasure.receipt.by_identity(&keyring);
        let by_identity = by_identity.filter(|hashed| !kept.contains(&hashed[0])).map(|hashed| {
            // What a contact left just now is under the latest version.
            let left = self.holders.key_of(hashed);
            let left = left.map(|key| keyring.hashed(&workspace.workspace_id, key));
            let left = left.filter(|key| !hashed.contains(key));
            left.into_iter().chain(hashed.iter().cloned()).collect()
        });
        let by_identity: Vec<Vec<MatchKey>> = by_identity.collect();
        let known = tx.db.consent_by_key(workspace, &by_identity.concat()).await?;
        let mut keys = Vec::new();
        for hashed in by_identity {
            let before = keys.len();
            keys.extend(hashed.iter().filter(|key| known.contains_key(*key)).cloned());
            if keys.len() == before {
                keys.extend(hashed.into_iter().next_back());
            }
        }
        Ok(keys)
    }

    /// Whether the erasure is known already: all were erased together, and stand against what it tells.
    fn is_known(&self, known: &[Option<ConsentRow>]) -> bool {
        let mut events = HashSet::new();
        let mut is_known = |row: &ConsentRow| {
            let objections = &row.consent.objections;
            let mut erasures = MessageCategory::ALL.iter().map(|c| objections.erasure(*c));
            let mut opted_out = self.erasure.opted_out.iter().map(|c| objections.opt_out(*c));
            erasures.all(|erasure| {
                events.extend(erasure.map(|erasure| erasure.event));
                erasure.is_some_and(|it| it.time >= self.erasure.receipt.delete_time)
            }) && opted_out.all(|it| it.is_some())
        };
        known.iter().all(|row| row.as_ref().is_some_and(&mut is_known)) && events.len() <= 1
    }

    /// What the person objected to, as far as the erasure tells: said when it happened.
    fn objection(
        &self,
        tx: &Transaction,
        ids: &[IdentityId],
        key: &MatchKey,
    ) -> (ConsentEvent, fold::Statement) {
        let Receipt { contact_id, delete_time, .. } = &self.erasure.receipt;
        let categories = self.erasure.opted_out.clone();
        let event_id = tx.new_id();
        let event = ConsentEvent {
            event_id,
            contact_id: Some(*contact_id),
            match_key: key.clone(),
            change: EventChange::Said {
                kind: EventKind::OptOut,
                named: ids.to_vec(),
                clock: Clock::Caller,
                is_reported: true,
                sender_phone_number_id: String::new(),
                expire_time: None,
            },
            categories: categories.clone(),
            source: Some(Source::Operator),
            evidence: Evidence::default(),
            reason_text: String::new(),
            occurred_time: *delete_time,
            record_time: tx.now,
            changed_categories: categories.clone(),
        };
        let said = Said::recorded(*delete_time, Clock::Caller);
        let word = fold::Word::OptOut { categories, source: Source::Operator };
        (event, fold::Statement { event: event_id, named: ids.to_vec(), said, word })
    }
}
