//! Rows that have the same columns on every engine. The comment of each function
//! lists the columns that a statement has to select, in order.

use bytes::Bytes;
use uuid::Uuid;

use super::{Columns, platform};
use crate::domain::attribute::{AttributeDefinition, AttributeType};
use crate::domain::consent::{CategoryConsent, ConsentState};
use crate::domain::error::{Error, Result};
use crate::domain::keyring::KeyId;
use crate::domain::ledger::Head;
use crate::domain::phone::MatchKey;
use crate::domain::tag::Tag;
use crate::store::{CheckRow, ConsentRow, Receipt, StoredResponse, StoredResponseInfo, Workspace};

/// `workspace_id`, `display_name`, `create_time`, `consent_revision`,
/// `token_key`, `ledger_length`, `ledger_hash`.
pub(in crate::store) fn workspace(row: &impl Columns, row_key: i64) -> Result<Workspace> {
    Ok(Workspace {
        workspace_id: row.string(0),
        display_name: row.string(1),
        create_time: row.time(2),
        consent_revision: row.int(3),
        ledger: head(row.text(0), row.int(5), row.bytes(6))?,
        token_key: row
            .bytes(4)
            .try_into()
            .map_err(|_| Error::internal("a workspace's token key is not 32 bytes"))?,
        row_key,
    })
}

/// The end of a workspace's ledger. The hash of an empty ledger is not stored.
pub(in crate::store) fn head(workspace_id: &str, length: i64, hash: &[u8]) -> Result<Head> {
    match length {
        0 => Ok(Head::empty(workspace_id)),
        _ => {
            let hash = hash.try_into();
            let hash =
                hash.map_err(|_| Error::internal("a workspace's ledger hash is not 32 bytes"))?;
            Ok(Head { length, hash })
        }
    }
}

/// `tag_id`, `display_name`, `description`, `color`, `create_time`,
/// `update_time`.
pub(in crate::store) fn tag(row: &impl Columns) -> Tag {
    Tag {
        tag_id: row.string(0),
        display_name: row.string(1),
        description: row.string(2),
        color: row.string(3),
        create_time: row.time(4),
        update_time: row.time(5),
    }
}

/// `attribute_id`, `display_name`, `attribute_type`, `description`,
/// `create_time`, `update_time`.
pub(in crate::store) fn attribute(
    row: &impl Columns,
    enum_options: Vec<String>,
) -> Result<AttributeDefinition> {
    Ok(AttributeDefinition {
        attribute_id: row.string(0),
        display_name: row.string(1),
        attribute_type: AttributeType::from_name(row.text(2))
            .ok_or_else(|| Error::internal("an attribute's stored type is unknown"))?,
        enum_options,
        description: row.string(3),
        create_time: row.time(4),
        update_time: row.time(5),
    })
}

/// `match_key`, `contact_id`, `revision`, `update_time`; status, time, expiry and
/// event of marketing, utility and authentication; `platform`.
pub(in crate::store) fn consent_row(row: &impl Columns) -> Result<ConsentRow> {
    let CheckRow { contact_id, state } = check_row(row)?;
    let match_key = MatchKey::from_stored(row.string(0));
    Ok(ConsentRow { match_key, contact_id, state, revision: row.int(2) })
}

/// As for [`consent_row`].
pub(in crate::store) fn check_row(row: &impl Columns) -> Result<CheckRow> {
    let category = |at: usize| -> Result<CategoryConsent> {
        Ok(CategoryConsent {
            status: row.status(at)?,
            occurred_time: row.optional_time(at + 1),
            expire_time: row.optional_time(at + 2),
            event_id: row.optional_id(at + 3),
        })
    };
    let categories = [category(4)?, category(8)?, category(12)?];
    let platform = platform::decode(row.optional_text(16))?;
    let state = ConsentState::new(categories, platform, row.optional_time(3));
    Ok(CheckRow { contact_id: row.optional_id(1), state })
}

/// `key_version`, `fingerprint`.
pub(in crate::store) fn key_id(row: &impl Columns) -> Result<KeyId> {
    Ok(KeyId {
        version: u32::try_from(row.int32(0)).map_err(Error::internal)?,
        fingerprint: row
            .bytes(1)
            .try_into()
            .map_err(|_| Error::internal("a stored key fingerprint is not 16 bytes"))?,
    })
}

/// `receipt_id`, `contact_id`, `reason`, `delete_time`.
pub(in crate::store) fn receipt(
    row: &impl Columns,
    merged_contact_ids: Vec<Uuid>,
    hashed_keys: Vec<String>,
) -> Receipt {
    Receipt {
        receipt_id: row.id(0),
        contact_id: row.id(1),
        reason: row.int32(2),
        delete_time: row.time(3),
        merged_contact_ids,
        hashed_keys: hashed_keys.into_iter().map(MatchKey::from_stored).collect(),
    }
}

/// `fingerprint`, `response`.
pub(in crate::store) fn stored_response(row: &impl Columns) -> StoredResponse {
    let response = Bytes::copy_from_slice(row.bytes(1));
    StoredResponse { fingerprint: row.bytes(0).to_vec(), response }
}

/// `request_id`, `method`, `create_time`.
pub(in crate::store) fn stored_response_info(row: &impl Columns) -> StoredResponseInfo {
    StoredResponseInfo { request_id: row.id(0), method: row.string(1), create_time: row.time(2) }
}
