//! A person of a unit of work: the contact, its identities and what they said.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{ConsentSummary, IdentityConsent, IdentityId, OptInPolicy, Person};
use crate::domain::contact::Contact;
use crate::domain::identity::{ContactIdentity, Identity};
use crate::domain::phone::MatchKey;

/// The ids of a person's identities, by key: a few, so that searching takes less than hashing.
#[derive(Clone, Default)]
pub(super) struct Ids(Vec<(MatchKey, IdentityId)>);

impl Ids {
    pub(super) fn get(&self, key: &MatchKey) -> Option<IdentityId> {
        self.0.iter().find_map(|(known, id)| (known == key).then_some(*id))
    }

    /// Adds an identity, or replaces its id.
    pub(super) fn insert(&mut self, key: MatchKey, id: IdentityId) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = id,
            None => self.0.push((key, id)),
        }
    }

    pub(super) fn remove(&mut self, key: &MatchKey) -> Option<IdentityId> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn add_all(&mut self, others: Self) {
        others.0.into_iter().for_each(|(key, id)| self.insert(key, id));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[derive(Clone)]
pub(super) struct Entry {
    /// As stored. None for a new contact, and for a non-contact.
    pub(super) before: Option<Arc<Contact>>,
    /// As it is to be. None for a non-contact.
    pub(super) after: Option<Contact>,
    /// The keys of a non-contact. Rows are stored under their hashes.
    pub(super) loose_keys: Vec<MatchKey>,
    /// The hashed keys under which a non-contact's rows are stored.
    pub(super) stored_under: Vec<MatchKey>,
    /// Whether its identity was a contact's when the unit began. Nobody else can have
    /// made a contact of it.
    pub(super) is_released: bool,
    /// The ids of its identities.
    pub(super) ids: Ids,
    /// As stored.
    pub(super) stored: Person,
    /// As it is to be.
    pub(super) person: Person,
    /// What the contact repeats of its consent, as stored.
    pub(super) stored_summary: ConsentSummary,
    /// When the consent last changed.
    pub(super) update_time: Option<Time>,
    /// When another contact was last merged into it. Loaded where it matters.
    pub(super) last_merge: Option<Time>,
}

impl Entry {
    pub(super) fn of_contact(contact: Contact) -> Self {
        Self {
            before: None,
            after: Some(contact),
            loose_keys: Vec::new(),
            stored_under: Vec::new(),
            is_released: false,
            ids: Ids::default(),
            stored: Person::default(),
            person: Person::default(),
            stored_summary: ConsentSummary::default(),
            update_time: None,
            last_merge: None,
        }
    }

    /// A non-contact of whom this is known.
    pub(super) fn of_non_contact(key: MatchKey, id: IdentityId, row: IdentityConsent) -> Self {
        let person = Person::create([(id, row)]);
        Self {
            before: None,
            after: None,
            loose_keys: vec![key.clone()],
            stored_under: Vec::new(),
            is_released: false,
            ids: Ids(vec![(key, id)]),
            stored: person.clone(),
            person,
            stored_summary: ConsentSummary::default(),
            update_time: None,
            last_merge: None,
        }
    }

    /// The keys of its identities: of a contact current ones first, the phone number
    /// before user ids.
    pub(super) fn keys(&self) -> Vec<MatchKey> {
        match &self.after {
            Some(contact) => contact.profile.match_keys(),
            None => self.loose_keys.clone(),
        }
    }

    pub(super) fn contact_id(&self) -> Option<Uuid> {
        self.after.as_ref().map(|contact| contact.contact_id)
    }

    /// The identity of a key. A key without a row gets a new one.
    pub(super) fn id(&mut self, key: &MatchKey) -> IdentityId {
        self.ids.get(key).unwrap_or_else(|| {
            let id = new_identity();
            self.ids.insert(key.clone(), id);
            id
        })
    }

    /// The row of the identity that a message would go to.
    pub(super) fn primary_row(&self) -> IdentityConsent {
        let primary = self.keys().into_iter().next();
        let id = primary.and_then(|key| self.ids.get(&key));
        id.and_then(|id| self.person.row(id)).unwrap_or_default()
    }

    /// The contact's identities, each with its consent.
    pub(super) fn identities(&self, policy: &OptInPolicy) -> Vec<ContactIdentity> {
        let Some(contact) = &self.after else { return Vec::new() };
        let with_consent = |(identity, is_former): (Identity, bool)| {
            let id = self.ids.get(&identity.match_key());
            let consent = id.and_then(|id| self.person.row(id)).unwrap_or_default();
            ContactIdentity { identity, is_former, consent, max_ages: policy.max_ages() }
        };
        contact.profile.identities().map(with_consent).collect()
    }

    pub(super) fn summary(&self) -> ConsentSummary {
        ConsentSummary::of(&self.primary_row(), self.update_time)
    }

    /// Whether what was said, or whose identities they are, changed.
    pub(super) fn consent_changed(&self) -> bool {
        self.person != self.stored
    }
}

#[expect(clippy::disallowed_methods, reason = "identity ids have to be random: they name nobody")]
pub(in crate::operations) fn new_identity() -> IdentityId {
    IdentityId(Uuid::new_v4())
}
