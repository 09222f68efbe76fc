//! Current and former identities of a contact. A former phone number or user id still finds the
//! contact.

use super::contact::Profile;
use super::error::{Error, Result};
use super::phone::{MatchKey, PhoneNumber, WhatsAppUserId};

/// Maximum number of former phone numbers of a contact, of former user ids, and of contacts merged
/// into it.
pub const MAX_FORMER_IDS: usize = 50;

impl Profile {
    /// All match keys of the contact: the current phone number, the current user id, then former ones.
    pub fn match_keys(&self) -> Vec<MatchKey> {
        let phone = self.phone_number.iter().map(PhoneNumber::match_key);
        let user = self.whatsapp_user_id.iter().map(MatchKey::user);
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

    /// Sets the user id; the previous one becomes a former id.
    pub fn set_whatsapp_user_id(&mut self, id: WhatsAppUserId) {
        if self.whatsapp_user_id.as_ref() == Some(&id) {
            return;
        }
        self.former_whatsapp_user_ids.retain(|former| *former != id);
        self.former_whatsapp_user_ids.extend(self.whatsapp_user_id.replace(id));
    }

    /// Removes a former phone number or user id. Returns false if the key is not a former one.
    pub fn release(&mut self, key: &MatchKey) -> bool {
        let is_former = self.is_former(key);
        self.former_phone_numbers.retain(|former| former.match_key() != *key);
        self.former_whatsapp_user_ids.retain(|former| former.match_key() != *key);
        is_former
    }

    /// Rejects more than [`MAX_FORMER_IDS`] former ids.
    pub(super) fn validate_former_ids(&self) -> Result<()> {
        for (field, count) in [
            ("former_phone_numbers", self.former_phone_numbers.len()),
            ("former_whatsapp_user_ids", self.former_whatsapp_user_ids.len()),
            ("merged_contact_ids", self.merged_contact_ids.len()),
        ] {
            if count > MAX_FORMER_IDS {
                return Err(Error::limit(field, MAX_FORMER_IDS, count));
            }
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

        for user_id in ["US.1", "US.2", "US.2", "US.1"] {
            person.set_whatsapp_user_id(id(user_id));
        }
        assert_eq!(person.former_whatsapp_user_ids, [id("US.2")]);
        assert!(person.is_former(&id("US.2").match_key()));
        assert!(!person.is_former(&id("US.1").match_key()));
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
    fn former_ids_are_limited() {
        let mut person = person();
        for n in 0..=MAX_FORMER_IDS {
            assert!(person.validate_former_ids().is_ok(), "{n}");
            person.set_phone_number(number(&format!("1555123{n:04}")));
        }
        let error = person.validate_former_ids().expect_err("too many");
        assert_eq!(error.field(), Some("former_phone_numbers"));
    }
}
