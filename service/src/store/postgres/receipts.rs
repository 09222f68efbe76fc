//! SQL of the proofs of erasures.

use sqlx::PgConnection;
use uuid::Uuid;

use super::ids::Id;
use super::{failure, micros, time};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{Receipt, Workspace};

pub(super) async fn insert(
    db: &mut PgConnection,
    workspace: &Workspace,
    receipt: &Receipt,
) -> Result<()> {
    let merged: Vec<_> = receipt.merged_contact_ids.iter().copied().map(Id).collect();
    let keys: Vec<_> = receipt.hashed_keys.iter().map(MatchKey::as_str).collect();
    sqlx::query(
        "INSERT INTO deletion_receipt (workspace_id, receipt_id, contact_id, reason, delete_time,
             merged_contact_ids, hashed_keys)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&workspace.workspace_id)
    .bind(Id(receipt.receipt_id))
    .bind(Id(receipt.contact_id))
    .bind(receipt.reason)
    .bind(micros(receipt.delete_time))
    .bind(merged)
    .bind(keys)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn of_contact(
    db: &mut PgConnection,
    workspace: &Workspace,
    contact_id: Uuid,
) -> Result<Vec<Receipt>> {
    let rows = sqlx::query_as(
        "SELECT receipt_id, contact_id, reason, delete_time, merged_contact_ids, hashed_keys
         FROM deletion_receipt
         WHERE workspace_id = $1 AND contact_id = $2 ORDER BY receipt_id",
    )
    .bind(&workspace.workspace_id)
    .bind(Id(contact_id))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.into_iter().map(decode).collect())
}

pub(super) async fn since(
    db: &mut PgConnection,
    workspace: &Workspace,
    since: Time,
    after: Uuid,
    limit: usize,
) -> Result<Vec<Receipt>> {
    let rows = sqlx::query_as(
        "SELECT receipt_id, contact_id, reason, delete_time, merged_contact_ids, hashed_keys
         FROM deletion_receipt
         WHERE workspace_id = $1 AND receipt_id > $2 AND delete_time >= $3
         ORDER BY receipt_id LIMIT $4",
    )
    .bind(&workspace.workspace_id)
    .bind(Id(after))
    .bind(micros(since))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.into_iter().map(decode).collect())
}

type Row = (Id, Id, i32, i64, Option<Vec<Id>>, Option<Vec<String>>);

fn decode((Id(receipt_id), Id(contact_id), reason, delete_time, merged, keys): Row) -> Receipt {
    Receipt {
        receipt_id,
        contact_id,
        reason,
        delete_time: time(delete_time),
        merged_contact_ids: merged.unwrap_or_default().into_iter().map(|Id(id)| id).collect(),
        hashed_keys: keys.unwrap_or_default().into_iter().map(MatchKey::from_stored).collect(),
    }
}
