//! Creating, changing and merging contacts: whose identities are whose. Each change
//! among identities is an event of the ledger.

use uuid::Uuid;

use super::persons::{Entry, Ids, new_identity};
use super::refusal::external_id_exists;
use super::{EntryId, UnitOfWork, already_exists};
use crate::domain::Time;
use crate::domain::consent::{
    Change, ConsentEvent, EventChange, Evidence, IdentityConsent, IdentityId, MessageCategory,
    Person, Role, Source,
};
use crate::domain::contact::{Contact, Profile, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::{Listing, Transaction};

/// Why the permissions of one identity are those of a new one, too.
#[derive(Clone, Debug)]
pub struct Carry {
    /// The identities that they are carried to, new or known, each with the one they are
    /// carried from. None: the one that is replaced, else the one that a message would go to.
    pub to: Vec<(MatchKey, Option<MatchKey>)>,
    /// Who says that it is the same person.
    pub source: Source,
    /// What shows it.
    pub evidence: Evidence,
}

impl UnitOfWork<'_> {
    /// Creates a contact with a validated profile. Its keys have to be loaded.
    pub fn create(&mut self, tx: &Transaction, profile: Profile) -> Result<EntryId> {
        let keys = profile.match_keys();
        self.ensure_free(&keys, None)?;
        self.ensure_external_ids_free(&profile, None)?;
        let contact = Contact {
            contact_id: tx.new_id(),
            profile,
            create_time: tx.now,
            update_time: tx.now,
            version: 1,
        };
        let contact_id = contact.contact_id;
        let mut entry = Entry::of_contact(contact);
        let mut rows = Vec::with_capacity(keys.len());
        let mut claimed = Vec::new();
        for key in &keys {
            let (id, row) = self.claim(key, contact_id, &mut entry);
            if !row.is_empty() {
                claimed.push((key.clone(), id));
            }
            entry.ids.insert(key.clone(), id);
            rows.push((id, row));
        }
        let ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
        entry.person = Person::create(rows);
        if !claimed.is_empty() {
            entry.update_time = Some(tx.now);
        }
        let entry = self.add(entry);
        if ids.len() > 1 {
            self.push_change(tx, entry, &keys[0], Change::Created { identities: ids }, None);
        }
        for (key, identity) in claimed {
            self.push_change(tx, entry, &key, Change::Claimed { identity }, None);
        }
        Ok(entry)
    }

    /// Gives a contact another validated profile. Its keys have to be loaded. False if
    /// nothing changed.
    pub fn update(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        mut profile: Profile,
        carry: Option<&Carry>,
    ) -> Result<bool> {
        let Some(contact) = self.contact(entry) else { return Err(Error::contact_not_found()) };
        let before = contact.profile.clone();
        let mut dropped = profile.drop_oldest_former_ids();
        let is_same = before == profile && dropped.is_empty();
        if is_same && carry.is_none() {
            return Ok(false);
        }
        let known = before.match_keys();
        let keys = profile.match_keys();
        let added: Vec<_> = keys.iter().filter(|key| !known.contains(key)).cloned().collect();
        self.ensure_free(&added, Some(entry))?;
        self.ensure_external_ids_free(&profile, Some(entry))?;
        dropped.extend(known.iter().filter(|key| !keys.contains(key)).cloned());
        dropped.dedup();
        let stored_version = self.entries[entry.0].before.as_ref().map(|before| before.version);
        if let Some(contact) = &mut self.entries[entry.0].after
            && !is_same
        {
            // Several changes in one transaction are one.
            contact.version = stored_version.map_or(1, |version| version + 1);
            contact.update_time = tx.now;
            contact.profile = profile.clone();
        }
        for key in keys.iter().filter(|key| !profile.is_former(key)) {
            let carry = carry.filter(|carry| carry.to.iter().any(|(to, _)| to == key));
            if added.contains(key) || before.is_former(key) || carry.is_some() {
                self.link(tx, entry, key, &before, &profile, carry);
            }
        }
        for key in keys.iter().filter(|key| profile.is_former(key)) {
            self.retire(tx, entry, key);
        }
        for key in dropped.iter().filter(|key| known.contains(key)) {
            self.release(tx, entry, key);
        }
        self.index(entry.0);
        Ok(true)
    }

    /// Adds an identity to a contact.
    fn link(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        key: &MatchKey,
        before: &Profile,
        profile: &Profile,
        carry: Option<&Carry>,
    ) {
        let Some(contact_id) = self.contact(entry).map(|contact| contact.contact_id) else {
            return;
        };
        let replaced = before.match_keys().into_iter().find(|old| {
            old.is_phone() == key.is_phone() && !before.is_former(old) && profile.is_former(old)
        });
        let from = carry.map(|carry| {
            let named = carry.to.iter().find(|(to, _)| to == key);
            named.and_then(|(_, from)| from.clone()).or_else(|| replaced.clone()).or_else(|| {
                before.match_keys().into_iter().next().filter(|key| !before.is_former(key))
            })
        });
        let id_of = |ids: &Ids, key: Option<MatchKey>| key.and_then(|key| ids.get(&key));
        let is_known = self.entries[entry.0].ids.get(key).is_some();
        let mut target = self.entries[entry.0].clone();
        let (id, row) = match is_known {
            true => (target.id(key), IdentityConsent::default()),
            false => self.claim(key, contact_id, &mut target),
        };
        let has_objections = !row.is_empty();
        let to = target.person.members().first().map_or(id, |member| member.id);
        let carry_from = id_of(&target.ids, from.flatten());
        let replaces = id_of(&target.ids, replaced);
        target.ids.insert(key.clone(), id);
        target.person.join(id, row, tx.now, carry_from, replaces);
        if target.person == self.entries[entry.0].person {
            return;
        }
        target.update_time = Some(tx.now);
        self.entries[entry.0] = target;
        let change = Change::Linked { identity: id, to, carry_from, replaces };
        self.push_change(tx, entry, key, change, carry);
        if has_objections {
            self.push_change(tx, entry, key, Change::Claimed { identity: id }, None);
        }
    }

    /// Makes an identity a former one, if it is not one yet.
    fn retire(&mut self, tx: &Transaction, entry: EntryId, key: &MatchKey) {
        let target = &mut self.entries[entry.0];
        let Some(id) = target.ids.get(key) else { return };
        let is_current =
            target.person.members().iter().any(|m| m.id == id && m.role == Role::Current);
        if is_current {
            target.person.retire(id, tx.now);
            target.update_time = Some(tx.now);
            self.push_change(tx, entry, key, Change::Retired { identity: id }, None);
        }
    }

    /// Lets an identity go: a non-contact from now, with what stood against it.
    fn release(&mut self, tx: &Transaction, entry: EntryId, key: &MatchKey) {
        let target = &mut self.entries[entry.0];
        let Some(id) = target.ids.remove(key) else { return };
        let Some(released) = target.person.release(id, tx.now) else { return };
        target.update_time = Some(tx.now);
        let event = self.push_change(tx, entry, key, Change::Released { identity: id }, None);
        self.shared_events.push((Listing::Key(key.clone()), event));
        self.shared_events.push((Listing::Identity(id), event));
        let standing = released.row(id).map(|row| row.objections.events()).unwrap_or_default();
        self.shared_events
            .extend(standing.into_iter().map(|event| (Listing::Key(key.clone()), event)));
        let mut alone = Entry::of_non_contact(key.clone(), id, IdentityConsent::default());
        alone.stored = Person::default();
        alone.person = released;
        alone.is_released = true;
        alone.update_time = Some(tx.now);
        self.add(alone);
    }

    /// Merges a contact into another, which stays, with this validated profile.
    pub fn merge(
        &mut self,
        tx: &Transaction,
        survivor: EntryId,
        merged: EntryId,
        mut profile: Profile,
    ) -> Result<()> {
        let dropped = profile.drop_oldest_former_ids();
        let gone = &mut self.entries[merged.0];
        let Some(contact) = gone.after.take() else { return Err(Error::contact_not_found()) };
        gone.before = None;
        let other = std::mem::take(&mut gone.person);
        gone.stored = Person::default();
        let (ids, update_time) = (std::mem::take(&mut gone.ids), gone.update_time);
        let Some(from) = other.members().first().map(|member| member.id) else {
            return Err(Error::internal("a contact without an identity"));
        };
        let kept = &mut self.entries[survivor.0];
        let Some(survivor_contact) = &mut kept.after else {
            return Err(Error::contact_not_found());
        };
        survivor_contact.version += 1;
        survivor_contact.update_time = tx.now;
        survivor_contact.profile = profile.clone();
        let (contact_id, merged_id) = (survivor_contact.contact_id, contact.contact_id);
        let Some(into) = kept.person.members().first().map(|member| member.id) else {
            return Err(Error::internal("a contact without an identity"));
        };
        kept.person.merge(other, tx.now);
        kept.ids.add_all(ids);
        kept.update_time = Some(tx.now).max(update_time);
        let mut retired = Vec::new();
        for key in profile.match_keys().into_iter().filter(|key| profile.is_former(key)) {
            let Some(id) = kept.ids.get(&key) else { continue };
            if kept.person.members().iter().any(|m| m.id == id && m.role == Role::Current) {
                kept.person.retire(id, tx.now);
                retired.push(id);
            }
        }
        self.merges.push((contact, contact_id));
        self.index(survivor.0);
        let key = profile.match_keys().swap_remove(0);
        let change = Change::Merged { into, from, contact_id: merged_id, retired };
        self.push_change(tx, survivor, &key, change, None);
        for key in dropped {
            self.release(tx, survivor, &key);
        }
        Ok(())
    }

    /// Takes what is known of an identity that is nobody's.
    fn claim(
        &mut self,
        key: &MatchKey,
        contact_id: Uuid,
        by: &mut Entry,
    ) -> (IdentityId, IdentityConsent) {
        let Some(loose) = self.by_key.get(key).copied() else {
            return (new_identity(), IdentityConsent::default());
        };
        let loose = &mut self.entries[loose];
        let id = loose.id(key);
        let row = loose.person.row(id).unwrap_or_default();
        by.update_time = by.update_time.max(loose.update_time);
        loose.loose_keys.clear();
        loose.ids.clear();
        loose.person = Person::default();
        if loose.stored_under.is_empty() {
            // What is stored is listed under the contact when its details are claimed.
            let standing = row.objections.events().into_iter();
            let listed = standing.map(|event| (Listing::Contact(contact_id), event));
            self.shared_events.extend(listed);
        } else {
            self.claims.push((key.clone(), contact_id));
        }
        (id, row)
    }

    fn ensure_free(&self, keys: &[MatchKey], by: Option<EntryId>) -> Result<()> {
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

    fn ensure_external_ids_free(&self, profile: &Profile, by: Option<EntryId>) -> Result<()> {
        for id in profile.external_ids() {
            let owner = self.find_contact(&Recipient::ExternalId(id.clone()));
            if let Some(owner) = owner.filter(|owner| Some(*owner) != by)
                && let Some(contact) = self.contact(owner)
            {
                return Err(external_id_exists(contact));
            }
        }
        Ok(())
    }

    /// Adds the event of a change among identities, and returns its id.
    fn push_change(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        key: &MatchKey,
        change: Change,
        carry: Option<&Carry>,
    ) -> Uuid {
        let event_id = tx.new_id();
        let now: Time = tx.now;
        self.events.push(ConsentEvent {
            event_id,
            contact_id: self.entries[entry.0].contact_id(),
            match_key: key.clone(),
            change: EventChange::Identities(change),
            categories: Vec::<MessageCategory>::new(),
            source: carry.map(|carry| carry.source),
            evidence: carry.map(|carry| carry.evidence.clone()).unwrap_or_default(),
            reason_text: String::new(),
            occurred_time: now,
            record_time: now,
            changed_categories: Vec::new(),
        });
        event_id
    }
}
