//! The rows that checks read.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::ledger::Told;
use super::listed::Wanted;
use super::{Audit, Difference, PAGE, StateMismatch};
use crate::domain::consent::{IdentityConsent, IdentityId, MessageCategory, Role};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::Result;
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};
use crate::store::{ConsentRow, ListedUnder, Listing, StoredConsent, decode_profile};

/// What was seen of the rows before.
#[derive(Default)]
struct Seen {
    identities: HashSet<IdentityId>,
    /// The contact of each person of several identities, by the first one seen.
    contacts: HashMap<IdentityId, Option<Uuid>>,
}

impl Audit<'_> {
    /// Every identity has one row, which is what the ledger amounts to, under the key that the
    /// ledger and its contact give it. Returns the keys of rows that cannot be read.
    pub(super) async fn compare_rows(&mut self, told: &Told) -> Result<HashSet<MatchKey>> {
        let mut malformed = HashSet::new();
        let mut seen = Seen::default();
        let mut after = None;
        loop {
            let page = self.db.stored_consent(self.workspace, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.place.clone());
            let contacts = self.contacts_of(&page).await?;
            let mut wanted = Wanted::default();
            for stored in &page {
                let mismatch = |difference| StateMismatch {
                    identity_id: stored.identity_id.map(|id| id.0),
                    contact_id: stored.contact_id,
                    ..StateMismatch::of(difference)
                };
                let Some(row) = stored.row.as_ref().filter(|row| self.is_key(row)) else {
                    seen.identities.extend(stored.identity_id);
                    malformed.extend(stored.place.text().map(MatchKey::from_stored));
                    self.found.add(mismatch(Difference::Malformed));
                    continue;
                };
                if let Some(difference) = self.difference(row, told, &contacts, &mut seen) {
                    self.found.add(mismatch(difference));
                } else if row.contact_id.is_none() && self.has_first_key(&row.match_key) {
                    let key = &row.match_key;
                    for event in row.consent.objections.events() {
                        let Some(place) = told.places.get(&event) else { continue };
                        let position = Some(place.position);
                        let what = StateMismatch { position, ..mismatch(Difference::Unlisted) };
                        let also = ListedUnder::Also(Listing::Key(key.clone()));
                        wanted.add([ListedUnder::Key(key.clone()), also], place.position, what);
                    }
                }
            }
            self.report_unlisted(wanted).await?;
        }
        for person in told.world.persons() {
            for member in person.members() {
                let id = member.id;
                let is_stored = seen.identities.contains(&id) || told.forgotten.contains(&id);
                let is_empty = person.row(id).is_none_or(|row| row.is_empty());
                if !(is_stored || is_empty && person.members().len() == 1) {
                    self.found.add(StateMismatch {
                        identity_id: Some(id.0),
                        ..StateMismatch::of(Difference::Missing)
                    });
                }
            }
        }
        Ok(malformed)
    }

    /// The contacts that rows name. None for one that cannot be read.
    async fn contacts_of(
        &mut self,
        rows: &[StoredConsent],
    ) -> Result<HashMap<Uuid, Option<Contact>>> {
        let ids: HashSet<_> = rows.iter().filter_map(|row| row.contact_id).collect();
        let asked: Vec<_> = ids.iter().copied().map(Recipient::Id).collect();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.db.find_contacts(self.workspace, &asked).await?;
        let found = found.into_iter().flatten();
        Ok(found.map(|row| (row.contact_id, decode_profile(&row).ok())).collect())
    }

    fn difference(
        &self,
        row: &ConsentRow,
        told: &Told,
        contacts: &HashMap<Uuid, Option<Contact>>,
        seen: &mut Seen,
    ) -> Option<Difference> {
        let id = row.identity_id;
        if !seen.identities.insert(id) {
            return Some(Difference::Duplicate);
        }
        if told.world.row(id).unwrap_or_default() != row.consent {
            return Some(Difference::Consent);
        }
        let role = told.world.role(id).unwrap_or(Role::Current);
        if (role == Role::Former) != row.is_former {
            return Some(Difference::Role);
        }
        if let Some(person) = told.world.person(id)
            && let Some(first) = person.members().first()
        {
            let expected = *seen.contacts.entry(first.id).or_insert(row.contact_id);
            if person.members().len() > 1 && expected != row.contact_id {
                return Some(Difference::Join);
            }
        }
        let mut keys = told.keys.get(&id).into_iter().flatten();
        if !keys.all(|key| self.may_be_same(key, &row.match_key)) {
            return Some(Difference::Key);
        }
        match contacts.get(&row.contact_id?) {
            None => Some(Difference::ContactMissing),
            // It is named when the contacts are compared.
            Some(None) => None,
            Some(Some(contact)) => {
                let has = contact.profile.match_keys().contains(&row.match_key);
                (!has).then_some(Difference::NotOfContact)
            }
        }
    }

    /// Whether a row is under a key as the service makes them: of a contact the number or user
    /// id, of a non-contact a hash under a key of the key file.
    fn is_key(&self, row: &ConsentRow) -> bool {
        let key = &row.match_key;
        match row.contact_id {
            None => key.is_hashed() && self.keyring.key_of(key).is_some(),
            Some(_) => {
                let text = key.as_str().get(1..).unwrap_or_default();
                let number = || PhoneNumber::parse(text).map(|number| number.match_key());
                let user = || WhatsAppUserId::parse(text).map(|id| id.match_key());
                match key.is_phone() {
                    true => number().is_ok_and(|known| known == *key),
                    false => user().is_ok_and(|known| known == *key),
                }
            }
        }
    }

    /// Whether two keys can be those of one identity. Hashes under different versions of the key
    /// cannot be compared.
    fn may_be_same(&self, one: &MatchKey, other: &MatchKey) -> bool {
        let hashes = |plain: &MatchKey, hash: &MatchKey| {
            self.keyring.key_of(hash).is_none()
                || self.keyring.hashed_all(&self.workspace.workspace_id, plain).any(|h| h == *hash)
        };
        match (one.is_hashed(), other.is_hashed()) {
            (false, false) => one == other,
            (false, true) => hashes(one, other),
            (true, false) => hashes(other, one),
            (true, true) => one == other || self.keyring.key_of(one) != self.keyring.key_of(other),
        }
    }

    /// Whether nothing can be listed under an earlier hash of the same key.
    fn has_first_key(&self, hashed: &MatchKey) -> bool {
        self.keyring.key_of(hashed) == self.keyring.ids().next()
    }
}

/// The events that decide a check of an identity.
pub(super) fn deciding(consent: &IdentityConsent) -> impl Iterator<Item = Uuid> {
    let permissions = MessageCategory::ALL.into_iter().filter_map(|c| consent.permission(c));
    let permissions: Vec<_> = permissions.map(|permission| permission.event).collect();
    consent.objections.events().into_iter().chain(permissions)
}
