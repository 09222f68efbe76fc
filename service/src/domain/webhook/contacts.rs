//! The `contacts` of a change: who has which phone number and which user id.

use std::collections::HashMap;

use super::action::Identity;
use super::fields::{permission_phone, permission_user};
use super::json::Object;
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};

/// One person named by phone number and user id together.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ContactPair {
    pub(super) phone_number: PhoneNumber,
    pub(super) user_id: WhatsAppUserId,
    pub(super) parent_user_id: Option<WhatsAppUserId>,
}

/// The pairs of one change, found by either id.
#[derive(Default)]
pub(super) struct Contacts {
    pairs: Vec<ContactPair>,
    /// None: several pairs have this id, so none of them can be believed.
    by_key: HashMap<MatchKey, Option<usize>>,
}

/// What the contacts say of the person behind some ids.
pub(super) enum Found<'a> {
    Nothing,
    Pair(&'a ContactPair),
    /// One id with two others, or with another than the message says.
    Contradiction,
}

impl ContactPair {
    /// None if it lacks one of the ids, or has one that cannot be read.
    pub(super) fn read(contact: &Object) -> Option<Self> {
        if contact.repeats() {
            return None;
        }
        Some(Self {
            phone_number: permission_phone(contact, "wa_id").ok()??,
            user_id: permission_user(contact, "user_id").ok()??,
            parent_user_id: permission_user(contact, "parent_user_id").ok()?,
        })
    }

    fn keys(&self) -> [MatchKey; 2] {
        [self.phone_number.match_key(), self.user_id.match_key()]
    }

    fn is_same_person(&self, other: &Self) -> bool {
        self.keys() == other.keys()
    }

    /// Whether the person of this pair has that id.
    fn has(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Phone(number) => number.match_key() == self.phone_number.match_key(),
            Identity::User(id) => *id == self.user_id || Some(id) == self.parent_user_id.as_ref(),
        }
    }
}

impl Contacts {
    pub(super) fn add(&mut self, pair: ContactPair) {
        let index = self.pairs.len();
        for key in pair.keys() {
            let known = self.by_key.entry(key).or_insert(Some(index));
            if let Some(at) = *known
                && at != index
                && !self.pairs[at].is_same_person(&pair)
            {
                *known = None;
            }
        }
        self.pairs.push(pair);
    }

    /// The pair that one of these ids belongs to, if no id speaks against it.
    pub(super) fn find<'i>(&self, ids: impl Iterator<Item = &'i Identity> + Clone) -> Found<'_> {
        let mut found = None;
        for known in ids.clone().filter_map(|id| self.by_key.get(&id.match_key())) {
            match known {
                None => return Found::Contradiction,
                Some(at) => found = found.or(Some(*at)),
            }
        }
        let Some(pair) = found.map(|at| &self.pairs[at]) else { return Found::Nothing };
        let is_unique =
            pair.keys().iter().all(|key| self.by_key.get(key).is_some_and(Option::is_some));
        // A parent id that the contact does not have says nothing against it.
        let mut plain = ids.filter(|id| !id.is_parent());
        if is_unique && plain.all(|id| pair.has(id)) {
            Found::Pair(pair)
        } else {
            Found::Contradiction
        }
    }
}
