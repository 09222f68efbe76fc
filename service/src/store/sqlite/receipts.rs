//! SQL of the proofs of erasures.

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::contacts::{json, uuid};
use super::{failure, micros, time};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::{Receipt, Workspace, parse_id};

pub(super) async fn insert(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    receipt: &Receipt,
) -> Result<()> {
    let merged: Vec<_> = receipt.merged_contact_ids.iter().map(Uuid::to_string).collect();
    let keys: Vec<_> = receipt.hashed_keys.iter().map(MatchKey::as_str).collect();
    sqlx::query(
        "INSERT INTO deletion_receipt (workspace_key, receipt_id, contact_id, reason, delete_time,
             merged_contact_ids, hashed_keys)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(workspace.row_key)
    .bind(receipt.receipt_id.as_bytes().as_slice())
    .bind(receipt.contact_id.as_bytes().as_slice())
    .bind(receipt.reason)
    .bind(micros(receipt.delete_time))
    .bind(json(&merged)?)
    .bind(json(&keys)?)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn of_contact(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    contact_id: Uuid,
) -> Result<Vec<Receipt>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT receipt_id, contact_id, reason, delete_time, merged_contact_ids, hashed_keys
         FROM deletion_receipt
         WHERE workspace_key = ? AND contact_id = ? ORDER BY receipt_id",
    )
    .bind(workspace.row_key)
    .bind(contact_id.as_bytes().as_slice())
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.into_iter().map(decode).collect()
}

pub(super) async fn since(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    since: Time,
    after: Uuid,
    limit: usize,
) -> Result<Vec<Receipt>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT receipt_id, contact_id, reason, delete_time, merged_contact_ids, hashed_keys
         FROM deletion_receipt
         WHERE workspace_key = ? AND receipt_id > ? AND delete_time >= ?
         ORDER BY receipt_id LIMIT ?",
    )
    .bind(workspace.row_key)
    .bind(after.as_bytes().as_slice())
    .bind(micros(since))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.into_iter().map(decode).collect()
}

type Row = (Vec<u8>, Vec<u8>, i32, i64, Option<String>, Option<String>);

fn decode((id, contact_id, reason, delete_time, merged, keys): Row) -> Result<Receipt> {
    let merged_id = |id: String| {
        parse_id(&id).ok_or_else(|| Error::internal("a receipt's merged contact id is not one"))
    };
    Ok(Receipt {
        receipt_id: uuid(&id)?,
        contact_id: uuid(&contact_id)?,
        reason,
        delete_time: time(delete_time),
        merged_contact_ids: list(merged)?.into_iter().map(merged_id).collect::<Result<_>>()?,
        hashed_keys: list(keys)?.into_iter().map(MatchKey::from_stored).collect(),
    })
}

fn list(json: Option<String>) -> Result<Vec<String>> {
    json.map_or(Ok(Vec::new()), |json| serde_json::from_str(&json).map_err(Error::internal))
}
