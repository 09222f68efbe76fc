use contacts_proto::receipt::VerifiedReceipt;
use contacts_proto::v1;
use uuid::Uuid;

use super::{FromProto, non_empty, time};
use crate::error::{Error, Result};
use crate::model::{CheckReason, Decision, MessageCategory};
use crate::receipt::{ReceiptKey, VerifiedDecision};

impl VerifiedDecision {
    pub(crate) fn from_verified(verified: VerifiedReceipt) -> Self {
        let statement = verified.statement.clone();
        Self {
            workspace_id: statement.workspace_id,
            category: MessageCategory::from_proto(statement.category),
            sender_phone_number_id: non_empty(statement.sender_phone_number_id),
            as_of_time: time(statement.as_of_time),
            decision: Decision::from_proto(statement.decision),
            reason: CheckReason::from_proto(statement.reason),
            contact_id: id(&statement.contact_id),
            identity_id: id(&statement.identity_id),
            event_id: id(&statement.event_id),
            consent_time: time(statement.consent_time),
            check_time: time(statement.check_time),
            key_id: verified.key_id,
            verified,
        }
    }
}

/// The keys of a response.
pub(crate) fn receipt_keys(response: v1::ListReceiptKeysResponse) -> Result<Vec<ReceiptKey>> {
    let key = |key: v1::ReceiptKey| {
        let public_key = key.public_key.parse();
        Ok(ReceiptKey {
            public_key: public_key.map_err(|_| Error::invalid_response("no public key"))?,
            version: key.version,
            is_current: key.is_current,
        })
    };
    response.keys.into_iter().map(key).collect()
}

fn id(bytes: &[u8]) -> Option<String> {
    Uuid::from_slice(bytes).ok().map(|id| id.to_string())
}
