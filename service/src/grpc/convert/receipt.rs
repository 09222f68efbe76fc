//! Decision receipts, and the keys that verify them.

use contacts_proto::v1;

use super::consent::{encode_category, encode_decision, encode_reason};
use crate::domain::error::Result;
use crate::domain::keyring::Keyring;
use crate::domain::receipt::{self, Answer, AskedId, Question};
use crate::operations::named;
use crate::opt_in::{CheckOutcome, CheckQuery};
use crate::store::random;

/// Signs the outcome of a check.
pub(crate) fn sign(
    keyring: &Keyring,
    query: &CheckQuery<'_>,
    outcome: &CheckOutcome,
) -> Result<String> {
    let primary_keys = outcome.primary_keys.iter().map(AskedId::Key);
    let recipients: Vec<_> = query.recipients().map(AskedId::from).chain(primary_keys).collect();
    let question = Question {
        workspace_id: named(query.workspace_id)?,
        recipients: &recipients,
        category: encode_category(query.sending.category),
        sender_phone_number_id: query.sending.sender_phone_number_id,
        as_of_time: query.as_of_time,
    };
    let answer = Answer {
        decision: encode_decision(outcome.reason),
        reason: encode_reason(outcome.reason),
        contact_id: outcome.contact_id,
        identity_id: outcome.identity_id.map(|id| id.0),
        event_id: outcome.event_id,
        consent_time: outcome.consent_time,
        check_time: outcome.check_time,
    };
    Ok(receipt::sign(keyring.receipt_key(), &random()?, &question, &answer))
}

/// Encodes the public keys, oldest first. The last one signs.
pub(crate) fn encode_keys(keyring: &Keyring) -> Vec<v1::ReceiptKey> {
    let current = keyring.current().version;
    let encode = |(version, key): (u32, contacts_proto::receipt::PublicKey)| v1::ReceiptKey {
        key_id: key.id().to_string(),
        public_key: key.to_string(),
        version: i32::try_from(version).unwrap_or(i32::MAX),
        is_current: version == current,
    };
    keyring.receipt_public_keys().map(encode).collect()
}
