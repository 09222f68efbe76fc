//! Rows that have the same columns on every engine. The comment of each function
//! lists the columns that a statement has to select, in order.

use bytes::Bytes;
use chrono::TimeDelta;
use sqlx::{ColumnIndex, Decode, Row, Type};
use uuid::Uuid;

use super::{Columns, ConsentColumns, consent_summary, time};
use crate::domain::access::{ApiToken, Scope, Scopes, TokenHash, TokenWorkspaces};
use crate::domain::attribute::{AttributeDefinition, AttributeType};
use crate::domain::consent::{IdentityConsent, IdentityId, PolicyPeriod};
use crate::domain::error::{Error, Result};
use crate::domain::keyring::KeyId;
use crate::domain::ledger::Head;
use crate::domain::phone::MatchKey;
use crate::domain::tag::Tag;
use crate::domain::workspace::WorkspaceSettings;
use crate::store::consent_changes::decode_tags;
use crate::store::policy::decode_policy;
use crate::store::{
    CheckRow, ConsentChange, ConsentRow, ContactColumns, Receipt, StoredResponse,
    StoredResponseInfo, Validity, Workspace,
};

/// `workspace_id`, `display_name`, `create_time`, `consent_revision`,
/// `token_key`, `ledger_length`, `ledger_hash`, `stop_words`, `opt_in_policy`.
pub(in crate::store) fn workspace(row: &impl Columns, row_key: i64) -> Result<Workspace> {
    Ok(Workspace {
        workspace_id: row.string(0),
        display_name: row.string(1),
        create_time: row.time(2),
        consent_revision: row.int(3),
        settings: WorkspaceSettings {
            stop_words: row.text(7).lines().map(str::to_owned).collect(),
            opt_in_policy: decode_policy(row.bytes(8))?,
        },
        ledger: head(row.text(0), row.int(5), row.bytes(6))?,
        token_key: row
            .bytes(4)
            .try_into()
            .map_err(|_| Error::internal("a workspace's token key is not 32 bytes"))?,
        row_key,
    })
}

/// How `stop_words` are stored: one a line. None of them has a line break.
pub(in crate::store) fn stop_words(workspace: &Workspace) -> String {
    workspace.settings.stop_words.join("\n")
}

/// `token_id`, `hash`, `name`, `scopes`, `workspaces`, `create_time`, `expire_time`,
/// `revoke_time`, `created_by`.
pub(in crate::store) fn api_token(row: &impl Columns) -> Result<ApiToken> {
    // One that only a newer version knows permits nothing here.
    let scope = |name: &str| name.parse::<Scope>().ok();
    let hash = row.bytes(1).try_into();
    Ok(ApiToken {
        token_id: row.id(0),
        hash: TokenHash(hash.map_err(|_| Error::internal("a token's hash is not 32 bytes"))?),
        name: row.string(2),
        scopes: row.text(3).lines().filter_map(scope).collect::<Scopes>(),
        workspaces: match row.text(4) {
            ALL_WORKSPACES => TokenWorkspaces::All,
            ids => TokenWorkspaces::only(ids.lines().map(str::to_owned).collect()),
        },
        create_time: row.time(5),
        expire_time: row.optional_time(6),
        revoke_time: row.optional_time(7),
        created_by: row.optional_id(8),
    })
}

/// Stands for all workspaces of a token. No workspace has it for its id.
const ALL_WORKSPACES: &str = "*";

/// How the scopes of a token are stored.
pub(in crate::store) fn scope_lines(token: &ApiToken) -> String {
    token.scopes.iter().map(Scope::name).collect::<Vec<_>>().join("\n")
}

/// How the workspaces of a token are stored.
pub(in crate::store) fn workspace_lines(token: &ApiToken) -> String {
    match &token.workspaces {
        TokenWorkspaces::All => ALL_WORKSPACES.to_owned(),
        TokenWorkspaces::Only(ids) => ids.join("\n"),
    }
}

/// `begin_time`, `policy`.
pub(in crate::store) fn policy_period(row: &impl Columns) -> Result<PolicyPeriod> {
    Ok(PolicyPeriod { begin_time: row.time(0), policy: decode_policy(row.bytes(1))? })
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

/// `opt_in_policy`, `token_key`, `consent_revision`, `consent_stamp`, from this column on.
pub(in crate::store) fn validity(row: &impl Columns, at: usize) -> Result<Validity> {
    let incarnation = row.bytes(at + 1).try_into();
    Ok(Validity {
        incarnation: incarnation.map_err(|_| Error::internal("a token key is not 32 bytes"))?,
        revision: row.int(at + 2),
        stamp: row.int(at + 3),
        max_ages: decode_policy(row.bytes(at))?.max_ages(),
    })
}

/// `revision`, `stamp`, `change_time`, `key_version`, `tags`.
pub(in crate::store) fn consent_change(row: &impl Columns) -> Result<ConsentChange> {
    Ok(ConsentChange {
        revision: row.int(0),
        stamp: row.int(1),
        change_time: row.time(2),
        key_version: u32::try_from(row.int32(3)).map_err(Error::internal)?,
        tags: decode_tags(row.bytes(4)),
    })
}

/// `match_key`, `contact_id`, `identity_id`, `is_former`, `consent`, `update_time`,
/// `revision`.
pub(in crate::store) fn consent_row(row: &impl Columns) -> Result<ConsentRow> {
    let CheckRow { identity_id, contact_id, is_former, consent, .. } = check_row(row, [None; 3])?;
    Ok(ConsentRow {
        match_key: MatchKey::from_stored(row.string(0)),
        identity_id,
        contact_id,
        is_former,
        consent,
        update_time: row.optional_time(5),
        revision: row.int(6),
    })
}

/// As for [`consent_row`], without the last two.
pub(in crate::store) fn check_row(
    row: &impl Columns,
    max_ages: [Option<TimeDelta>; 3],
) -> Result<CheckRow> {
    let identity_id = IdentityId(row.id(2));
    let consent = IdentityConsent::decode(identity_id, row.bytes(4));
    Ok(CheckRow {
        identity_id,
        contact_id: row.optional_id(1),
        is_former: row.flag(3),
        consent: consent.map_err(Error::internal)?,
        max_ages,
    })
}

/// Of each category state, time, expiry and what its age counts from; `opt_in_update_time`,
/// `phone_number`, `email`, `first_name`, `last_name`, `create_time`, `update_time`. A value of
/// another type, which SQLite allows, is read as none.
pub(in crate::store) fn contact_columns<'r, R>(row: &'r R) -> ContactColumns
where
    R: Row,
    usize: ColumnIndex<R>,
    i16: Decode<'r, R::Database> + Type<R::Database>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    let int = |at: usize| row.try_get::<Option<i64>, _>(at).ok().flatten();
    let consent = || {
        let mut categories = [ConsentColumns::default(); 3];
        for (category, at) in categories.iter_mut().zip([0, 4, 8]) {
            *category = ConsentColumns {
                code: row.try_get(at).ok()?,
                time: int(at + 1),
                expire_time: int(at + 2),
                counted_from: int(at + 3),
            };
        }
        consent_summary(categories, int(12).map(time)).ok()
    };
    ContactColumns {
        consent: consent(),
        texts: [13, 14, 15, 16].map(|at| row.try_get(at).unwrap_or_default()),
        times: [17, 18].map(|at| int(at).unwrap_or_default()),
    }
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
