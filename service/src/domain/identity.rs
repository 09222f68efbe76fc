//! One person under several ids: what they had before a change still names them.

use super::contact::Profile;
use super::error::{Error, Result};
use super::phone::{MatchKey, PhoneNumber, WhatsAppUserId};

/// Most former phone numbers of a contact, most former user ids, and most
/// contacts merged into it.
pub const MAX_FORMER_IDS: usize = 50;

impl Profile {
    /// The keys by which this person is found: current ones first, the phone's
    /// before the user id's, then former ones.
    pub fn match_keys(&self) -> Vec<MatchKey> {
        let phone = self.phone_number.iter().map(PhoneNumber::match_key);
        let user = self.whatsapp_user_id.iter().map(MatchKey::user);
        phone.chain(user).chain(self.former_keys()).collect()
    }

    /// Whether the person is found by this key, but no longer has what it is of.
    pub fn is_former(&self, key: &MatchKey) -> bool {
        self.former_keys().any(|former| former == *key)
    }

    fn former_keys(&self) -> impl Iterator<Item = MatchKey> {
        let phones = self.former_phone_numbers.iter().map(PhoneNumber::match_key);
        phones.chain(self.former_whatsapp_user_ids.iter().map(MatchKey::user))
    }

    /// Gives the person a number; the one it replaces becomes a former one.
    /// Another form of the same number changes nothing.
    pub fn set_phone_number(&mut self, number: PhoneNumber) {
        if self.phone_number.is_some_and(|known| known.match_key() == number.match_key()) {
            return;
        }
        self.former_phone_numbers.retain(|former| former.match_key() != number.match_key());
        self.former_phone_numbers.extend(self.phone_number.replace(number));
    }

    /// Gives the person a user id; the one it replaces becomes a former one.
    pub fn set_whatsapp_user_id(&mut self, id: WhatsAppUserId) {
        if self.whatsapp_user_id.as_ref() == Some(&id) {
            return;
        }
        self.former_whatsapp_user_ids.retain(|former| *former != id);
        self.former_whatsapp_user_ids.extend(self.whatsapp_user_id.replace(id));
    }

    /// Lets go of a former number or id. False if it is none.
    pub fn release(&mut self, key: &MatchKey) -> bool {
        let is_former = self.is_former(key);
        self.former_phone_numbers.retain(|former| former.match_key() != *key);
        self.former_whatsapp_user_ids.retain(|former| former.match_key() != *key);
        is_former
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
    fn what_is_replaced_becomes_former_and_comes_back() {
        let mut person = person();
        person.set_phone_number(number("15551234567"));
        person.set_phone_number(number("447700900123"));
        assert_eq!(person.former_phone_numbers, [number("5521987654321"), number("15551234567")]);
        // Back, in another form than before.
        person.set_phone_number(number("552187654321"));
        assert_eq!(person.phone_number, Some(number("552187654321")));
        assert_eq!(person.former_phone_numbers, [number("15551234567"), number("447700900123")]);
        let keys = person.match_keys();
        assert_eq!((keys.len(), &keys[0]), (3, &number("5521987654321").match_key()));

        for user_id in ["US.1", "US.2", "US.2", "US.1"] {
            person.set_whatsapp_user_id(id(user_id));
        }
        assert_eq!(person.former_whatsapp_user_ids, [id("US.2")]);
        assert!(person.is_former(&id("US.2").match_key()));
        assert!(!person.is_former(&id("US.1").match_key()));
    }

    #[test]
    fn another_form_of_the_same_number_changes_nothing() {
        let mut same = person();
        same.set_phone_number(number("552187654321"));
        assert_eq!(same, person());
    }

    #[test]
    fn only_what_is_former_is_released() {
        let mut person = person();
        let key = number("552187654321").match_key();
        assert!(!person.release(&key), "the number they have");
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
