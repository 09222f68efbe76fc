//! Decision receipts: proof of what a check answered, verified offline.
//!
//! A check that [asks for a receipt](crate::request::CheckOptIn::receipt) gets a short text, signed by
//! the server, to be stored beside the message that was or was not sent:
//!
//! ```no_run
//! # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
//! use contacts_sdk::MessageCategory;
//!
//! let check = client.opt_in().check("15551234567", MessageCategory::Marketing).receipt().await?;
//! if check.is_allowed() {
//!     // send the template, and store check.receipt with it
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Whoever has the server's public keys, which `contacts-service receipt public-keys` prints and
//! [`OptIn::receipt_keys`](crate::OptIn::receipt_keys) returns, can verify it years later without the
//! server and its database:
//!
//! ```
//! use contacts_sdk::receipt::{DecisionReceipt, PublicKey, ReceiptError};
//!
//! fn was_allowed(stored: &str, keys: &[PublicKey], number: &str) -> Result<bool, ReceiptError> {
//!     let decision = DecisionReceipt::parse(stored)?.verify(keys)?;
//!     Ok(decision.workspace_id == "default" && decision.is_about(number) && decision.is_allowed())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys: [PublicKey; 1] = ["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".parse()?];
//! assert!(was_allowed("no receipt", &keys, "15551234567").is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Personal data
//!
//! A receipt holds no phone number and no user id, but salted hashes of them, by which
//! [`VerifiedDecision::is_about`] recognises them. The salt is the text behind the third dot. Phone
//! numbers are few enough to try all of them, so with its salt a receipt is personal data. When a
//! person is erased, store [`DecisionReceipt::without_salt`] instead: it still verifies, and nobody
//! can find out the number.

use std::fmt;
use std::time::SystemTime;

use contacts_proto::receipt::{self, VerifiedReceipt};
pub use contacts_proto::receipt::{KeyId, PublicKey, PublicKeyError, ReceiptError};

use crate::model::{CheckReason, Decision, MessageCategory, Recipient};

/// The text of a receipt: complete, but not verified yet.
///
/// `Debug` shows the id of the key only.
#[derive(Clone, PartialEq, Eq)]
pub struct DecisionReceipt {
    text: String,
    key_id: KeyId,
}

/// A public key of a server, returned by [`OptIn::receipt_keys`](crate::OptIn::receipt_keys).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiptKey {
    /// The key. Store it apart from the receipts.
    pub public_key: PublicKey,
    /// The version of the server's key, counted from 1.
    pub version: i32,
    /// Whether new receipts are signed with it.
    pub is_current: bool,
}

/// What a verified receipt states.
///
/// The signature shows that the server gave this answer, and nothing else: compare
/// [`workspace_id`](Self::workspace_id), [`category`](Self::category) and
/// [`is_about`](Self::is_about) with the message it is to prove something of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedDecision {
    /// The workspace that was asked.
    pub workspace_id: String,
    /// The category that was asked about.
    pub category: MessageCategory,
    /// The sending number that was asked about; none if the check did not name one.
    pub sender_phone_number_id: Option<String>,
    /// The time the answer is about; none if it is about the time of the check.
    pub as_of_time: Option<SystemTime>,
    /// The answer. Ask [`is_allowed`](Self::is_allowed).
    pub decision: Decision,
    /// Why.
    pub reason: CheckReason,
    /// The contact; none if the person was not one.
    pub contact_id: Option<String>,
    /// The phone number or user id the answer is about, by its id in the ledger.
    pub identity_id: Option<String>,
    /// The ledger entry that decided, if there is one.
    pub event_id: Option<String>,
    /// When the person agreed, objected or stopped.
    pub consent_time: Option<SystemTime>,
    /// The server's time of the answer.
    pub check_time: Option<SystemTime>,
    /// The key that signed the receipt.
    pub key_id: KeyId,
    pub(crate) verified: VerifiedReceipt,
}

impl DecisionReceipt {
    /// Reads the text of a receipt. Does not verify it.
    ///
    /// # Errors
    /// If the text is not a receipt, or one of a later format.
    pub fn parse(text: impl Into<String>) -> Result<Self, ReceiptError> {
        let text = text.into();
        let key_id = receipt::key_id(&text)?;
        Ok(Self { text, key_id })
    }

    /// Verifies the receipt with the public keys of the server, of all versions of its key.
    ///
    /// Leave out the keys that are known to have leaked: whoever has one can sign receipts of any
    /// date.
    ///
    /// # Errors
    /// If none of the keys signed this text.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<VerifiedDecision, ReceiptError> {
        receipt::verify(&self.text, keys).map(VerifiedDecision::from_verified)
    }

    /// The key that the receipt names; not verified.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The text, as it was read.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The receipt without its salt, which nobody can find out the person from. It verifies, and
    /// [`VerifiedDecision::is_about`] is false for it.
    #[must_use]
    pub fn without_salt(&self) -> Self {
        Self { text: receipt::without_salt(&self.text).to_owned(), key_id: self.key_id }
    }
}

impl VerifiedDecision {
    /// Whether the message was allowed: true for [`Decision::Allow`] and nothing else.
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }

    /// Whether the check asked about this person. Text is a phone number; any form finds it.
    ///
    /// A check by contact_id or external_id is also about the number or user id that a message would have gone to.
    /// False if the receipt has no salt, see [`has_salt`](Self::has_salt).
    pub fn is_about(&self, person: impl Into<Recipient>) -> bool {
        match person.into() {
            Recipient::Phone(number) => digits(&number).is_some_and(|digits| {
                self.verified.is_about(receipt::Recipient::PhoneNumber(&digits))
            }),
            Recipient::WhatsAppUserId(id) => {
                self.verified.is_about(receipt::Recipient::WhatsAppUserId(&id))
            }
            Recipient::ContactId(id) => self.verified.is_about(receipt::Recipient::ContactId(&id)),
            Recipient::ExternalId(id) => {
                self.verified.is_about(receipt::Recipient::ExternalId(&id))
            }
        }
    }

    /// Whether the receipt has its salt, without which [`is_about`](Self::is_about) is always false.
    pub fn has_salt(&self) -> bool {
        self.verified.has_salt()
    }
}

/// Drops separators. None if there is anything else: it is no number that could have been asked.
fn digits(number: &str) -> Option<String> {
    let is_separator = |c: char| !c.is_alphanumeric();
    let digits: String = number.chars().filter(|c| !is_separator(*c)).collect();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)
}

impl fmt::Display for DecisionReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for DecisionReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecisionReceipt(by {})", self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use contacts_proto::receipt::SigningKey;
    use contacts_proto::v1;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn receipt() -> DecisionReceipt {
        let statement = v1::DecisionStatement {
            workspace_id: "default".to_owned(),
            category: v1::MessageCategory::Utility.into(),
            decision: v1::Decision::Allow.into(),
            reason: v1::CheckReason::OptedIn.into(),
            event_id: (1..=16).collect(),
            check_time: Some(contacts_proto::Timestamp { seconds: 7, nanos: 0 }),
            ..v1::DecisionStatement::default()
        };
        let recipients = [
            receipt::Recipient::PhoneNumber("15551234567"),
            receipt::Recipient::WhatsAppUserId("US.1"),
            receipt::Recipient::ContactId("c1"),
        ];
        let text = receipt::sign(&key(), statement, recipients, &[1; 16]);
        DecisionReceipt::parse(text).expect("a receipt")
    }

    #[test]
    fn a_verified_decision_has_plain_types() {
        let decision = receipt().verify(&[key().public_key()]).expect("a valid receipt");
        assert!(decision.is_allowed());
        assert_eq!(decision.workspace_id, "default");
        assert_eq!(decision.category, MessageCategory::Utility);
        assert_eq!(decision.reason, CheckReason::OptedIn);
        assert_eq!(decision.event_id.as_deref(), Some("01020304-0506-0708-090a-0b0c0d0e0f10"));
        let check_time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(7);
        assert_eq!(decision.check_time, Some(check_time));
        assert_eq!(decision.key_id, receipt().key_id());
        assert_eq!((decision.contact_id, decision.sender_phone_number_id), (None, None));
        assert_eq!(decision.as_of_time, None);
    }

    #[test]
    fn a_decision_is_about_the_person_that_was_asked_about() {
        let decision = receipt().verify(&[key().public_key()]).expect("a valid receipt");
        for number in ["15551234567", "+1 (555) 123-4567", "1\u{a0}555.123.4567"] {
            assert!(decision.is_about(number), "{number}");
        }
        for number in ["15551234568", "", "+", "x15551234567", "1555123456７"] {
            assert!(!decision.is_about(number), "{number}");
        }
        assert!(decision.is_about(Recipient::whatsapp_user_id("US.1")));
        assert!(decision.is_about(Recipient::contact_id("c1")));
        assert!(!decision.is_about(Recipient::contact_id("US.1")));
    }

    #[test]
    fn without_its_salt_a_receipt_verifies_and_is_about_nobody() {
        let receipt = receipt().without_salt();
        let decision = receipt.verify(&[key().public_key()]).expect("a valid receipt");
        assert!(decision.is_allowed() && !decision.has_salt());
        assert!(!decision.is_about("15551234567"));
        assert_eq!(receipt.without_salt(), receipt);
    }

    #[test]
    fn an_invalid_receipt_is_an_error_and_never_a_decision() {
        assert_eq!(DecisionReceipt::parse("ALLOW"), Err(ReceiptError::Malformed));
        let changed = receipt().to_string().replacen("cr1.C", "cr1.D", 1);
        assert!(DecisionReceipt::parse(changed).and_then(|it| it.verify(&[])).is_err());
        let other = SigningKey::from_seed(&[8; 32]).public_key();
        assert_eq!(receipt().verify(&[other]), Err(ReceiptError::UnknownKey(receipt().key_id())));
    }

    #[test]
    fn debug_shows_the_key_only() {
        let id = key().public_key().id();
        assert_eq!(format!("{:?}", receipt()), format!("DecisionReceipt(by {id})"));
    }
}
