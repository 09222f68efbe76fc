//! SQL of suppressions and their keys.

use async_trait::async_trait;
use sqlx::Row;

use super::session::SqliteSession;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::consent::IdentityId;
use crate::domain::error::Result;
use crate::domain::keyring::KeyId;
use crate::domain::phone::MatchKey;
use crate::store::common::{key_id, micros};
use crate::store::{KeyLock, SuppressionReader, SuppressionWriter, Workspace};

#[async_trait]
impl SuppressionReader for SqliteSession {
    async fn suppression_keys(&mut self, workspace_id: &str) -> Result<Vec<KeyId>> {
        let query = sqlx::query(
            "SELECT key_version, fingerprint FROM suppression_key WHERE workspace_key =
                 (SELECT workspace_key FROM workspace WHERE workspace_id = ?)",
        );
        self.fetch_all(query.bind(workspace_id)).await?.iter().map(key_id).collect()
    }

    async fn suppressed_since(&mut self, _: &Workspace, _: i64) -> Result<Vec<MatchKey>> {
        // Write transactions run one at a time, so nobody else has written any.
        Ok(Vec::new())
    }

    async fn may_have_suppressions(&mut self, workspace: &Workspace) -> Result<bool> {
        // By the primary key. Other keys begin with p and u.
        let query = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM consent
                 WHERE workspace_key = ? AND match_key >= 'h' AND match_key < 'i')",
        );
        Ok(self.fetch_one(query.bind(workspace.row_key)).await?.get(0))
    }

    async fn count_suppressed(&mut self, workspace: &Workspace, version: u32) -> Result<i64> {
        let query = sqlx::query(
            "SELECT count(*) FROM consent
             WHERE workspace_key = ? AND contact_id IS NULL AND match_key LIKE ?",
        );
        let query = query.bind(workspace.row_key).bind(format!("h{version}:%"));
        Ok(self.fetch_one(query).await?.get(0))
    }
}

#[async_trait]
impl SuppressionWriter for SqliteSession {
    async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        current: KeyId,
        // Write transactions run one at a time, so nothing needs a lock.
        _: KeyLock,
    ) -> Result<Vec<KeyId>> {
        let mut keys = self.suppression_keys(&workspace.workspace_id).await?;
        if keys.iter().any(|key| key.version == current.version) {
            return Ok(keys);
        }
        let query = sqlx::query(
            "INSERT INTO suppression_key (workspace_key, key_version, fingerprint)
             VALUES (?, ?, ?)",
        )
        .bind(workspace.row_key)
        .bind(current.version)
        .bind(current.fingerprint.as_slice());
        self.execute(query).await?;
        keys.push(current);
        Ok(keys)
    }

    async fn delete_suppressions(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<Vec<IdentityId>> {
        let query = sqlx::query(
            "DELETE FROM consent
             WHERE workspace_key = ?1 AND match_key IN (
                 SELECT match_key FROM consent
                 WHERE workspace_key = ?1 AND contact_id IS NULL AND update_time < ?2 LIMIT ?3)
             RETURNING identity_id",
        );
        let query = query.bind(workspace.row_key).bind(micros(before)).bind(row_limit(limit));
        let rows = self.fetch_all(query).await?;
        Ok(rows.iter().map(|row| IdentityId(row.get(0))).collect())
    }
}
