//! Current and former identities of a contact. A former phone number or user id still finds the
//! contact.

use chrono::TimeDelta;

use super::consent::IdentityConsent;
use super::contact::Profile;
use super::error::{Error, Result};
use super::external_id::ExternalId;
use super::phone::{MatchKey, PhoneNumber, WhatsAppUserId};

/// Maximum number of former phone numbers of a contact, of former user ids, and of contacts merged
/// into it.
pub const MAX_FORMER_IDS: usize = 50;
/// Maximum number of current WhatsApp user ids of a contact. Meta assigns one per business portfolio,
/// and a parent.
pub const MAX_USER_IDS: usize = 20;

/// A phone number or user id.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is what it names")]
pub enum Identity {
    PhoneNumber(PhoneNumber),
    WhatsAppUserId(WhatsAppUserId),
}

/// An identity of a contact with its consent.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactIdentity {
    /// The number or id, in the form that the contact shows.
    pub identity: Identity,
    /// Whether the contact had it before.
    pub is_former: bool,
    /// What it is permitted, and what stands against its person.
    pub consent: IdentityConsent,
    /// From which age on a permission counts as expired, by the workspace's policy, in the
    /// order of [`MessageCategory::ALL`](super::consent::MessageCategory::ALL).
    pub max_ages: [Option<TimeDelta>; 3],
}

impl Identity {
    /// Its match key.
    pub fn match_key(&self) -> MatchKey {
        match self {
            Self::PhoneNumber(number) => number.match_key(),
            Self::WhatsAppUserId(id) => id.match_key(),
        }
    }
}

impl Profile {
    /// All identities of the contact, in the order of [`match_keys`](Self::match_keys), each with
    /// whether it is a former one.
    pub fn identities(&self) -> impl Iterator<Item = (Identity, bool)> {
        let number = |number: &PhoneNumber| Identity::PhoneNumber(*number);
        let user = |id: &WhatsAppUserId| Identity::WhatsAppUserId(id.clone());
        let current = self.phone_number.iter().map(number);
        let current = current.chain(self.whatsapp_user_ids.iter().map(user));
        let former = self.former_phone_numbers.iter().map(number);
        let former = former.chain(self.former_whatsapp_user_ids.iter().map(user));
        current.map(|identity| (identity, false)).chain(former.map(|identity| (identity, true)))
    }

    /// All match keys of the contact: the current phone number, the current user ids, then former ones.
    pub fn match_keys(&self) -> Vec<MatchKey> {
        let phone = self.phone_number.iter().map(PhoneNumber::match_key);
        let user = self.whatsapp_user_ids.iter().map(MatchKey::user);
        phone.chain(user).chain(self.former_keys()).collect()
    }

    /// Whether this is the key of a former phone number or user id.
    pub fn is_former(&self, key: &MatchKey) -> bool {
        self.former_keys().any(|former| former == *key)
    }

    fn former_keys(&self) -> impl Iterator<Item = MatchKey> {
        let phones = self.former_phone_numbers.iter().map(PhoneNumber::match_key);
        phones.chain(self.former_whatsapp_user_ids.iter().map(MatchKey::user))
    }

    /// Sets the phone number; the previous one becomes a former number. Setting another form of the
    /// current number has no effect.
    pub fn set_phone_number(&mut self, number: PhoneNumber) {
        if self.phone_number.is_some_and(|known| known.match_key() == number.match_key()) {
            return;
        }
        self.former_phone_numbers.retain(|former| former.match_key() != number.match_key());
        self.former_phone_numbers.extend(self.phone_number.replace(number));
    }

    /// Adds a user id to those the contact has.
    pub fn add_whatsapp_user_id(&mut self, id: WhatsAppUserId) {
        if !self.whatsapp_user_ids.contains(&id) {
            self.former_whatsapp_user_ids.retain(|former| *former != id);
            self.whatsapp_user_ids.push(id);
        }
    }

    /// Gives the place of one user id to another; the one replaced becomes a former id. False if the
    /// contact does not have it.
    pub fn replace_whatsapp_user_id(&mut self, old: &WhatsAppUserId, new: WhatsAppUserId) -> bool {
        if !self.whatsapp_user_ids.contains(old) {
            return false;
        }
        if *old != new {
            self.former_whatsapp_user_ids.retain(|former| *former != new);
            self.former_whatsapp_user_ids.push(old.clone());
            self.whatsapp_user_ids.retain(|known| *known != new);
            let place = self.whatsapp_user_ids.iter_mut().find(|known| *known == old);
            place.into_iter().for_each(|place| *place = new.clone());
        }
        true
    }

    /// Sets the user ids; those left out become former ids.
    pub fn set_whatsapp_user_ids(&mut self, ids: Vec<WhatsAppUserId>) {
        let before = std::mem::take(&mut self.whatsapp_user_ids);
        ids.into_iter().for_each(|id| self.add_whatsapp_user_id(id));
        let left_out = before.into_iter().filter(|id| !self.whatsapp_user_ids.contains(id));
        self.former_whatsapp_user_ids.extend(left_out.collect::<Vec<_>>());
    }

    /// Sets the external id. The previous one no longer finds the contact.
    pub fn set_external_id(&mut self, id: Option<ExternalId>) {
        self.merged_external_ids.retain(|merged| Some(merged) != id.as_ref());
        self.external_id = id;
    }

    /// The external ids that find the contact: its own, and those of contacts merged into it.
    pub fn external_ids(&self) -> impl Iterator<Item = &ExternalId> {
        self.external_id.iter().chain(&self.merged_external_ids)
    }

    /// Removes a former phone number or a user id. Returns false if the contact has none with this
    /// key.
    pub fn release(&mut self, key: &MatchKey) -> bool {
        let before = self.match_keys().len();
        self.former_phone_numbers.retain(|former| former.match_key() != *key);
        self.former_whatsapp_user_ids.retain(|former| former.match_key() != *key);
        self.whatsapp_user_ids.retain(|id| id.match_key() != *key);
        self.match_keys().len() < before
    }

    /// Lets go of the oldest former numbers and user ids beyond [`MAX_FORMER_IDS`] of
    /// each, so that no limit makes a change of number fail. Returns their keys.
    pub fn drop_oldest_former_ids(&mut self) -> Vec<MatchKey> {
        let phones = self.former_phone_numbers.len().saturating_sub(MAX_FORMER_IDS);
        let users = self.former_whatsapp_user_ids.len().saturating_sub(MAX_FORMER_IDS);
        let phones = self.former_phone_numbers.drain(..phones).map(|phone| phone.match_key());
        let mut dropped: Vec<_> = phones.collect();
        dropped.extend(self.former_whatsapp_user_ids.drain(..users).map(|id| id.match_key()));
        dropped
    }

    /// Refuses more merged contacts than a contact has room for.
    pub(super) fn validate_merged_ids(&self) -> Result<()> {
        let count = self.merged_contact_ids.len();
        if count > MAX_FORMER_IDS {
            return Err(Error::limit("merged_contact_ids", MAX_FORMER_IDS, count));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).expect("a number")
    }

    fn id(text: &str) -> WhatsAppUserId {
        WhatsAppUserId::parse(text).expect("an id")
    }

    fn person() -> Profile {
        Profile { phone_number: Some(number("5521987654321")), ..Profile::default() }
    }

    #[test]
    fn a_replaced_id_becomes_former_and_can_become_current_again() {
        let mut person = person();
        person.set_phone_number(number("15551234567"));
        person.set_phone_number(number("447700900123"));
        assert_eq!(person.former_phone_numbers, [number("5521987654321"), number("15551234567")]);
        // The first number again, in its other form.
        person.set_phone_number(number("552187654321"));
        assert_eq!(person.phone_number, Some(number("552187654321")));
        assert_eq!(person.former_phone_numbers, [number("15551234567"), number("447700900123")]);
        let keys = person.match_keys();
        assert_eq!((keys.len(), &keys[0]), (3, &number("5521987654321").match_key()));
    }

    #[test]
    fn user_ids_are_added_and_replaced_one_by_one() {
        let mut person = person();
        for user_id in ["US.1", "US.2", "US.2", "US.1"] {
            person.add_whatsapp_user_id(id(user_id));
        }
        assert_eq!(person.whatsapp_user_ids, [id("US.1"), id("US.2")]);
        assert!(person.replace_whatsapp_user_id(&id("US.1"), id("US.3")));
        assert_eq!(person.whatsapp_user_ids, [id("US.3"), id("US.2")]);
        assert_eq!(person.former_whatsapp_user_ids, [id("US.1")]);
        assert!(person.is_former(&id("US.1").match_key()));
        assert!(!person.is_former(&id("US.2").match_key()));
        // By one that it has: one is left.
        assert!(person.replace_whatsapp_user_id(&id("US.3"), id("US.2")));
        assert_eq!(person.whatsapp_user_ids, [id("US.2")]);
        assert!(!person.replace_whatsapp_user_id(&id("US.3"), id("US.4")), "a former one");
        assert!(person.replace_whatsapp_user_id(&id("US.2"), id("US.2")), "by itself");
        // The first again: it is no longer a former one.
        person.add_whatsapp_user_id(id("US.1"));
        assert_eq!(person.former_whatsapp_user_ids, [id("US.3")]);
        person.set_whatsapp_user_ids(vec![id("US.3"), id("US.1"), id("US.3")]);
        assert_eq!(person.whatsapp_user_ids, [id("US.3"), id("US.1")]);
        assert_eq!(person.former_whatsapp_user_ids, [id("US.2")]);
        person.set_whatsapp_user_ids(Vec::new());
        assert_eq!(person.former_whatsapp_user_ids, [id("US.2"), id("US.3"), id("US.1")]);
    }

    #[test]
    fn setting_another_form_of_the_current_number_has_no_effect() {
        let mut same = person();
        same.set_phone_number(number("552187654321"));
        assert_eq!(same, person());
    }

    #[test]
    fn only_former_ids_are_released() {
        let mut person = person();
        let key = number("552187654321").match_key();
        assert!(!person.release(&key), "the current number");
        person.set_phone_number(number("15551234567"));
        assert!(person.release(&key));
        assert!(!person.release(&key));
        assert_eq!(person.match_keys().len(), 1);
    }

    #[test]
    fn the_oldest_former_ids_are_let_go() {
        let mut person = person();
        for n in 0..MAX_FORMER_IDS {
            person.set_phone_number(number(&format!("1555123{n:04}")));
            assert_eq!(person.drop_oldest_former_ids(), []);
        }
        person.set_phone_number(number("447700900123"));
        assert_eq!(person.drop_oldest_former_ids(), [number("552187654321").match_key()]);
        assert_eq!(person.former_phone_numbers.len(), MAX_FORMER_IDS);
    }
}
