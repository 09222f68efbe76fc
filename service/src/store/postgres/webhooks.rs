//! SQL of what is remembered of webhooks.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::session::PostgresSession;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::error::Result;
use crate::store::common::{micros, time};
use crate::store::{WebhookReader, WebhookRecord, WebhookWriter, Workspace};

#[async_trait]
impl WebhookReader for PostgresSession {
    async fn webhook_records(
        &mut self,
        workspace: &Workspace,
        record_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Time>> {
        let query = sqlx::query(
            "SELECT record_id, time FROM webhook_record
             WHERE workspace_id = $1 AND record_id = ANY($2)",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id).bind(record_ids)).await?;
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
             WHERE workspace_id = $1 AND record_id > $2 ORDER BY record_id LIMIT $3",
        );
        let query = query.bind(&workspace.workspace_id).bind(after).bind(row_limit(limit));
        let record = |row: &PgRow| WebhookRecord { record_id: row.get(0), time: time(row.get(1)) };
        Ok(self.fetch_all(query).await?.iter().map(record).collect())
    }
}

#[async_trait]
impl WebhookWriter for PostgresSession {
    async fn add_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()> {
        // Waits for another transaction that adds the same record, and fails if that commits.
        let (ids, times) = columns(records);
        let query = sqlx::query(
            "INSERT INTO webhook_record (workspace_id, record_id, time)
             SELECT w.workspace_id, r.record_id, r.time FROM workspace AS w
             CROSS JOIN unnest($2::uuid[], $3::bigint[]) AS r (record_id, time)
             WHERE w.workspace_id = $1",
        );
        let query = query.bind(&workspace.workspace_id).bind(ids).bind(times);
        self.execute_exactly(query, records.len()).await
    }

    async fn set_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()> {
        let (ids, times) = columns(records);
        let query = sqlx::query(
            "INSERT INTO webhook_record (workspace_id, record_id, time)
             SELECT w.workspace_id, r.record_id, r.time FROM workspace AS w
             CROSS JOIN unnest($2::uuid[], $3::bigint[]) AS r (record_id, time)
             WHERE w.workspace_id = $1
             ON CONFLICT (workspace_id, record_id) DO UPDATE SET
                 time = greatest(webhook_record.time, excluded.time)",
        );
        let query = query.bind(&workspace.workspace_id).bind(ids).bind(times);
        self.execute_exactly(query, records.len()).await
    }

    async fn delete_webhook_records(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        let query = sqlx::query(
            "DELETE FROM webhook_record
             WHERE workspace_id = $1 AND record_id = ANY (ARRAY(
                 SELECT record_id FROM webhook_record
                 WHERE workspace_id = $1 AND time < $2
                 ORDER BY time LIMIT $3 FOR UPDATE SKIP LOCKED))",
        );
        let query = query.bind(&workspace.workspace_id).bind(micros(before)).bind(row_limit(limit));
        self.execute(query).await
    }
}

fn columns(records: &[WebhookRecord]) -> (Vec<Uuid>, Vec<i64>) {
    records.iter().map(|record| (record.record_id, micros(record.time))).unzip()
}
