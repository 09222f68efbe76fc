//! SQL of suppressions and their keys.

use async_trait::async_trait;
use sqlx::Row;

use super::session::PostgresSession;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::consent::IdentityId;
use crate::domain::error::{Error, Result};
use crate::domain::keyring::KeyId;
use crate::domain::phone::MatchKey;
use crate::store::common::{key_id, micros};
use crate::store::{KeyLock, SuppressionReader, SuppressionWriter, Workspace};

#[async_trait]
impl SuppressionReader for PostgresSession {
    async fn suppression_keys(&mut self, workspace_id: &str) -> Result<Vec<KeyId>> {
        self.confine(workspace_id).await?;
        let query = sqlx::query(
            "SELECT key_version, fingerprint FROM suppression_key WHERE workspace_id = $1",
        );
        self.fetch_all(query.bind(workspace_id)).await?.iter().map(key_id).collect()
    }

    async fn suppressed_since(
        &mut self,
        workspace: &Workspace,
        revision: i64,
    ) -> Result<Vec<MatchKey>> {
        let query = sqlx::query(
            "SELECT match_key FROM consent
             WHERE workspace_id = $1 AND contact_id IS NULL AND revision > $2",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id).bind(revision)).await?;
        Ok(rows.iter().map(|row| MatchKey::from_stored(row.get(0))).collect())
    }

    async fn count_suppressed(&mut self, workspace: &Workspace, version: u32) -> Result<i64> {
        let query = sqlx::query(
            "SELECT count(*) FROM consent
             WHERE workspace_id = $1 AND contact_id IS NULL AND match_key LIKE $2",
        );
        let query = query.bind(&workspace.workspace_id).bind(format!("h{version}:%"));
        Ok(self.fetch_one(query).await?.get(0))
    }
}

#[async_trait]
impl SuppressionWriter for PostgresSession {
    async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        current: KeyId,
        lock: KeyLock,
    ) -> Result<Vec<KeyId>> {
        let sql = match lock {
            KeyLock::Shared => {
                "SELECT key_version, fingerprint FROM suppression_key
                 WHERE workspace_id = $1 ORDER BY key_version FOR SHARE"
            }
            KeyLock::Exclusive => {
                "SELECT key_version, fingerprint FROM suppression_key
                 WHERE workspace_id = $1 ORDER BY key_version FOR UPDATE"
            }
        };
        loop {
            let rows = self.fetch_all(sqlx::query(sql).bind(&workspace.workspace_id)).await?;
            let keys = rows.iter().map(key_id).collect::<Result<Vec<_>>>()?;
            if keys.iter().any(|key| key.version == current.version) {
                return Ok(keys);
            }
            // Another transaction may insert the same key. The next round locks
            // whichever of the two rows is there.
            let query = sqlx::query(
                "INSERT INTO suppression_key (workspace_id, key_version, fingerprint)
                 VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(&workspace.workspace_id)
            .bind(i32::try_from(current.version).map_err(Error::internal)?)
            .bind(current.fingerprint.as_slice());
            self.execute(query).await?;
        }
    }

    async fn delete_suppressions(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<Vec<IdentityId>> {
        let query = sqlx::query(
            "DELETE FROM consent
             WHERE workspace_id = $1 AND contact_id IS NULL AND match_key = ANY (ARRAY(
                 SELECT match_key FROM consent
                 WHERE workspace_id = $1 AND contact_id IS NULL AND update_time < $2
                 LIMIT $3 FOR UPDATE SKIP LOCKED))
             RETURNING identity_id",
        );
        let query = query.bind(&workspace.workspace_id).bind(micros(before)).bind(row_limit(limit));
        let rows = self.fetch_all(query).await?;
        Ok(rows.iter().map(|row| IdentityId(row.get(0))).collect())
    }
}
