//! SQL of workspaces.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::purge;
use super::session::SqliteSession;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::consent::PolicyPeriod;
use crate::domain::error::Result;
use crate::domain::ledger::Head;
use crate::store::common::{head, micros, policy_period, stop_words, workspace};
use crate::store::policy::encode_policy;
use crate::store::{Lock, Purged, Workspace, WorkspaceReader, WorkspaceWriter, random};

/// The columns that [`workspace`] reads, and the row key.
macro_rules! columns {
    () => {
        "workspace_id, display_name, create_time, consent_revision, token_key, ledger_length,
         ledger_hash, stop_words, opt_in_policy, workspace_key"
    };
}

#[async_trait]
impl WorkspaceReader for SqliteSession {
    async fn workspace(&mut self, workspace_id: &str) -> Result<Option<Workspace>> {
        let query =
            sqlx::query(concat!("SELECT ", columns!(), " FROM workspace WHERE workspace_id = ?"));
        let row = self.fetch_optional(query.bind(workspace_id)).await?;
        row.as_ref().map(decode).transpose()
    }

    async fn enter(&mut self, _workspace: &Workspace) -> Result<()> {
        Ok(())
    }

    async fn workspace_ids(&mut self, after: &str, limit: usize) -> Result<Vec<String>> {
        let query = sqlx::query(
            "SELECT workspace_id FROM workspace WHERE workspace_id > ? AND workspace_id < ?
             ORDER BY workspace_id LIMIT ?",
        );
        let query = query.bind(after).bind(purge::DELETED).bind(row_limit(limit));
        Ok(self.fetch_all(query).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn deleted_workspaces(&mut self) -> Result<Vec<i64>> {
        let query = sqlx::query("SELECT workspace_key FROM workspace WHERE workspace_id >= ?");
        Ok(self.fetch_all(query.bind(purge::DELETED)).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn is_listed(&mut self, workspace_id: &str) -> Result<bool> {
        let query = sqlx::query("SELECT 1 FROM workspace WHERE workspace_id = ?");
        Ok(self.fetch_optional(query.bind(workspace_id)).await?.is_some())
    }

    async fn workspaces(&mut self, after: &str, limit: usize) -> Result<Vec<Workspace>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM workspace WHERE workspace_id > ? AND workspace_id < ?
              ORDER BY workspace_id LIMIT ?"
        ));
        let query = query.bind(after).bind(purge::DELETED).bind(row_limit(limit));
        self.fetch_all(query).await?.iter().map(decode).collect()
    }

    async fn opt_in_policies(&mut self, workspace: &Workspace) -> Result<Vec<PolicyPeriod>> {
        let query = sqlx::query(
            "SELECT begin_time, policy FROM opt_in_policy WHERE workspace_key = ?
             ORDER BY begin_time DESC",
        );
        let rows = self.fetch_all(query.bind(workspace.row_key)).await?;
        rows.iter().map(policy_period).collect()
    }
}

fn decode(row: &SqliteRow) -> Result<Workspace> {
    workspace(row, row.get(9))
}

#[async_trait]
impl WorkspaceWriter for SqliteSession {
    async fn lock_workspace(&mut self, workspace_id: &str, _: Lock) -> Result<Option<Workspace>> {
        // Write transactions run one at a time, so nothing needs a lock.
        self.workspace(workspace_id).await
    }

    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<bool> {
        let query = sqlx::query(
            "INSERT INTO workspace
                 (workspace_id, display_name, create_time, consent_revision, consent_stamp,
                  token_key,
                  ledger_length, ledger_hash, stop_words, opt_in_policy)
             VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
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
        Ok(self.execute(query).await? == 1)
    }

    async fn update_workspace(&mut self, workspace: &Workspace) -> Result<()> {
        let query = sqlx::query(
            "UPDATE workspace SET display_name = ?, stop_words = ?, opt_in_policy = ?
             WHERE workspace_key = ?",
        )
        .bind(&workspace.display_name)
        .bind(stop_words(workspace))
        .bind(encode_policy(&workspace.settings.opt_in_policy))
        .bind(workspace.row_key);
        self.execute(query).await?;
        Ok(())
    }

    async fn add_opt_in_policy(
        &mut self,
        workspace: &Workspace,
        period: &PolicyPeriod,
        keep_from: Option<Time>,
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO opt_in_policy (workspace_key, begin_time, policy) VALUES (?, ?, ?)",
        )
        .bind(workspace.row_key)
        .bind(micros(period.begin_time))
        .bind(encode_policy(&period.policy));
        self.execute(query).await?;
        if let Some(keep_from) = keep_from {
            let query =
                sqlx::query("DELETE FROM opt_in_policy WHERE workspace_key = ? AND begin_time < ?");
            self.execute(query.bind(workspace.row_key).bind(micros(keep_from))).await?;
        }
        Ok(())
    }

    async fn delete_workspace(&mut self, workspace: &Workspace, rows: usize) -> Result<Purged> {
        let query = sqlx::query("UPDATE workspace SET workspace_id = ? WHERE workspace_key = ?");
        let name = format!("{}{}", purge::DELETED, workspace.row_key);
        self.execute(query.bind(name).bind(workspace.row_key)).await?;
        self.purge_workspace(workspace.row_key, rows).await
    }

    async fn purge_workspace(&mut self, row_key: i64, rows: usize) -> Result<Purged> {
        purge::purge(self, row_key, rows).await
    }

    async fn next_consent_revision(&mut self, workspace: &Workspace) -> Result<(i64, Head)> {
        let query = sqlx::query(
            "UPDATE workspace SET consent_revision = consent_revision + 1, consent_stamp = ?2
             WHERE workspace_key = ?1 RETURNING consent_revision, ledger_length, ledger_hash",
        );
        let stamp = i64::from_le_bytes(random()?);
        let row = self.fetch_one(query.bind(workspace.row_key).bind(stamp)).await?;
        self.changed_consent.set_revision(workspace, (row.get(0), stamp));
        Ok((row.get(0), head(&workspace.workspace_id, row.get(1), row.get(2))?))
    }
}

/// Writes the end of the ledger.
pub(super) async fn set_ledger_head(
    db: &mut SqliteSession,
    workspace: &Workspace,
    head: &Head,
) -> Result<()> {
    let query = sqlx::query(
        "UPDATE workspace SET ledger_length = ?, ledger_hash = ? WHERE workspace_key = ?",
    );
    let query = query.bind(head.length).bind(head.hash.as_slice()).bind(workspace.row_key);
    db.execute(query).await?;
    Ok(())
}
