//! SQL of what is remembered of webhooks.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row, Sqlite};
use uuid::Uuid;

use super::session::{ROWS, SqliteSession};
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
}

#[async_trait]
impl WebhookWriter for SqliteSession {
    async fn add_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()> {
        self.execute_all(records.chunks(ROWS).map(|records| insert(workspace, records))).await
    }

    async fn set_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()> {
        let statements = records.chunks(ROWS).map(|records| {
            let mut sql = insert(workspace, records);
            sql.push(" ON CONFLICT DO UPDATE SET time = max(time, excluded.time)");
            sql
        });
        self.execute_all(statements).await
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

fn insert(workspace: &Workspace, records: &[WebhookRecord]) -> QueryBuilder<Sqlite> {
    let mut sql =
        QueryBuilder::<Sqlite>::new("INSERT INTO webhook_record (workspace_key, record_id, time) ");
    sql.push_values(records, |mut values, record| {
        values
            .push_bind(workspace.row_key)
            .push_bind(record.record_id)
            .push_bind(micros(record.time));
    });
    sql
}
