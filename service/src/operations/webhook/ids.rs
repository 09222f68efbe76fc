//! Changes of numbers and user ids: which contact has them, and whether it still may be told so.

use uuid::Uuid;

use super::MAX_AGE;
use super::left::Left;
use super::outcome::{Outcome, Why};
use crate::domain::Time;
use crate::domain::consent::{Evidence, MAX_CLOCK_SKEW, Source};
use crate::domain::contact::{Contact, Profile, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};
use crate::domain::webhook::{Identity, MessageId};
use crate::operations::unit_of_work::{Carry, EntryId, UnitOfWork};
use crate::store::Transaction;

/// What a statement about identities needs to be applied.
pub(super) struct Links<'a, 'w> {
    pub(super) unit: &'a mut UnitOfWork<'w>,
    pub(super) tx: &'a Transaction,
    pub(super) left: &'a Left,
    /// When the statement was made.
    pub(super) occurred_time: Time,
    pub(super) message_id: Option<&'a MessageId>,
    /// The latest link before it.
    pub(super) link_before: Option<Uuid>,
}

/// A person's new number or user id.
pub(super) struct IdChange<'a> {
    pub(super) old_phone: Option<PhoneNumber>,
    pub(super) old_user: Option<&'a WhatsAppUserId>,
    /// A number of theirs that does not change.
    pub(super) same_phone: Option<PhoneNumber>,
    pub(super) new_phone: Option<PhoneNumber>,
    pub(super) new_user: Option<&'a WhatsAppUserId>,
}

impl<'a> IdChange<'a> {
    /// The change of a number, from ids of which at most one is a number and one a user id.
    pub(super) fn of_number(
        old: &'a [Identity],
        new_phone: PhoneNumber,
        new_user: Option<&'a WhatsAppUserId>,
    ) -> Self {
        let old_phone = old.iter().find_map(|id| match id {
            Identity::Phone(number) => Some(*number),
            Identity::User(_) => None,
        });
        let old_user = old.iter().find_map(|id| match id {
            Identity::User(id) => Some(id),
            Identity::Phone(_) => None,
        });
        Self { old_phone, old_user, same_phone: None, new_phone: Some(new_phone), new_user }
    }

    /// The ids that the person left.
    pub(super) fn left(&self) -> Vec<MatchKey> {
        let user = self.old_user.filter(|_| self.new_user.is_some());
        let phone = self.old_phone.iter().map(PhoneNumber::match_key);
        phone.chain(user.map(WhatsAppUserId::match_key)).collect()
    }

    fn new_keys(&self) -> Vec<MatchKey> {
        let phone = self.new_phone.iter().map(PhoneNumber::match_key);
        phone.chain(self.new_user.map(WhatsAppUserId::match_key)).collect()
    }

    /// Whether a contact says the same already.
    fn is_done(&self, profile: &Profile) -> bool {
        self.new_keys().iter().all(|key| is_current(profile, key))
            && self.left().iter().all(|key| !is_current(profile, key))
    }

    /// Whether the contact has moved on from what this is about.
    fn names_former(&self, profile: &Profile) -> bool {
        let has_new = |new: Option<MatchKey>| new.is_some_and(|key| is_current(profile, &key));
        let new_phone = self.new_phone.map(|number| number.match_key());
        let new_user = self.new_user.map(WhatsAppUserId::match_key);
        let is_former = |key: MatchKey| profile.is_former(&key);
        self.same_phone.is_some_and(|number| is_former(number.match_key()))
            || self.old_phone.is_some_and(|number| is_former(number.match_key()))
                && !has_new(new_phone)
            || self.old_user.is_some_and(|id| is_former(id.match_key()))
                && self.new_user.is_some()
                && !has_new(new_user)
    }

    /// Whether the contact has a phone number, but none that this is about.
    fn is_of_another_number(&self, profile: &Profile) -> bool {
        let named = self.old_phone.or(self.same_phone).map(|number| number.match_key());
        let new = self.new_phone.map(|number| number.match_key());
        match (profile.phone_number.map(|number| number.match_key()), named) {
            (Some(has), Some(named)) => has != named && Some(has) != new,
            _ => false,
        }
    }

    /// The ids by which the person was known.
    fn named(&self) -> Vec<MatchKey> {
        let phones = [self.old_phone, self.same_phone].into_iter().flatten();
        let phones = phones.map(|number| number.match_key());
        phones.chain(self.old_user.map(WhatsAppUserId::match_key)).collect()
    }

    /// Gives the contact the new ids.
    pub(super) fn apply(&self, links: &mut Links<'_, '_>) -> Result<Outcome> {
        let (named, new) = (self.named(), self.new_keys());
        let owner = |key: &MatchKey| links.unit.find_contact(&Recipient::Key(key.clone()));
        let Some(entry) = named.iter().find_map(owner) else { return Ok(Outcome::UnknownContact) };
        let others = named.iter().chain(&new).filter_map(owner);
        let other = others.into_iter().find(|other| *other != entry);
        let contact = links.unit.contact(entry).ok_or_else(Error::contact_not_found)?;
        if let Some(outcome) =
            self.judge(contact, other.and_then(|other| links.unit.contact(other)))
        {
            return Ok(outcome);
        }
        let profile = &contact.profile;
        let all: Vec<_> = named.iter().chain(&new).collect();
        let known: Vec<_> = all.iter().copied().filter(|key| is_current(profile, key)).collect();
        let is_young = links.is_later(contact.create_time);
        let outdated = is_young.then_some(Why::BeforeContact);
        if let Some(why) = outdated.or_else(|| links.outdated(entry, &known, &all)) {
            return Ok(links.outdated_outcome(entry, why));
        }
        let is_left = new.iter().any(|key| links.was_left(key));
        let carried = if is_left { &[][..] } else { &known[..] };
        self.link_all(links, entry, carried)?;
        Ok(links.linked(entry, is_left.then_some(Why::LeftSince)))
    }

    /// What becomes of it if there is nothing to link, or if it contradicts what is known.
    fn judge(&self, contact: &Contact, other: Option<&Contact>) -> Option<Outcome> {
        let contact_id = contact.contact_id;
        let why = match other {
            Some(_) => Why::TwoContacts,
            None if self.is_done(&contact.profile) => {
                return Some(Outcome::AlreadyLinked { contact_id });
            }
            None if self.names_former(&contact.profile) => Why::Former,
            None if self.is_of_another_number(&contact.profile) => Why::OtherNumber,
            None => return None,
        };
        let other_contact_id = other.map(|other| other.contact_id);
        Some(Outcome::Contradicts { contact_id, other_contact_id, why })
    }

    /// Links the new ids, with what is permitted under one of `known`: the one that is replaced, or
    /// another one that Meta names.
    fn link_all(
        &self,
        links: &mut Links<'_, '_>,
        entry: EntryId,
        known: &[&MatchKey],
    ) -> Result<()> {
        let contact = links.unit.contact(entry).ok_or_else(Error::contact_not_found)?;
        let profile = contact.profile.clone();
        let from = |replaced: Option<MatchKey>, new: &MatchKey| {
            let replaced = known.iter().find(|key| Some(**key) == replaced.as_ref());
            let from = replaced.or(known.first()).map(|key| (*key).clone());
            from.filter(|_| !is_current(&profile, new))
        };
        // The old ids become former ones of the contact, also those that were not known: what
        // stands against them stands against the contact.
        let has = |key: &MatchKey| profile.match_keys().contains(key);
        if let (Some(old), Some(_), None) = (self.old_phone, self.new_phone, profile.phone_number) {
            links.link(entry, &old.match_key(), None, |profile| profile.set_phone_number(old))?;
        }
        if let (Some(old), Some(_)) = (self.old_user, self.new_user)
            && !has(&old.match_key())
        {
            links.link(entry, &old.match_key(), None, |profile| {
                profile.add_whatsapp_user_id(old.clone());
            })?;
        }
        if let Some(number) = self.new_phone {
            let key = number.match_key();
            let from = from(self.old_phone.map(|number| number.match_key()), &key);
            links.link(entry, &key, from.as_ref(), |profile| profile.set_phone_number(number))?;
        }
        if let Some(id) = self.new_user {
            let key = id.match_key();
            let from = from(self.old_user.map(WhatsAppUserId::match_key), &key);
            links.link(entry, &key, from.as_ref(), |profile| {
                let is_replaced = self
                    .old_user
                    .is_some_and(|old| profile.replace_whatsapp_user_id(old, id.clone()));
                if !is_replaced {
                    profile.add_whatsapp_user_id(id.clone());
                }
            })?;
        }
        Ok(())
    }
}

impl Links<'_, '_> {
    /// Why a statement about identities is not taken because of its time alone.
    pub(super) fn refused_time(&self) -> Option<Why> {
        let age = self.tx.now.signed_duration_since(self.occurred_time);
        if age < -MAX_CLOCK_SKEW {
            Some(Why::Future)
        } else if age > MAX_AGE {
            Some(Why::TooOld)
        } else {
            None
        }
    }

    /// Whether something happened at the time of the statement or later. What is not certain to
    /// come before it speaks against it, also if only the clocks differ.
    fn is_later(&self, time: Time) -> bool {
        time >= self.occurred_time
    }

    /// What came after the statement and speaks against it. `known` are the ids by which the contact
    /// was found.
    pub(super) fn outdated(
        &self,
        entry: EntryId,
        known: &[&MatchKey],
        all: &[&MatchKey],
    ) -> Option<Why> {
        let is_later = |time: Option<Time>| time.is_some_and(|time| self.is_later(time));
        for key in all {
            let holder = self.unit.find(&Recipient::Key((*key).clone())).unwrap_or(entry);
            let Some(own) = self.unit.own(holder, key) else { continue };
            let is_known = known.contains(key);
            if is_later(own.held_since()) || is_known && is_later(own.place()) {
                return Some(Why::BeforeHolder);
            }
            if is_known && is_later(own.latest_permission()) {
                return Some(Why::BeforePermission);
            }
        }
        None
    }

    /// Whether the person of an identity left it at this time or later.
    pub(super) fn was_left(&self, key: &MatchKey) -> bool {
        self.left.is_since(key, self.occurred_time)
    }

    pub(super) fn outdated_outcome(&self, entry: EntryId, why: Why) -> Outcome {
        let contact_id = self.unit.contact(entry).map(|contact| contact.contact_id);
        Outcome::Outdated { contact_id, why }
    }

    /// Links an identity, as LinkIdentity does. With `from`, what was permitted under that one is
    /// permitted under this one, too: Meta says that it is the same person.
    pub(super) fn link(
        &mut self,
        entry: EntryId,
        key: &MatchKey,
        from: Option<&MatchKey>,
        change: impl FnOnce(&mut Profile),
    ) -> Result<()> {
        let contact = self.unit.contact(entry).ok_or_else(Error::contact_not_found)?;
        let mut profile = contact.profile.clone();
        change(&mut profile);
        profile.validate()?;
        let message_id = self.message_id.map(|id| id.as_str().to_owned()).unwrap_or_default();
        let carry = from.map(|from| Carry {
            to: vec![(key.clone(), Some(from.clone()))],
            source: Source::Platform,
            evidence: Evidence { message_id, ..Evidence::default() },
        });
        self.unit.update(self.tx, entry, profile, carry.as_ref()).map(drop)
    }

    pub(super) fn linked(&self, entry: EntryId, note: Option<Why>) -> Outcome {
        match self.unit.contact(entry) {
            Some(contact) => Outcome::Linked {
                contact_id: contact.contact_id,
                event_id: self.unit.latest_link().filter(|id| Some(*id) != self.link_before),
                note,
            },
            None => Outcome::UnknownContact,
        }
    }
}

pub(super) fn is_current(profile: &Profile, key: &MatchKey) -> bool {
    profile.match_keys().contains(key) && !profile.is_former(key)
}
