//! Writing what changed, and erasing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::events::Events;
use super::persons::Entry;
use super::{EntryId, UnitOfWork};
use crate::domain::Time;
use crate::domain::consent::{Change, EventChange, Person, Role};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::keyring::Keyring;
use crate::domain::ledger::Entry as LedgerEntry;
use crate::domain::phone::MatchKey;
use crate::operations::ledger;
use crate::store::{ConsentRow, KeyLock, Listing, Subjects, Transaction, Workspace};

/// Entries read at once when the positions of events are looked up.
const PAGE: usize = 1000;

/// The consent rows that a unit writes and deletes.
#[derive(Default)]
struct Rows {
    written: Vec<ConsentRow>,
    dropped: Vec<MatchKey>,
    /// Keys that become a contact's.
    claimed: Vec<MatchKey>,
    /// Keys of non-contacts, which have to be nobody's still.
    non_contacts: Vec<MatchKey>,
    /// Hashed keys of identities that were a contact's.
    released: Vec<MatchKey>,
}

/// The version of the key under whose hash somebody is remembered.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    /// As a rule.
    Latest,
    /// Where an erasure is repeated: the hash that all receipts of the same id have.
    Oldest,
}

impl UnitOfWork<'_> {
    /// Writes what changed.
    pub async fn write(self, tx: &mut Transaction) -> Result<()> {
        let workspace = self.workspace;
        let keyring = tx.keyring();
        let mut rows = Rows::default();
        rows.written.reserve(self.entries.len());
        let new = self.entries.iter().filter(|entry| entry.before.is_none()).count();
        let mut inserts = Vec::with_capacity(new);
        let (mut updates, mut summaries) = (Vec::new(), Vec::new());
        let mut subjects = Vec::new();
        let consent_changed = !self.events.is_empty()
            || !self.merges.is_empty()
            || self.entries.iter().any(Entry::consent_changed);
        let events = Events::begin(self.events);
        for entry in self.entries {
            rows.add(&entry, &keyring, workspace);
            if let Some(before) = &entry.before
                && !self.shared_events.is_empty()
            {
                subjects.push(Subjects::of(before, &keyring, workspace));
            }
            let summary = entry.summary();
            let consent_changed = summary != entry.stored_summary;
            match (entry.before, entry.after) {
                (None, Some(contact)) => inserts.push((contact, summary)),
                (Some(before), Some(after)) => {
                    if consent_changed {
                        summaries.push((after.contact_id, summary));
                    }
                    if before.profile != after.profile {
                        updates.push((Arc::unwrap_or_clone(before), after));
                    }
                }
                _ => {}
            }
        }
        for (gone, into) in &self.merges {
            // What the surviving contact has of these is written, the rest was released.
            rows.dropped.extend(gone.profile.match_keys());
            subjects.push(Subjects::of(gone, &keyring, workspace));
            tx.db.redirect_contact(workspace, gone.contact_id, *into).await?;
            tx.db.delete_contacts(workspace, std::slice::from_ref(gone)).await?;
        }
        if !inserts.is_empty() {
            tx.db.insert_contacts(workspace, &inserts).await?;
        }
        if !updates.is_empty() {
            tx.db.update_contacts(workspace, &updates).await?;
        }
        let suppresses = rows.written.iter().any(|row| row.contact_id.is_none());
        // Other changes of consent wait from here on, and not for what is above.
        let (mut revision, mut head) = (workspace.consent_revision, workspace.ledger);
        if consent_changed || suppresses || !rows.is_empty() {
            (revision, head) = tx.db.next_consent_revision(workspace).await?;
        }
        let events = events.seal(head).await?;
        rows.write(tx, workspace, revision, suppresses).await?;
        if !summaries.is_empty() {
            tx.db.set_contact_consent(workspace, &summaries).await?;
        }
        claim_details(tx, workspace, self.claims).await?;
        let (head, events) = events.sealed().await?;
        ledger::append_sealed(tx, workspace, &head, &events).await?;
        share_events(tx, workspace, &subjects, &events, self.shared_events).await
    }

    /// Erases a contact, as of `delete_time`. What remains of each identity, under a keyed
    /// hash under this version of the key, is what stands against it and that it was erased. Returns the
    /// hashes of each under all versions, as [`Receipt`](crate::store::Receipt) has them.
    pub async fn erase(
        mut self,
        tx: &mut Transaction,
        contact: &Contact,
        delete_time: Time,
        version: Version,
    ) -> Result<Vec<MatchKey>> {
        let workspace = self.workspace;
        let recipient = Recipient::Id(contact.contact_id);
        let Some(EntryId(at)) = self.find(&recipient) else {
            return Err(Error::contact_not_found());
        };
        let entry = &mut self.entries[at];
        let keys = entry.keys();
        let ids: Vec<_> = keys.iter().map(|key| entry.id(key)).collect();
        let person = std::mem::take(&mut entry.person);
        let update_time = Some(tx.now);
        let (revision, head) = tx.db.next_consent_revision(workspace).await?;
        let keyring = tx.keyring();
        let hashes = |key| keyring.hashed_all(&workspace.workspace_id, key).collect::<Vec<_>>();
        let hashes: Vec<_> = keys.iter().map(hashes).collect();
        let remembered = hashes.iter().filter_map(|hashes| match version {
            Version::Oldest => hashes.first().cloned(),
            Version::Latest => hashes.last().cloned(),
        });
        let remembered: Vec<_> = remembered.collect();
        tx.lock_keys_of(workspace, &remembered).await?;
        let subjects = Subjects::of(contact, &keyring, workspace);
        let event_id = tx.new_id();
        let first = ids.first().copied().ok_or_else(|| Error::internal("nobody to erase"))?;
        let erased = person.erase(delete_time, event_id);
        let standing: HashSet<Uuid> =
            erased.iter().flat_map(|person| person.objections().events()).collect();
        let mut positions =
            positions_of(tx, workspace, std::slice::from_ref(&subjects), &standing).await?;
        tx.db.delete_contacts(workspace, std::slice::from_ref(contact)).await?;
        let details = tx.db.erase_ledger_details(workspace, &subjects).await?;
        let change = EventChange::Identities(Change::Erased { identity: first });
        let times = (delete_time, tx.now);
        let event = LedgerEntry::of_erasure(event_id, contact.contact_id, change, details, times);
        let mut events = [event];
        ledger::append(tx, workspace, head, &mut events).await?;
        let erasure_position = events[0].position;
        positions.insert(event_id, erasure_position);
        tx.db.erase_stored_responses(workspace, &subjects).await?;
        tx.db.delete_consent(workspace, &keys).await?;
        let mut rows = Vec::new();
        let contact_ids = subjects.contact_ids.iter();
        let mut pointers: Vec<_> =
            contact_ids.map(|id| (Listing::Contact(*id), erasure_position)).collect();
        for (match_key, id) in remembered.into_iter().zip(&ids) {
            let Some(consent) = erased.iter().find_map(|person| person.row(*id)) else { continue };
            let events = consent.objections.events().into_iter();
            let listed = events.filter_map(|event| positions.get(&event).copied());
            pointers.extend(listed.map(|position| (Listing::Key(match_key.clone()), position)));
            pointers.push((Listing::Identity(*id), erasure_position));
            rows.push(ConsentRow {
                match_key,
                identity_id: *id,
                contact_id: None,
                is_former: false,
                consent,
                update_time,
                revision,
            });
        }
        tx.db.add_ledger_pointers(workspace, &pointers).await?;
        upsert_suppressions(tx, workspace, rows).await?;
        Ok(hashes.into_iter().flat_map(|hashes| hashes.into_iter().rev()).collect())
    }
}

impl Rows {
    fn is_empty(&self) -> bool {
        self.written.is_empty() && self.dropped.is_empty()
    }

    /// Adds the rows of a person, if it changed.
    fn add(&mut self, entry: &Entry, keyring: &Keyring, workspace: &Workspace) {
        let keys = entry.keys();
        let old_keys = entry.before.as_ref().map(|c| c.profile.match_keys()).unwrap_or_default();
        let contact_id = entry.contact_id();
        let is_new = entry.after.is_some() && entry.before.is_none();
        if !is_new && old_keys == keys && !entry.consent_changed() && contact_id.is_some() {
            return;
        }
        if contact_id.is_none() && !entry.consent_changed() && !entry.is_released {
            return;
        }
        self.dropped.extend(entry.stored_under.iter().cloned());
        let dropped = old_keys.iter().filter(|key| !keys.contains(key));
        self.dropped.extend(dropped.cloned());
        for key in &keys {
            let Some((identity_id, role, consent)) = row_of(&entry.person, entry, key) else {
                continue;
            };
            let match_key = match contact_id {
                Some(_) => key.clone(),
                None => keyring.hashed(&workspace.workspace_id, key),
            };
            if contact_id.is_none() {
                if entry.is_released {
                    self.released.push(match_key.clone());
                } else {
                    self.non_contacts.push(key.clone());
                }
                if consent.is_empty() {
                    continue;
                }
            } else if !old_keys.contains(key) {
                self.claimed.push(key.clone());
            }
            self.written.push(ConsentRow {
                match_key,
                identity_id,
                contact_id,
                is_former: role == Role::Former && contact_id.is_some(),
                consent,
                update_time: entry.update_time,
                revision: 0,
            });
        }
    }

    async fn write(
        mut self,
        tx: &mut Transaction,
        workspace: &Workspace,
        revision: i64,
        suppresses: bool,
    ) -> Result<()> {
        if suppresses {
            tx.lock_suppression_keys(workspace, KeyLock::Exclusive).await?;
            refuse_new_contacts(tx, workspace, &self.non_contacts).await?;
            refuse_new_suppressions(tx, workspace, &self.claimed).await?;
        }
        if !self.released.is_empty() {
            add_known(tx, workspace, &self.released, &mut self.written).await?;
        }
        self.written.iter_mut().for_each(|row| row.revision = revision);
        let written: HashSet<_> = self.written.iter().map(|row| &row.match_key).collect();
        self.dropped.retain(|key| !written.contains(key));
        if !self.dropped.is_empty() {
            tx.db.delete_consent(workspace, &self.dropped).await?;
        }
        if !self.written.is_empty() {
            // Rows are large, keys are not.
            self.written.sort_by_cached_key(|row| row.match_key.clone());
            tx.db.upsert_consent(workspace, &self.written).await?;
        }
        if !self.claimed.is_empty() && !suppresses {
            tx.lock_suppression_keys(workspace, KeyLock::Shared).await?;
            refuse_new_suppressions(tx, workspace, &self.claimed).await?;
        }
        Ok(())
    }
}

fn row_of(
    person: &Person,
    entry: &Entry,
    key: &MatchKey,
) -> Option<(crate::domain::consent::IdentityId, Role, crate::domain::consent::IdentityConsent)> {
    let id = entry.ids.get(key)?;
    let member = person.members().iter().find(|member| member.id == id)?;
    Some((id, member.role, person.row_of(member)))
}

/// Writes rows of identities that were nobody's or a contact's until now. What is known
/// under their hashed keys already stands, too.
async fn upsert_suppressions(
    tx: &mut Transaction,
    workspace: &Workspace,
    mut rows: Vec<ConsentRow>,
) -> Result<()> {
    rows.sort_by(|a, b| a.match_key.cmp(&b.match_key));
    let keys: Vec<_> = rows.iter().map(|row| row.match_key.clone()).collect();
    add_known(tx, workspace, &keys, &mut rows).await?;
    tx.db.upsert_consent(workspace, &rows).await
}

/// Adds what is known under these hashed keys to the rows with them. Of what a contact leaves something
/// is, if the contact got it on a server that ran while an erasure was replayed.
async fn add_known(
    tx: &mut Transaction,
    workspace: &Workspace,
    keys: &[MatchKey],
    rows: &mut [ConsentRow],
) -> Result<()> {
    for known in tx.db.consent(workspace, keys).await?.into_iter().flatten() {
        if let Some(row) = rows.iter_mut().find(|row| row.match_key == known.match_key) {
            row.consent.add_all_of(&known.consent);
        }
    }
    Ok(())
}

async fn claim_details(
    tx: &mut Transaction,
    workspace: &Workspace,
    claims: Vec<(MatchKey, Uuid)>,
) -> Result<()> {
    let keyring = tx.keyring();
    let mut by_contact: HashMap<Uuid, Vec<MatchKey>> = HashMap::new();
    for (key, contact_id) in claims {
        let hashed = keyring.hashed_all(&workspace.workspace_id, &key);
        by_contact.entry(contact_id).or_default().extend(hashed);
    }
    for (contact_id, keys) in by_contact {
        tx.db.claim_ledger_details(workspace, &keys, contact_id).await?;
        tx.db.claim_stored_responses(workspace, &keys, contact_id).await?;
    }
    Ok(())
}

/// Has events that count for an identity listed under it, where it is no contact's.
async fn share_events(
    tx: &mut Transaction,
    workspace: &Workspace,
    subjects: &[Subjects],
    written: &[LedgerEntry],
    shared: Vec<(Listing, Uuid)>,
) -> Result<()> {
    if shared.is_empty() {
        return Ok(());
    }
    let keyring = tx.keyring();
    let now = written.iter().map(|entry| (entry.fact.event_id, entry.position));
    let mut positions: HashMap<Uuid, i64> = now.collect();
    let wanted: HashSet<Uuid> =
        shared.iter().map(|(_, event)| *event).filter(|id| !positions.contains_key(id)).collect();
    positions.extend(positions_of(tx, workspace, subjects, &wanted).await?);
    let pointer = |(listing, event): (Listing, Uuid)| {
        let listing = match listing {
            Listing::Key(key) => Listing::Key(keyring.hashed(&workspace.workspace_id, &key)),
            other => other,
        };
        Some((listing, *positions.get(&event)?))
    };
    let pointers: Vec<_> = shared.into_iter().filter_map(pointer).collect();
    tx.db.add_ledger_pointers(workspace, &pointers).await
}

/// The positions of some events of these people.
pub(in crate::operations) async fn positions_of(
    tx: &mut Transaction,
    workspace: &Workspace,
    subjects: &[Subjects],
    wanted: &HashSet<Uuid>,
) -> Result<HashMap<Uuid, i64>> {
    let mut found = HashMap::new();
    for subjects in subjects {
        let mut before = i64::MAX;
        while found.len() < wanted.len() {
            let page = tx.db.ledger_entries_about(workspace, subjects, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = last.position;
            let known = page.iter().filter(|entry| wanted.contains(&entry.fact.event_id));
            found.extend(known.map(|entry| (entry.fact.event_id, entry.position)));
            if page.len() < PAGE {
                break;
            }
        }
    }
    Ok(found)
}

/// Starts again when somebody became a contact since they were loaded.
async fn refuse_new_contacts(
    tx: &mut Transaction,
    workspace: &Workspace,
    non_contacts: &[MatchKey],
) -> Result<()> {
    let found = tx.db.consent_by_key(workspace, non_contacts).await?;
    if found.into_values().any(|row| row.contact_id.is_some()) {
        return Err(Error::write_conflict());
    }
    Ok(())
}

/// Starts again when somebody who becomes a contact objected since they were loaded.
async fn refuse_new_suppressions(
    tx: &mut Transaction,
    workspace: &Workspace,
    claimed: &[MatchKey],
) -> Result<()> {
    let since = workspace.consent_revision;
    let written = tx.db.suppressed_since(workspace, since).await?;
    if written.is_empty() {
        return Ok(());
    }
    let written: HashSet<_> = written.into_iter().collect();
    let keyring = tx.keyring();
    let mut hashed =
        claimed.iter().flat_map(|key| keyring.hashed_all(&workspace.workspace_id, key));
    match hashed.any(|key| written.contains(&key)) {
        true => Err(Error::write_conflict()),
        false => Ok(()),
    }
}
