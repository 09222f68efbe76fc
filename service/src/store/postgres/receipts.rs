//! SQL of the receipts of erasures.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::session::PostgresSession;
use super::values::{row_limit, texts};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::store::common::{micros, receipt};
use crate::store::{Receipt, ReceiptReader, ReceiptWriter, Workspace};

#[async_trait]
impl ReceiptReader for PostgresSession {
    async fn receipts(&mut self, workspace: &Workspace, contact_id: Uuid) -> Result<Vec<Receipt>> {
        let query = sqlx::query(
            "SELECT receipt_id, contact_id, reason, delete_time, merged_contact_ids, hashed_keys
             FROM deletion_receipt
             WHERE workspace_id = $1 AND contact_id = $2 ORDER BY receipt_id",
        );
        let query = query.bind(&workspace.workspace_id).bind(contact_id);
        Ok(self.fetch_all(query).await?.iter().map(decode).collect())
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
             WHERE workspace_id = $1 AND receipt_id > $2 AND delete_time >= $3
             ORDER BY receipt_id LIMIT $4",
        )
        .bind(&workspace.workspace_id)
        .bind(after)
        .bind(micros(since))
        .bind(row_limit(limit));
        Ok(self.fetch_all(query).await?.iter().map(decode).collect())
    }
}

#[async_trait]
impl ReceiptWriter for PostgresSession {
    async fn insert_receipt(&mut self, workspace: &Workspace, receipt: &Receipt) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO deletion_receipt (workspace_id, receipt_id, contact_id, reason,
                 delete_time, merged_contact_ids, hashed_keys)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&workspace.workspace_id)
        .bind(receipt.receipt_id)
        .bind(receipt.contact_id)
        .bind(receipt.reason)
        .bind(micros(receipt.delete_time))
        .bind(&receipt.merged_contact_ids)
        .bind(texts(&receipt.hashed_keys));
        self.execute(query).await?;
        Ok(())
    }
}

fn decode(row: &PgRow) -> Receipt {
    receipt(row, row.get(4), row.get(5))
}
