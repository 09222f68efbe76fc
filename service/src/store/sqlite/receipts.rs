//! SQL of the receipts of erasures.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::session::SqliteSession;
use super::values::{json, row_limit};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::common::{micros, receipt};
use crate::store::{Receipt, ReceiptReader, ReceiptWriter, Workspace};

#[async_trait]
impl ReceiptReader for SqliteSession {
    async fn receipts(&mut self, workspace: &Workspace, contact_id: Uuid) -> Result<Vec<Receipt>> {
        let query = sqlx::query(
            "SELECT receipt_id, contact_id, reason, delete_time, merged_contact_ids, hashed_keys
             FROM deletion_receipt
             WHERE workspace_key = ? AND contact_id = ? ORDER BY receipt_id",
        );
        let rows = self.fetch_all(query.bind(workspace.row_key).bind(contact_id)).await?;
        rows.iter().map(decode).collect()
    }

    async fn receipts_since(
        &mut self,
        workspace: &Workspace,
        since: Time,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<Receipt>> {
        let query = sqlx::query(
            "SELECT receipt_id, contact_id, reason, delete_time, merged_contact_ids, hashed_keys
             FROM deletion_receipt
             WHERE workspace_key = ? AND receipt_id > ? AND delete_time >= ?
             ORDER BY receipt_id LIMIT ?",
        )
        .bind(workspace.row_key)
        .bind(after)
        .bind(micros(since))
        .bind(row_limit(limit));
        self.fetch_all(query).await?.iter().map(decode).collect()
    }
}

#[async_trait]
impl ReceiptWriter for SqliteSession {
    async fn insert_receipt(&mut self, workspace: &Workspace, receipt: &Receipt) -> Result<()> {
        let keys: Vec<_> = receipt.hashed_keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(
            "INSERT INTO deletion_receipt (workspace_key, receipt_id, contact_id, reason,
                 delete_time, merged_contact_ids, hashed_keys)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(workspace.row_key)
        .bind(receipt.receipt_id)
        .bind(receipt.contact_id)
        .bind(receipt.reason)
        .bind(micros(receipt.delete_time))
        .bind(json(&texts(&receipt.merged_contact_ids))?)
        .bind(json(&keys)?);
        self.execute(query).await?;
        Ok(())
    }
}

fn texts(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(Uuid::to_string).collect()
}

fn decode(row: &SqliteRow) -> Result<Receipt> {
    let list = |at: usize| -> Result<Vec<String>> {
        serde_json::from_str(row.get(at)).map_err(Error::internal)
    };
    let merged = list(4)?;
    let merged = merged.iter().map(|id| Uuid::try_parse(id).map_err(Error::internal));
    Ok(receipt(row, merged.collect::<Result<_>>()?, list(5)?))
}
