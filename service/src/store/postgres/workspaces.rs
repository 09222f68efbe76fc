//! SQL of workspaces.

use std::time::Instant;

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::consent::{WORKSPACE_KEY, workspace_entry};
use super::session::PostgresSession;
use super::usage::UsageChanges;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::consent::PolicyPeriod;
use crate::domain::error::Result;
use crate::domain::ledger::Head;
use crate::store::common::{head, micros, policy_period, stop_words, workspace};
use crate::store::policy::encode_policy;
use crate::store::{Lock, Purged, Workspace, WorkspaceReader, WorkspaceWriter, random};

/// The row key, which Postgres does not use: its tables have the workspace_id.
const NO_ROW_KEY: i64 = 0;

/// The columns that [`workspace`] reads.
macro_rules! columns {
    () => {
        "workspace_id, display_name, create_time, consent_revision, token_key, ledger_length,
         ledger_hash, stop_words, opt_in_policy"
    };
}

#[async_trait]
impl WorkspaceReader for PostgresSession {
    async fn workspace(&mut self, workspace_id: &str) -> Result<Option<Workspace>> {
        self.confine(workspace_id).await?;
        let query =
            sqlx::query(concat!("SELECT ", columns!(), " FROM workspace WHERE workspace_id = $1"));
        let row = self.fetch_optional(query.bind(workspace_id)).await?;
        row.map(|row| workspace(&row, NO_ROW_KEY)).transpose()
    }

    async fn enter(&mut self, workspace: &Workspace) -> Result<()> {
        self.confine(&workspace.workspace_id).await
    }

    async fn workspace_ids(&mut self, after: &str, limit: usize) -> Result<Vec<String>> {
        self.reach_lists().await?;
        let query = sqlx::query(
            "SELECT workspace_id FROM workspace_list WHERE workspace_id > $1
             ORDER BY workspace_id LIMIT $2",
        );
        let rows = self.fetch_all(query.bind(after).bind(row_limit(limit))).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn is_listed(&mut self, workspace_id: &str) -> Result<bool> {
        self.confine(workspace_id).await?;
        let query = sqlx::query("SELECT FROM workspace_list WHERE workspace_id = $1");
        Ok(self.fetch_optional(query.bind(workspace_id)).await?.is_some())
    }

    async fn deleted_workspaces(&mut self) -> Result<Vec<i64>> {
        Ok(Vec::new())
    }

    async fn workspaces(&mut self, after: &str, limit: usize) -> Result<Vec<Workspace>> {
        self.reach_lists().await?;
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM workspace WHERE workspace_id > $1 ORDER BY workspace_id LIMIT $2"
        ));
        let rows = self.fetch_all(query.bind(after).bind(row_limit(limit))).await?;
        rows.iter().map(|row| workspace(row, NO_ROW_KEY)).collect()
    }

    async fn opt_in_policies(&mut self, workspace: &Workspace) -> Result<Vec<PolicyPeriod>> {
        let query = sqlx::query(
            "SELECT begin_time, policy FROM opt_in_policy WHERE workspace_id = $1
             ORDER BY begin_time DESC",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id)).await?;
        rows.iter().map(policy_period).collect()
    }
}

#[async_trait]
impl WorkspaceWriter for PostgresSession {
    async fn lock_workspace(
        &mut self,
        workspace_id: &str,
        lock: Lock,
    ) -> Result<Option<Workspace>> {
        self.confine(workspace_id).await?;
        let query = sqlx::query(match lock {
            // Compatible with itself and with an update of the consent revision,
            // which is not a key column. Not with FOR UPDATE.
            Lock::Shared => {
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM workspace WHERE workspace_id = $1 FOR KEY SHARE"
                )
            }
            Lock::Exclusive => {
                concat!("SELECT ", columns!(), " FROM workspace WHERE workspace_id = $1 FOR UPDATE")
            }
        });
        let row = self.fetch_optional(query.bind(workspace_id)).await?;
        row.map(|row| workspace(&row, NO_ROW_KEY)).transpose()
    }

    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<bool> {
        self.confine(&workspace.workspace_id).await?;
        let query = sqlx::query(
            "INSERT INTO workspace
                 (workspace_id, display_name, create_time, consent_revision, consent_stamp,
                  token_key,
                  ledger_length, ledger_hash, stop_words, opt_in_policy)
             VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(&workspace.workspace_id)
        .bind(&workspace.display_name)
        .bind(micros(workspace.create_time))
        .bind(workspace.consent_revision)
        .bind(workspace.token_key.as_slice())
        .bind(workspace.ledger.length)
        .bind(workspace.ledger.hash.as_slice())
        .bind(stop_words(workspace))
        .bind(encode_policy(&workspace.settings.opt_in_policy));
        if self.execute(query).await? == 0 {
            return Ok(false);
        }
        let query = sqlx::query(
            "INSERT INTO consent (workspace_id, match_key, contact_id, identity_id, is_former,
                 consent, revision)
             VALUES ($1, $2, $3, $3, false, $4, 0)",
        );
        let query = query.bind(&workspace.workspace_id).bind(WORKSPACE_KEY).bind(Uuid::nil());
        self.execute(query.bind(workspace_entry(workspace))).await?;
        let query = sqlx::query("INSERT INTO workspace_list (workspace_id) VALUES ($1)");
        self.execute(query.bind(&workspace.workspace_id)).await?;
        Ok(true)
    }

    async fn update_workspace(&mut self, workspace: &Workspace) -> Result<()> {
        let query = sqlx::query(
            "UPDATE workspace SET display_name = $1, stop_words = $2, opt_in_policy = $3
             WHERE workspace_id = $4",
        )
        .bind(&workspace.display_name)
        .bind(stop_words(workspace))
        .bind(encode_policy(&workspace.settings.opt_in_policy))
        .bind(&workspace.workspace_id);
        self.execute(query).await?;
        let query = sqlx::query(
            "UPDATE consent SET consent = $3 WHERE workspace_id = $1 AND match_key = $2",
        );
        let query = query.bind(&workspace.workspace_id).bind(WORKSPACE_KEY);
        self.execute_exactly(query.bind(workspace_entry(workspace)), 1).await
    }

    async fn add_opt_in_policy(
        &mut self,
        workspace: &Workspace,
        period: &PolicyPeriod,
        keep_from: Option<Time>,
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO opt_in_policy (workspace_id, begin_time, policy) VALUES ($1, $2, $3)",
        )
        .bind(&workspace.workspace_id)
        .bind(micros(period.begin_time))
        .bind(encode_policy(&period.policy));
        self.execute(query).await?;
        if let Some(keep_from) = keep_from {
            let query = sqlx::query(
                "DELETE FROM opt_in_policy WHERE workspace_id = $1 AND begin_time < $2",
            );
            self.execute(query.bind(&workspace.workspace_id).bind(micros(keep_from))).await?;
        }
        Ok(())
    }

    async fn delete_workspace(&mut self, workspace: &Workspace, _rows: usize) -> Result<Purged> {
        self.usage = UsageChanges::default();
        // The only write without a time limit: the more contacts, the longer.
        let db = self.unwatched();
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *db).await?;
        let mut deleted = Vec::new();
        for sql in [
            "DELETE FROM contact WHERE workspace_id = $1",
            "DELETE FROM usage_count WHERE workspace_id = $1",
            "DELETE FROM contact_redirect WHERE workspace_id = $1",
            "DELETE FROM external_id WHERE workspace_id = $1",
            "DELETE FROM consent WHERE workspace_id = $1",
            "DELETE FROM consent_change WHERE workspace_id = $1",
            "DELETE FROM opt_in_event_subject WHERE workspace_id = $1",
            "DELETE FROM opt_in_event_pointer WHERE workspace_id = $1",
            "DELETE FROM opt_in_event_detail_pack WHERE workspace_id = $1",
            "DELETE FROM opt_in_event_pack WHERE workspace_id = $1",
            "DELETE FROM deletion_receipt WHERE workspace_id = $1",
            "DELETE FROM stored_response WHERE workspace_id = $1",
            "DELETE FROM webhook_record WHERE workspace_id = $1",
            "DELETE FROM suppression_key WHERE workspace_id = $1",
            "DELETE FROM opt_in_policy WHERE workspace_id = $1",
            "DELETE FROM tag WHERE workspace_id = $1",
            "DELETE FROM attribute WHERE workspace_id = $1",
            "DELETE FROM workspace WHERE workspace_id = $1",
            "DELETE FROM workspace_list WHERE workspace_id = $1",
        ] {
            let query = sqlx::query(sql).bind(&workspace.workspace_id);
            deleted.push(query.execute(&mut *db).await?.rows_affected());
        }
        // Contacts are deleted first.
        let contacts = i64::try_from(deleted[0]).unwrap_or(i64::MAX);
        Ok(Purged { contacts, is_done: true })
    }

    async fn purge_workspace(&mut self, _row_key: i64, _rows: usize) -> Result<Purged> {
        Ok(Purged { contacts: 0, is_done: true })
    }

    async fn next_consent_revision(&mut self, workspace: &Workspace) -> Result<(i64, Head)> {
        let query = sqlx::query(
            "UPDATE workspace SET consent_revision = consent_revision + 1, consent_stamp = $2
             WHERE workspace_id = $1 RETURNING consent_revision, ledger_length, ledger_hash",
        );
        let stamp = i64::from_le_bytes(random()?);
        let began = Instant::now();
        let row = self.fetch_one(query.bind(&workspace.workspace_id).bind(stamp)).await?;
        self.waited += began.elapsed();
        self.locked_workspace = Some(Instant::now());
        self.changed_consent.set_revision(workspace, (row.get(0), stamp));
        Ok((row.get(0), head(&workspace.workspace_id, row.get(1), row.get(2))?))
    }
}

/// Writes the end of the ledger.
pub(super) async fn set_ledger_head(
    db: &mut PostgresSession,
    workspace: &Workspace,
    head: &Head,
) -> Result<()> {
    let query = sqlx::query(
        "UPDATE workspace SET ledger_length = $2, ledger_hash = $3 WHERE workspace_id = $1",
    );
    let query = query.bind(&workspace.workspace_id).bind(head.length).bind(head.hash.as_slice());
    db.execute(query).await?;
    Ok(())
}
