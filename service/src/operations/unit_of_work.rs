//! Unit of work: loads contacts and their consent, applies changes in memory and
//! writes them in one transaction. Nothing else creates contacts, changes identities or
//! records consent.

mod load;
mod refusal;
mod write;

use std::collections::HashMap;

pub use refusal::{already_exists, refuse_conflict};
use uuid::Uuid;
pub(super) use write::put_suppressions;

use crate::domain::consent::{
    ConsentEvent, ConsentState, OptInStatus, PlatformStatement, Statement,
};
use crate::domain::contact::{Contact, Profile, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::{ContactRow, Transaction, Workspace, encode_profile};

/// People who are changed together.
pub struct UnitOfWork<'a> {
    workspace: &'a Workspace,
    entries: Vec<Entry>,
    by_key: HashMap<MatchKey, usize>,
    by_id: HashMap<Uuid, usize>,
    events: Vec<ConsentEvent>,
    /// Contacts that are deleted, each with the one it is merged into.
    merges: Vec<(Contact, Uuid)>,
}

/// One person of a [`UnitOfWork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId(usize);

struct Entry {
    /// The contact as stored. None for a new contact and for a non-contact.
    before: Option<Contact>,
    /// The contact as it will be stored. None for a non-contact.
    after: Option<Contact>,
    /// The clear keys of a non-contact. Only their hashes are stored, see `rows`.
    loose_keys: Vec<MatchKey>,
    /// The hashed keys under which a non-contact is stored.
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

impl UnitOfWork<'_> {
    fn add_non_contact_as(
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

    /// Returns the person with this id or key, contact or not.
    pub fn find(&self, person: &Recipient) -> Option<EntryId> {
        match person {
            Recipient::Id(id) => self.by_id.get(id),
            Recipient::Key(key) => self.by_key.get(key),
        }
        .map(|entry| EntryId(*entry))
    }

    /// Returns the contact with this id or key.
    pub fn find_contact(&self, person: &Recipient) -> Option<EntryId> {
        self.find(person).filter(|entry| self.contact(*entry).is_some())
    }

    /// The contact as it will be stored.
    pub fn contact(&self, entry: EntryId) -> Option<&Contact> {
        self.entries[entry.0].after.as_ref()
    }

    /// The contact as a response shows it.
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

    /// The consent as it will be stored.
    pub fn consent(&self, entry: EntryId) -> &ConsentState {
        &self.entries[entry.0].state
    }

    /// Creates a contact with a validated profile, whose keys have to be loaded.
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

    /// Gives a contact a new validated profile, whose keys have to be loaded. Returns
    /// false if nothing changed.
    pub fn update(&mut self, tx: &Transaction, entry: EntryId, profile: Profile) -> Result<bool> {
        let Some(contact) = self.contact(entry) else { return Err(Error::contact_not_found()) };
        if contact.profile == profile {
            return Ok(false);
        }
        let known = contact.profile.match_keys();
        let mut added = profile.match_keys();
        added.retain(|key| !known.contains(key));
        self.refuse_taken(&added, Some(entry))?;
        // The new keys may have opted out before they were the contact's.
        let claimed = self.claim(&added);
        let changed = &mut self.entries[entry.0];
        if !added.is_empty() {
            changed.state = std::mem::take(&mut changed.state).stricter(claimed);
        }
        if let Some(contact) = &mut changed.after {
            // Several changes in one transaction count as one.
            contact.version = changed.before.as_ref().map_or(1, |before| before.version + 1);
            contact.update_time = tx.now;
            contact.profile = profile;
        }
        self.index(entry.0);
        Ok(true)
    }

    /// Merges the second contact into the first, which gets this validated profile.
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
            let Some(owner) = self.find_contact(&Recipient::Key(key.clone())) else { continue };
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

    /// Takes over the consent of non-contacts with these keys.
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

    /// Records an opt-in or opt-out. The event contains which categories it changed.
    pub fn record(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        statement: &Statement,
    ) -> ConsentEvent {
        let (contact_id, key) = self.whom(tx, entry);
        let mut event = statement.event(tx.new_id(), contact_id, key, tx.now);
        if statement.occurred_time.is_none() && statement.status == OptInStatus::OptedOut {
            // An opt-out without a time happens now, which is after everything recorded,
            // even if other clocks are ahead, or a transaction that began later has
            // already committed.
            let known = event.categories.iter().map(|category| self.consent(entry).get(*category));
            let latest = known.filter_map(|known| known.occurred_time).max();
            event.occurred_time = latest.map_or(tx.now, |latest| latest.max(tx.now));
        }
        self.apply(entry, event)
    }

    /// Records a preference that a person gave on WhatsApp.
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
        // Every entry has a key: a profile without one is not valid.
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

    /// Adds a non-contact, to record an opt-out.
    pub fn add_non_contact(&mut self, key: MatchKey) -> EntryId {
        self.add_non_contact_as(key, Vec::new(), ConsentState::default())
    }
}
