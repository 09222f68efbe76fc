//! The lines of what is remembered beside the ledger: the erasures, so that they are not repeated, and
//! what webhooks told, so that late or repeated ones do as little as before.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::line::{Decoded, hashed_key, time, written};
use crate::domain::keyring::Keyring;
use crate::store::{Receipt, WebhookRecord};

/// The receipt of an erasure.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErasureLine {
    receipt_id: Uuid,
    contact_id: Uuid,
    reason: i32,
    delete_time: String,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    merged_contact_ids: Vec<Uuid>,
    hashed_keys: Vec<String>,
}

impl ErasureLine {
    pub(super) fn of(receipt: &Receipt) -> Self {
        Self {
            receipt_id: receipt.receipt_id,
            contact_id: receipt.contact_id,
            reason: receipt.reason,
            delete_time: written(receipt.delete_time),
            merged_contact_ids: receipt.merged_contact_ids.clone(),
            hashed_keys: receipt.hashed_keys.iter().map(|key| key.as_str().to_owned()).collect(),
        }
    }

    pub(super) fn decode(self, keyring: &Keyring) -> Decoded<Receipt> {
        let hashed_keys = self.hashed_keys.into_iter().map(|key| hashed_key(key, keyring));
        Ok(Receipt {
            receipt_id: self.receipt_id,
            contact_id: self.contact_id,
            reason: self.reason,
            delete_time: time(&self.delete_time)?,
            merged_contact_ids: self.merged_contact_ids,
            hashed_keys: hashed_keys.collect::<Decoded<_>>()?,
        })
    }
}

/// A record of something that a webhook said, see [`WebhookRecord`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WebhookLine {
    record_id: Uuid,
    time: String,
}

impl WebhookLine {
    pub(super) fn of(record: &WebhookRecord) -> Self {
        Self { record_id: record.record_id, time: written(record.time) }
    }

    pub(super) fn decode(&self) -> Decoded<WebhookRecord> {
        Ok(WebhookRecord { record_id: self.record_id, time: time(&self.time)? })
    }
}
