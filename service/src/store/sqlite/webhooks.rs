//! SQL of what is remembered of webhooks.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::in_place::Values;
use super::session::SqliteSession;
use super::values::{json, row_limit};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::store::common::{micros, time};
use crate::store::{WebhookReader, WebhookRecord, WebhookWriter, Workspace};

#[async_trait]
impl WebhookReader for SqliteSession {
    async fn webhook_records(
        &mut self,
        workspace: &Workspace,
        record_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Time>> {
        let ids: Vec<_> = record_ids.iter().map(|id| id.simple().to_string()).collect();
        let query = sqlx::query(
            "SELECT r.record_id, r.time FROM json_each(?) AS asked
             CROSS JOIN webhook_record AS r
             ON r.workspace_key = ? AND r.record_id = unhex(asked.value)",
        );
        let rows = self.fetch_all(query.bind(json(&ids)?).bind(workspace.row_key)).await?;
        Ok(rows.iter().map(|row| (row.get(0), time(row.get(1)))).collect())
    }

    async fn webhook_record_page(
        &mut self,
        workspace: &Workspace,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<WebhookRecord>> {
        let query = sqlx::query(
            "SELECT record_id, time FROM webhook_record
             WHERE workspace_key = ? AND record_id > ? ORDER BY record_id LIMIT ?",
        );
        let query = query.bind(workspace.row_key).bind(after).bind(row_limit(limit));
        let record =
            |row: &SqliteRow| WebhookRecord { record_id: row.get(0), time: time(row.get(1)) };
        Ok(self.fetch_all(query).await?.iter().map(record).collect())
    }
}

macro_rules! insert {
    () => {
        "INSERT INTO webhook_record (workspace_key, record_id, time) VALUES (?, ?, ?)"
    };
}

#[async_trait]
impl WebhookWriter for SqliteSession {
    async fn add_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()> {
        let sql = insert!();
        self.for_each(sql, records, |values, record| bind(values, workspace, record)).await
    }

    async fn set_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()> {
        let sql = concat!(insert!(), " ON CONFLICT DO UPDATE SET time = max(time, excluded.time)");
        self.for_each(sql, records, |values, record| bind(values, workspace, record)).await
    }

    async fn delete_webhook_records(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        let query = sqlx::query(
            "DELETE FROM webhook_record
             WHERE workspace_key = ?1 AND record_id IN (
                 SELECT record_id FROM webhook_record
                 WHERE workspace_key = ?1 AND time < ?2 LIMIT ?3)",
        );
        self.execute(query.bind(workspace.row_key).bind(micros(before)).bind(row_limit(limit)))
            .await
    }
}

fn bind(
    values: &mut Values<'_, '_>,
    workspace: &Workspace,
    record: &WebhookRecord,
) -> rusqlite::Result<()> {
    values
        .bind(workspace.row_key)?
        .bind(record.record_id.as_bytes().as_slice())?
        .bind(micros(record.time))
        .map(drop)
}
