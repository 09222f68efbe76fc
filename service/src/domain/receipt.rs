//! Decision receipts: what a check was asked and what it answered, signed, so that the caller can
//! prove it later without the database.
//!
//! The format, and what a receipt reveals, is described at `DecisionStatement` in the contract;
//! `contacts_proto::receipt` implements it once for the service and the SDK. A
//! [`DeletionReceipt`](contacts_proto::v1::DeletionReceipt) is something else.

mod json;
#[cfg(test)]
mod tests;

use contacts_proto::receipt::{self, Salt, SigningKey, VerifiedReceipt};
use contacts_proto::{Timestamp, v1};
pub use json::to_json;
use uuid::Uuid;

use super::Time;
use super::contact::Recipient;
use super::phone::{MatchKey, PhoneNumber};

/// What a check was asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Workspace, `default` if the request did not name one.
    pub workspace_id: &'a str,
    /// The ids by which the receipt can be recognised: all that the request named, and of a contact
    /// also the identity that a message would go to.
    pub recipients: &'a [AskedId<'a>],
    /// Category the check was answered for.
    pub category: v1::MessageCategory,
    /// Empty if no sender was named.
    pub sender_phone_number_id: &'a str,
    /// The time the answer is about, if the request named one.
    pub as_of_time: Option<Time>,
}

/// An id of a person.
#[derive(Clone, Copy, Debug)]
pub enum AskedId<'a> {
    /// A phone number or a user id. A hashed key is left out: it identifies nobody.
    Key(&'a MatchKey),
    /// The server's id of a contact.
    ContactId(Uuid),
    /// The business's own id of a person.
    ExternalId(&'a str),
}

impl<'a> From<&'a Recipient> for AskedId<'a> {
    fn from(recipient: &'a Recipient) -> Self {
        match recipient {
            Recipient::Key(key) => Self::Key(key),
            Recipient::Id(id) => Self::ContactId(*id),
            Recipient::ExternalId(id) => Self::ExternalId(id.as_str()),
        }
    }
}

/// What the check answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Has to be that of the reason.
    pub decision: v1::Decision,
    /// Why.
    pub reason: v1::CheckReason,
    /// `None` if the person is not a contact.
    pub contact_id: Option<Uuid>,
    /// Identity the answer is about, `None` if it is unknown.
    pub identity_id: Option<Uuid>,
    /// Event that decided, if there is one.
    pub event_id: Option<Uuid>,
    /// When the person agreed, objected or stopped.
    pub consent_time: Option<Time>,
    /// Time of the answer.
    pub check_time: Time,
}

/// Signs an answer and returns the text of the receipt. Takes about 20 µs of processor time.
///
/// The salt has to be random and new for every receipt.
pub fn sign(key: &SigningKey, salt: &Salt, question: &Question<'_>, answer: &Answer) -> String {
    let statement = v1::DecisionStatement {
        workspace_id: question.workspace_id.to_owned(),
        category: question.category.into(),
        sender_phone_number_id: question.sender_phone_number_id.to_owned(),
        as_of_time: question.as_of_time.map(timestamp),
        decision: answer.decision.into(),
        reason: answer.reason.into(),
        contact_id: bytes(answer.contact_id),
        identity_id: bytes(answer.identity_id),
        event_id: bytes(answer.event_id),
        consent_time: answer.consent_time.map(timestamp),
        check_time: Some(timestamp(answer.check_time)),
        ..v1::DecisionStatement::default()
    };
    let ids: Vec<_> = question.recipients.iter().flat_map(ids).collect();
    receipt::sign(key, statement, ids.iter().map(Hashed::recipient), salt)
}

/// An id in the form that is hashed.
enum Hashed<'a> {
    PhoneNumber(PhoneNumber),
    WhatsAppUserId(&'a str),
    ContactId(String),
    ExternalId(&'a str),
}

impl Hashed<'_> {
    fn recipient(&self) -> receipt::Recipient<'_> {
        match self {
            Self::PhoneNumber(number) => receipt::Recipient::PhoneNumber(number.as_str()),
            Self::WhatsAppUserId(id) => receipt::Recipient::WhatsAppUserId(id),
            Self::ContactId(id) => receipt::Recipient::ContactId(id),
            Self::ExternalId(id) => receipt::Recipient::ExternalId(id),
        }
    }
}

/// Every form of a number gets a hash, so that verifying needs no numbering plans.
fn ids<'a>(asked: &AskedId<'a>) -> Vec<Hashed<'a>> {
    match *asked {
        AskedId::ContactId(id) => vec![Hashed::ContactId(id.to_string())],
        AskedId::ExternalId(id) => vec![Hashed::ExternalId(id)],
        AskedId::Key(key) => match key.as_str().split_at_checked(1) {
            Some(("p", digits)) => PhoneNumber::parse(digits)
                .map(|number| std::iter::once(number).chain(number.variants()))
                .map(|forms| forms.map(Hashed::PhoneNumber).collect())
                .unwrap_or_default(),
            Some(("u", id)) => vec![Hashed::WhatsAppUserId(id)],
            _ => Vec::new(),
        },
    }
}

/// Whether a receipt is about this id. Any form of a number finds it.
pub fn is_about(receipt: &VerifiedReceipt, asked: &AskedId<'_>) -> bool {
    ids(asked).iter().any(|id| receipt.is_about(id.recipient()))
}

fn bytes(id: Option<Uuid>) -> Vec<u8> {
    id.map(|id| id.as_bytes().to_vec()).unwrap_or_default()
}

fn timestamp(time: Time) -> Timestamp {
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default();
    Timestamp { seconds: time.timestamp(), nanos }
}
