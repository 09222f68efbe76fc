//! A change of people in the making: loaded from the database, altered in
//! memory, written back at once. The one place where contacts are made and
//! changed, and the only one where consent is.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::domain::consent::{
    ConsentEvent, ConsentState, OptInStatus, PlatformStatement, Statement,
};
use crate::domain::contact::{Contact, Person, Profile};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ledger::Entry as LedgerEntry;
use crate::domain::phone::MatchKey;
use crate::store::{
    ConsentRow, ContactRow, KeyHold, Subjects, Transaction, Workspace, decode_profile,
    encode_profile,
};

use super::ledger;

/// People to be changed together.
pub struct Draft<'a> {
    workspace: &'a Workspace,
    entries: Vec<Entry>,
    by_key: HashMap<MatchKey, usize>,
    by_id: HashMap<Uuid, usize>,
    events: Vec<ConsentEvent>,
    /// Contacts that go, each with the one it is merged into.
    merges: Vec<(Contact, Uuid)>,
}

/// One person of a [`Draft`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId(usize);

struct Entry {
    /// As stored. None for somebody new, or known by an opt-out only.
    before: Option<Contact>,
    /// As it is to be. None for somebody who is no contact.
    after: Option<Contact>,
    /// The keys of somebody who is no contact. They are never stored: see `rows`.
    loose_keys: Vec<MatchKey>,
    /// The rows of somebody who is no contact, under hashed keys.
    rows: Vec<MatchKey>,
    stored_state: ConsentState,
    state: ConsentState,
}

impl Entry {
    fn keys(&self) -> Vec<MatchKey> {
        match &self.after {
            Some(contact) => contact.profile.match_keys(),
            None => self.loose_keys.clone(),
        }
    }
}

impl<'a> Draft<'a> {
    /// Loads what is known of these people.
    pub async fn load(
        tx: &mut Transaction,
        workspace: &'a Workspace,
        people: &[Person],
    ) -> Result<Self> {
        let mut draft = Self {
            workspace,
            entries: Vec::new(),
            by_key: HashMap::new(),
            by_id: HashMap::new(),
            events: Vec::new(),
            merges: Vec::new(),
        };
        // Sorted: transactions that lock the same rows lock them in one order.
        let mut keys: BTreeSet<MatchKey> = BTreeSet::new();
        let mut ids: BTreeSet<Uuid> = BTreeSet::new();
        for person in people {
            match person {
                Person::Id(id) => drop(ids.insert(*id)),
                Person::Key(key) => drop(keys.insert(key.clone())),
            }
        }
        let asked = keys.clone();
        let mut rows = fetch_consent(tx, workspace, keys).await?;
        ids.extend(rows.values().filter_map(|row| row.contact_id));
        let people: Vec<_> = ids.into_iter().map(Person::Id).collect();
        let contacts = match people.as_slice() {
            [] => Vec::new(),
            some => tx.session.find_contacts(workspace, some).await?,
        };
        let mut contacts =
            contacts.iter().flatten().map(decode_profile).collect::<Result<Vec<_>>>()?;
        // One contact may have been named by its id and by that of one merged into it.
        contacts.sort_by_key(|contact| contact.contact_id);
        contacts.dedup_by_key(|contact| contact.contact_id);
        // All of a contact's rows, since all of them are written.
        let unseen = contacts
            .iter()
            .flat_map(|contact| contact.profile.match_keys())
            .filter(|key| !rows.contains_key(key))
            .collect();
        rows.extend(fetch_consent(tx, workspace, unseen).await?);

        for contact in contacts {
            let first = contact.profile.match_keys().into_iter().next();
            let state = first.and_then(|key| rows.get(&key)).map(|row| row.state.clone());
            let state = state.unwrap_or_default();
            draft.add(Entry {
                before: Some(contact.clone()),
                after: Some(contact),
                loose_keys: Vec::new(),
                rows: Vec::new(),
                stored_state: state.clone(),
                state,
            });
        }
        let owned = |key: &MatchKey| rows.get(key).is_some_and(|row| row.contact_id.is_some());
        let strangers = asked.into_iter().filter(|key| !owned(key)).collect();
        for row in rows.values().filter(|row| row.contact_id.is_none()) {
            // As a server of an older version writes them, until the last of them is replaced.
            let rows = vec![row.match_key.clone()];
            draft.add_stranger_as(row.match_key.clone(), rows, row.state.clone());
        }
        draft.load_strangers(tx, strangers).await?;
        Ok(draft)
    }

    /// Loads what is known of people who are no contacts.
    async fn load_strangers(&mut self, tx: &mut Transaction, keys: Vec<MatchKey>) -> Result<()> {
        let workspace = self.workspace;
        let keyring = tx.keyring();
        let mut names = HashMap::new();
        for key in &keys {
            let hashed = keyring.hashed_all(&workspace.workspace_id, key);
            names.extend(hashed.map(|hashed| (hashed, key)));
        }
        let found = fetch_consent(tx, workspace, names.keys().cloned().collect()).await?;
        for row in found.into_values() {
            let Some(key) = names.get(&row.match_key) else { continue };
            match self.by_key.get(*key) {
                // One person may be there under several versions.
                Some(entry) => {
                    let known = &mut self.entries[*entry];
                    known.state = std::mem::take(&mut known.state).stricter(row.state);
                    known.stored_state = known.state.clone();
                    known.rows.push(row.match_key);
                }
                None => {
                    self.add_stranger_as((*key).clone(), vec![row.match_key], row.state);
                }
            }
        }
        Ok(())
    }

    fn add_stranger_as(
        &mut self,
        key: MatchKey,
        rows: Vec<MatchKey>,
        state: ConsentState,
    ) -> EntryId {
        self.add(Entry {
            before: None,
            after: None,
            loose_keys: vec![key],
            rows,
            stored_state: state.clone(),
            state,
        })
    }

    fn add(&mut self, entry: Entry) -> EntryId {
        self.entries.push(entry);
        self.index(self.entries.len() - 1)
    }

    fn index(&mut self, entry: usize) -> EntryId {
        for key in self.entries[entry].keys() {
            self.by_key.insert(key, entry);
        }
        if let Some(contact) = &self.entries[entry].after {
            self.by_id.insert(contact.contact_id, entry);
            self.by_id.extend(contact.profile.merged_contact_ids.iter().map(|id| (*id, entry)));
        }
        EntryId(entry)
    }

    /// The person of this name, contact or not.
    pub fn find(&self, person: &Person) -> Option<EntryId> {
        match person {
            Person::Id(id) => self.by_id.get(id),
            Person::Key(key) => self.by_key.get(key),
        }
        .map(|entry| EntryId(*entry))
    }

    /// The contact of this name.
    pub fn find_contact(&self, person: &Person) -> Option<EntryId> {
        self.find(person).filter(|entry| self.contact(*entry).is_some())
    }

    /// The contact, as it is to be.
    pub fn contact(&self, entry: EntryId) -> Option<&Contact> {
        self.entries[entry.0].after.as_ref()
    }

    /// The contact as an answer shows it.
    pub fn row(&self, entry: EntryId) -> Option<ContactRow> {
        let contact = self.contact(entry)?;
        Some(ContactRow {
            contact_id: contact.contact_id,
            record: encode_profile(contact),
            version: contact.version,
            consent: self.entries[entry.0].state.summary(),
            sort_key: String::new(),
        })
    }

    /// What the person agreed to, as it is to be.
    pub fn consent(&self, entry: EntryId) -> &ConsentState {
        &self.entries[entry.0].state
    }

    /// Makes a contact of a checked profile. Its keys have to be loaded.
    pub fn create(&mut self, tx: &Transaction, profile: Profile) -> Result<EntryId> {
        let keys = profile.match_keys();
        self.refuse_taken(&keys, None)?;
        let state = self.claim(&keys);
        let contact = Contact {
            contact_id: tx.new_id(),
            profile,
            create_time: tx.now,
            update_time: tx.now,
            version: 1,
            consent: state.summary(),
        };
        Ok(self.add(Entry {
            before: None,
            after: Some(contact),
            loose_keys: Vec::new(),
            rows: Vec::new(),
            stored_state: state.clone(),
            state,
        }))
    }

    /// Gives a contact another checked profile. Its keys have to be loaded.
    /// False if nothing changed.
    pub fn update(&mut self, tx: &Transaction, entry: EntryId, profile: Profile) -> Result<bool> {
        let Some(contact) = self.contact(entry) else { return Err(Error::contact_not_found()) };
        if contact.profile == profile {
            return Ok(false);
        }
        let known = contact.profile.match_keys();
        let mut added = profile.match_keys();
        added.retain(|key| !known.contains(key));
        self.refuse_taken(&added, Some(entry))?;
        // An opt-out that came under an id before it was known whose it is.
        let claimed = self.claim(&added);
        let changed = &mut self.entries[entry.0];
        if !added.is_empty() {
            changed.state = std::mem::take(&mut changed.state).stricter(claimed);
        }
        if let Some(contact) = &mut changed.after {
            // Several changes in one transaction are one.
            contact.version = changed.before.as_ref().map_or(1, |before| before.version + 1);
            contact.update_time = tx.now;
            contact.profile = profile;
        }
        self.index(entry.0);
        Ok(true)
    }

    /// Joins two contacts, of which the first stays, with this checked profile.
    pub fn merge(
        &mut self,
        tx: &Transaction,
        survivor: EntryId,
        merged: EntryId,
        profile: Profile,
    ) -> Result<()> {
        let gone = &mut self.entries[merged.0];
        let Some(contact) = gone.after.take() else { return Err(Error::contact_not_found()) };
        gone.before = None;
        gone.stored_state = gone.state.clone();
        let state = gone.state.clone();
        let kept = &mut self.entries[survivor.0];
        let Some(survivor_contact) = &mut kept.after else {
            return Err(Error::contact_not_found());
        };
        survivor_contact.version += 1;
        survivor_contact.update_time = tx.now;
        survivor_contact.profile = profile;
        kept.state = std::mem::take(&mut kept.state).merged_with(state);
        self.merges.push((contact, survivor_contact.contact_id));
        self.index(survivor.0);
        Ok(())
    }

    fn refuse_taken(&self, keys: &[MatchKey], by: Option<EntryId>) -> Result<()> {
        for key in keys {
            let Some(owner) = self.find_contact(&Person::Key(key.clone())) else { continue };
            if Some(owner) != by
                && let Some(contact) = self.contact(owner)
            {
                let advice = match by {
                    None => "change it with UpdateContact",
                    Some(_) => "if the two are one person, join them with MergeContacts",
                };
                return Err(already_exists(key, contact, advice));
            }
        }
        Ok(())
    }

    /// Takes over what is known under keys that belonged to nobody.
    fn claim(&mut self, keys: &[MatchKey]) -> ConsentState {
        let mut state = ConsentState::default();
        for key in keys {
            if let Some(entry) = self.by_key.get(key) {
                let loose = &mut self.entries[*entry];
                state = state.stricter(loose.state.clone());
                loose.loose_keys.clear();
            }
        }
        state
    }

    /// Records what a person said; the event tells what it changed.
    pub fn record(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        statement: &Statement,
    ) -> ConsentEvent {
        let (contact_id, key) = self.whom(tx, entry);
        let mut event = statement.event(tx.new_id(), contact_id, key, tx.now);
        if statement.occurred_time.is_none() && statement.status == OptInStatus::OptedOut {
            // Said now is said after all that is known, whatever other clocks
            // say, and other transactions that began later and ended before.
            let known = event.categories.iter().map(|category| self.consent(entry).get(*category));
            let latest = known.filter_map(|known| known.occurred_time).max();
            event.occurred_time = latest.map_or(tx.now, |latest| latest.max(tx.now));
        }
        self.apply(entry, event)
    }

    /// Records what a person told WhatsApp.
    pub fn record_on_platform(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        statement: &PlatformStatement,
    ) -> ConsentEvent {
        let (contact_id, key) = self.whom(tx, entry);
        self.apply(entry, statement.event(tx.new_id(), contact_id, key, tx.now))
    }

    fn whom(&self, tx: &Transaction, entry: EntryId) -> (Option<Uuid>, MatchKey) {
        let person = &self.entries[entry.0];
        // Every entry has a key: a contact has one by its own check.
        let key = person.keys().swap_remove(0);
        let contact_id = person.after.as_ref().map(|contact| contact.contact_id);
        let key = match contact_id {
            Some(_) => key,
            None => tx.keyring().hashed(&self.workspace.workspace_id, &key),
        };
        (contact_id, key)
    }

    fn apply(&mut self, entry: EntryId, mut event: ConsentEvent) -> ConsentEvent {
        event.changed_categories = self.entries[entry.0].state.apply(&event);
        self.events.push(event.clone());
        event
    }

    /// Adds somebody who is no contact, to hold an opt-out.
    pub fn add_stranger(&mut self, key: MatchKey) -> EntryId {
        self.add_stranger_as(key, Vec::new(), ConsentState::default())
    }

    /// Writes what changed.
    pub async fn write(self, tx: &mut Transaction) -> Result<()> {
        let workspace = self.workspace;
        let keyring = tx.keyring();
        let hashed = |key: &MatchKey| keyring.hashed(&workspace.workspace_id, key);
        let consent_changed = self.entries.iter().any(|entry| entry.state != entry.stored_state);
        let consent_changed = consent_changed || !self.events.is_empty() || !self.merges.is_empty();
        let mut revision = workspace.consent_revision;
        let (mut inserts, mut updates, mut summaries) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut dropped) = (Vec::new(), Vec::new());
        let (mut claimed, mut strangers) = (Vec::new(), Vec::new());
        for entry in self.entries {
            let keys = entry.keys();
            let summary = entry.state.summary();
            let old_keys = entry.before.as_ref().map(|c| c.profile.match_keys());
            let contact_id = entry.after.as_ref().map(|contact| contact.contact_id);
            let keys_changed = match (&entry.after, &old_keys) {
                (Some(_), Some(old)) => *old != keys,
                (Some(_), None) => true,
                // Claimed by a contact.
                (None, _) => keys.is_empty(),
            };
            if keys_changed || entry.state != entry.stored_state {
                let old_keys = old_keys.unwrap_or_default();
                dropped.extend(entry.rows);
                let row = |key, contact_id| row(key, contact_id, entry.state.clone(), revision);
                match &entry.after {
                    Some(_) => {
                        claimed.extend(keys.iter().filter(|key| !old_keys.contains(key)).cloned());
                        rows.extend(keys.iter().map(|key| row(key.clone(), contact_id)));
                    }
                    None => {
                        rows.extend(keys.iter().map(|key| row(hashed(key), None)));
                        strangers.extend(keys.iter().cloned());
                    }
                }
                for key in old_keys.into_iter().filter(|key| !keys.contains(key)) {
                    // An opt-out under an id outlives its being taken off.
                    if entry.state.is_suppressed() {
                        let state = entry.state.clone().only_suppressions();
                        rows.push(self::row(hashed(&key), None, state, revision));
                    }
                    dropped.push(key);
                }
            }
            match (entry.before, entry.after) {
                (None, Some(contact)) => inserts.push(Contact { consent: summary, ..contact }),
                (Some(before), Some(after)) => {
                    if entry.state != entry.stored_state {
                        summaries.push((after.contact_id, summary));
                    }
                    if before.profile != after.profile {
                        updates.push((before, after));
                    }
                }
                _ => {}
            }
        }
        for (gone, into) in &self.merges {
            tx.session.redirect_contact(workspace, gone.contact_id, *into).await?;
            tx.session.delete_contacts(workspace, std::slice::from_ref(gone)).await?;
        }
        if !inserts.is_empty() {
            tx.session.insert_contacts(workspace, &inserts).await?;
        }
        if !updates.is_empty() {
            tx.session.update_contacts(workspace, &updates).await?;
        }
        let mut events = ledger::entries(self.events);
        let suppresses = rows.iter().any(|row| row.contact_id.is_none());
        // Other changes of consent wait from here on, and not for what is above.
        let mut head = workspace.ledger;
        if consent_changed || suppresses {
            (revision, head) = tx.session.next_consent_revision(workspace).await?;
        }
        if suppresses {
            tx.hold_suppression_keys(workspace, KeyHold::Exclusive).await?;
            refuse_new_contacts(tx, workspace, &strangers).await?;
            refuse_new_suppressions(tx, workspace, &claimed).await?;
        }
        rows.iter_mut().for_each(|row| row.revision = revision);
        let written: HashSet<_> = rows.iter().map(|row| &row.match_key).collect();
        dropped.retain(|key| !written.contains(key));
        if !dropped.is_empty() {
            tx.session.delete_consent(workspace, &dropped).await?;
        }
        if !rows.is_empty() {
            rows.sort_by(|a, b| a.match_key.cmp(&b.match_key));
            tx.session.put_consent(workspace, &rows).await?;
        }
        if !claimed.is_empty() && !suppresses {
            tx.hold_suppression_keys(workspace, KeyHold::Shared).await?;
            refuse_new_suppressions(tx, workspace, &claimed).await?;
        }
        if !summaries.is_empty() {
            tx.session.set_contact_consent(workspace, &summaries).await?;
        }
        ledger::append(tx, workspace, head, &mut events).await
    }

    /// Erases a contact. What remains under keyed hashes is what it objected to,
    /// and that it was erased.
    pub async fn erase(self, tx: &mut Transaction, contact: &Contact) -> Result<()> {
        let workspace = self.workspace;
        let keys = contact.profile.match_keys();
        let (revision, head) = tx.session.next_consent_revision(workspace).await?;
        tx.hold_suppression_keys(workspace, KeyHold::Exclusive).await?;
        let event_id = tx.new_id();
        let entry = self.find(&Person::Id(contact.contact_id));
        let state = entry.map(|entry| self.consent(entry).clone()).unwrap_or_default();
        let state = state.erased(event_id, tx.now);
        let keyring = tx.keyring();
        let subjects = Subjects::of(contact, &keyring, workspace);
        tx.session.delete_contacts(workspace, std::slice::from_ref(contact)).await?;
        let erased = tx.session.forget_details(workspace, &subjects).await?;
        let event = LedgerEntry::of_erasure(event_id, contact.contact_id, erased, tx.now);
        ledger::append(tx, workspace, head, &mut [event]).await?;
        tx.session.forget_answers(workspace, &subjects).await?;
        tx.session.delete_consent(workspace, &keys).await?;
        let hashed = |key| keyring.hashed(&workspace.workspace_id, key);
        let row = |key| row(hashed(key), None, state.clone(), revision);
        put_suppressions(tx, workspace, keys.iter().map(row).collect()).await
    }
}

/// Writes rows of people who are no contacts; with what is there already, the
/// stricter holds.
pub(super) async fn put_suppressions(
    tx: &mut Transaction,
    workspace: &Workspace,
    mut rows: Vec<ConsentRow>,
) -> Result<()> {
    rows.sort_by(|a, b| a.match_key.cmp(&b.match_key));
    let keys: Vec<_> = rows.iter().map(|row| row.match_key.clone()).collect();
    let known = tx.session.consent(workspace, &keys).await?;
    for (row, known) in rows.iter_mut().zip(known) {
        if let Some(known) = known {
            row.state = std::mem::take(&mut row.state).stricter(known.state);
        }
    }
    tx.session.put_consent(workspace, &rows).await
}

/// Starts again when somebody became a contact since they were loaded.
async fn refuse_new_contacts(
    tx: &mut Transaction,
    workspace: &Workspace,
    strangers: &[MatchKey],
) -> Result<()> {
    let found = tx.session.consent(workspace, strangers).await?;
    if found.into_iter().flatten().any(|row| row.contact_id.is_some()) {
        return Err(Error::write_conflict());
    }
    Ok(())
}

/// Starts again when somebody who becomes a contact objected since they were
/// loaded.
async fn refuse_new_suppressions(
    tx: &mut Transaction,
    workspace: &Workspace,
    claimed: &[MatchKey],
) -> Result<()> {
    let since = workspace.consent_revision;
    let written = tx.session.suppressed_since(workspace, since).await?;
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

/// Refuses consent that others claim for somebody who objected or was erased.
pub fn refuse_conflict(state: &ConsentState, claim: &Statement) -> Result<()> {
    let mut claimed = claim.categories.iter().map(|category| state.get(*category));
    let Some(known) = claimed.find(|known| known.is_suppressed()) else { return Ok(()) };
    let message = "the person opted out or was erased, which only they can lift: if they agreed \
                   again themselves, record it with OptInService.RecordOptIn and the source \
                   WEB_FORM, INBOUND_MESSAGE, IVR or PAPER";
    let error = Error::new(Reason::ConsentConflict, message);
    Err(match known.event_id {
        Some(event_id) => error.with("event_id", event_id.to_string()),
        None => error,
    })
}

/// The error for a number or user id that a contact has, or had before.
pub fn already_exists(key: &MatchKey, contact: &Contact, advice: &str) -> Error {
    let id = contact.contact_id.to_string();
    let (field, what) = match key.is_phone() {
        true => ("phone_number", "phone number"),
        false => ("whatsapp_user_id", "user id"),
    };
    let former = contact.profile.is_former(key);
    let message = match (former, key.is_phone()) {
        (false, true) => format!("contact {id} has this {what}, in this or another form; {advice}"),
        (false, false) => format!("contact {id} has this {what}; {advice}"),
        (true, _) => format!(
            "this is a former {what} of contact {id}; {advice}; if it is somebody else's now, \
             release it with LinkIdentity"
        ),
    };
    let error = Error::invalid(Reason::ContactAlreadyExists, field, message)
        .about("contact", id.clone())
        .with("contact_id", id);
    if former { error.with("former", "true") } else { error }
}

fn row(
    match_key: MatchKey,
    contact_id: Option<Uuid>,
    state: ConsentState,
    revision: i64,
) -> ConsentRow {
    ConsentRow { match_key, contact_id, state, revision }
}

async fn fetch_consent(
    tx: &mut Transaction,
    workspace: &Workspace,
    keys: BTreeSet<MatchKey>,
) -> Result<HashMap<MatchKey, ConsentRow>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<_> = keys.into_iter().collect();
    let rows = tx.session.consent(workspace, &keys).await?;
    Ok(rows.into_iter().flatten().map(|row| (row.match_key.clone(), row)).collect())
}
