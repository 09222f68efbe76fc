//! Loading what is known of people before they are changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::UnitOfWork;
use super::passed_on::PassedOn;
use super::persons::{Entry, new_identity};
use crate::domain::Time;
use crate::domain::consent::{EventKind, Person, Role};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::Result;
use crate::domain::external_id::ExternalId;
use crate::domain::phone::MatchKey;
use crate::store::{ConsentRow, Subjects, Transaction, Workspace, decode_profile};

/// How many of a person's events are read at a time.
const PAGE: usize = 100;

/// From this number of keys on, it is asked first whether any hash of one can be there.
const MANY: usize = 50;

impl<'a> UnitOfWork<'a> {
    /// Loads what is known of these people.
    pub async fn load(
        tx: &mut Transaction,
        workspace: &'a Workspace,
        recipients: &[Recipient],
    ) -> Result<Self> {
        let mut unit = Self {
            workspace,
            // Of an import, nearly every recipient is a new person.
            entries: Vec::with_capacity(recipients.len()),
            by_key: HashMap::with_capacity(recipients.len()),
            by_id: HashMap::with_capacity(recipients.len()),
            by_external_id: HashMap::new(),
            events: Vec::new(),
            history: Vec::new(),
            merges: Vec::new(),
            claims: Vec::new(),
            shared_events: Vec::new(),
            releases: HashMap::new(),
            passed_on: PassedOn::default(),
        };
        // Sorted: transactions that lock the same rows lock them in one order.
        let mut keys: Vec<MatchKey> = Vec::with_capacity(recipients.len());
        let mut ids: BTreeSet<Uuid> = BTreeSet::new();
        let mut external_ids: BTreeSet<ExternalId> = BTreeSet::new();
        for recipient in recipients {
            match recipient {
                Recipient::Id(id) => drop(ids.insert(*id)),
                Recipient::Key(key) => keys.push(key.clone()),
                Recipient::ExternalId(id) => drop(external_ids.insert(id.clone())),
            }
        }
        let asked = in_order(keys);
        let rows = fetch_consent(tx, workspace, &asked).await?;
        ids.extend(rows.values().filter_map(|row| row.contact_id));
        let external_ids = external_ids.into_iter().map(Recipient::ExternalId);
        let by_id: Vec<_> = ids.into_iter().map(Recipient::Id).chain(external_ids).collect();
        let rows = unit.load_contacts(tx, &by_id, rows).await?;
        let is_owned = |key: &MatchKey| rows.get(key).is_some_and(|row| row.contact_id.is_some());
        let non_contacts = asked.into_iter().filter(|key| !is_owned(key)).collect();
        unit.load_non_contacts(tx, non_contacts).await?;
        unit.load_merges(tx, recipients).await?;
        Ok(unit)
    }

    /// Loads contacts. Returns these rows of consent, with those of all their identities.
    pub(super) async fn load_contacts(
        &mut self,
        tx: &mut Transaction,
        by_id: &[Recipient],
        mut rows: HashMap<MatchKey, ConsentRow>,
    ) -> Result<HashMap<MatchKey, ConsentRow>> {
        let contacts = match by_id {
            [] => return Ok(rows),
            some => tx.db.find_contacts(self.workspace, some).await?,
        };
        let mut contacts =
            contacts.iter().flatten().map(decode_profile).collect::<Result<Vec<_>>>()?;
        // One contact may have been named by several ids.
        contacts.sort_by_key(|contact| contact.contact_id);
        contacts.dedup_by_key(|contact| contact.contact_id);
        // All of a contact's rows, since what stands against it is on all of them.
        let unseen = contacts
            .iter()
            .flat_map(|contact| contact.profile.match_keys())
            .filter(|key| !rows.contains_key(key))
            .collect();
        rows.extend(fetch_consent(tx, self.workspace, &in_order(unseen)).await?);
        for contact in contacts {
            self.add(entry(contact, &rows));
        }
        Ok(rows)
    }

    /// Loads when contacts that are named by the id of a merged one were merged.
    async fn load_merges(&mut self, tx: &mut Transaction, recipients: &[Recipient]) -> Result<()> {
        // Numbers and user ids, which nearly all recipients are, name no contact that was merged.
        for recipient in recipients.iter().filter(|recipient| recipient.key().is_none()) {
            let Some(entry) = self.find_contact(recipient) else { continue };
            if !self.is_merged(entry, recipient) || self.entries[entry.0].last_merge.is_some() {
                continue;
            }
            let contact = self.contact(entry);
            let contact_ids = contact.map(|contact| contact.contact_id).into_iter().collect();
            let subjects = Subjects { contact_ids, ..Subjects::default() };
            let mut before = i64::MAX;
            // Newest first: mostly it is among the first.
            let merged = loop {
                let page =
                    tx.db.ledger_entries_about(self.workspace, &subjects, before, PAGE).await?;
                let merge = page.iter().find(|entry| entry.fact.kind == EventKind::Merged as i64);
                if let Some(entry) = merge {
                    break Time::from_timestamp_micros(entry.fact.record_time);
                }
                match page.last() {
                    Some(last) if page.len() == PAGE => before = last.position,
                    // Not told by the ledger: no time is after it.
                    _ => break Some(Time::MAX_UTC),
                }
            };
            self.entries[entry.0].last_merge = merged;
        }
        Ok(())
    }

    /// Loads what is known of non-contacts, under the hashes of their keys.
    async fn load_non_contacts(&mut self, tx: &mut Transaction, keys: Vec<MatchKey>) -> Result<()> {
        let workspace = self.workspace;
        // To hash and look up many keys takes a tenth of an import.
        if keys.len() > MANY && !tx.db.may_have_suppressions(workspace).await? {
            return Ok(());
        }
        let keyring = tx.keyring();
        let mut names = Vec::with_capacity(keys.len());
        for key in &keys {
            let hashed = keyring.hashed_all(&workspace.workspace_id, key);
            names.extend(hashed.map(|hashed| (hashed, key)));
        }
        names.sort_unstable();
        let (hashed_keys, keys): (Vec<MatchKey>, Vec<&MatchKey>) = names.into_iter().unzip();
        let mut found: Vec<_> =
            fetch_consent(tx, workspace, &hashed_keys).await?.into_values().collect();
        found.sort_by(|a, b| a.match_key.cmp(&b.match_key));
        for row in found {
            let Ok(place) = hashed_keys.binary_search(&row.match_key) else { continue };
            let key = keys[place];
            let known = self.by_key.get(key).copied();
            let entry = match known {
                // One identity may be there under several versions of the key.
                Some(known) => {
                    let id = self.entries[known].id(key);
                    let mut all = self.entries[known].person.row(id).unwrap_or_default();
                    all.add_all_of(&row.consent);
                    self.entries[known].stored = Person::create([(id, all)]);
                    self.entries[known].person = self.entries[known].stored.clone();
                    known
                }
                None => {
                    let entry = Entry::of_non_contact(key.clone(), row.identity_id, row.consent);
                    self.add(entry).0
                }
            };
            let entry = &mut self.entries[entry];
            entry.stored_under.push(row.match_key);
            entry.update_time = entry.update_time.max(row.update_time);
        }
        Ok(())
    }
}

/// A stored contact with the rows of its identities.
fn entry(contact: Contact, rows: &HashMap<MatchKey, ConsentRow>) -> Entry {
    let keys = contact.profile.match_keys();
    let before = Some(Arc::new(contact.clone()));
    let mut entry = Entry { before, ..Entry::of_contact(contact) };
    let mut members = Vec::with_capacity(keys.len());
    for key in keys {
        let row = rows.get(&key);
        let id = row.map_or_else(new_identity, |row| row.identity_id);
        let is_former = row.is_some_and(|row| row.is_former);
        let role = if is_former { Role::Former } else { Role::Current };
        let consent = row.map(|row| row.consent.clone()).unwrap_or_default();
        entry.update_time = entry.update_time.max(row.and_then(|row| row.update_time));
        entry.ids.insert(key, id);
        members.push((id, role, consent));
    }
    entry.stored = Person::load(members);
    entry.person = entry.stored.clone();
    entry.stored_summary = entry.summary();
    entry
}

/// Each of these keys once, sorted.
fn in_order(mut keys: Vec<MatchKey>) -> Vec<MatchKey> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

async fn fetch_consent(
    tx: &mut Transaction,
    workspace: &Workspace,
    keys: &[MatchKey],
) -> Result<HashMap<MatchKey, ConsentRow>> {
    match keys.is_empty() {
        true => Ok(HashMap::new()),
        false => tx.db.consent_by_key(workspace, keys).await,
    }
}
