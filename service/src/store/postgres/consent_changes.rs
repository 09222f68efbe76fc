//! SQL of changes of consent.

use async_trait::async_trait;
use sqlx::Row;

use super::consent::Standby;
use super::session::PostgresSession;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::store::common::{consent_change, micros, validity};
use crate::store::consent_changes::encode_tags;
use crate::store::{
    ChangedConsent, ConsentChange, ConsentChangeReader, ConsentChangeWriter, Validity, Workspace,
};

#[async_trait]
impl ConsentChangeReader for PostgresSession {
    async fn validity(&mut self, workspace_id: &str) -> Result<Option<Validity>> {
        self.confine(workspace_id).await?;
        let query = sqlx::query(
            "SELECT opt_in_policy, token_key, consent_revision, consent_stamp, pg_is_in_recovery()
             FROM workspace WHERE workspace_id = $1",
        );
        let Some(row) = self.fetch_optional(query.bind(workspace_id)).await? else {
            return Ok(None);
        };
        if row.get(4) {
            return Err(Error::unavailable(Standby));
        }
        validity(&row, 0).map(Some)
    }

    async fn consent_changes(
        &mut self,
        workspace_id: &str,
        from: i64,
        limit: usize,
    ) -> Result<Vec<ConsentChange>> {
        self.confine(workspace_id).await?;
        let query = sqlx::query(
            "SELECT revision, stamp, change_time, key_version, tags FROM consent_change
             WHERE workspace_id = $1 AND revision >= $2 ORDER BY revision LIMIT $3",
        );
        let query = query.bind(workspace_id).bind(from).bind(row_limit(limit));
        self.fetch_all(query).await?.iter().map(consent_change).collect()
    }
}

#[async_trait]
impl ConsentChangeWriter for PostgresSession {
    fn take_changed_consent(&mut self) -> ChangedConsent {
        std::mem::take(&mut self.changed_consent)
    }

    async fn add_consent_change(
        &mut self,
        workspace_id: &str,
        change: &ConsentChange,
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO consent_change (workspace_id, revision, stamp, change_time, key_version, tags)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(workspace_id)
        .bind(change.revision)
        .bind(change.stamp)
        .bind(micros(change.change_time))
        .bind(i32::try_from(change.key_version).map_err(Error::internal)?)
        .bind(encode_tags(&change.tags));
        self.execute(query).await?;
        Ok(())
    }

    async fn delete_consent_changes(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        let query = sqlx::query(
            "DELETE FROM consent_change WHERE workspace_id = $1 AND revision IN (
                 SELECT revision FROM consent_change
                 WHERE workspace_id = $1 AND change_time < $2 AND revision <
                     (SELECT consent_revision FROM workspace WHERE workspace_id = $1)
                 LIMIT $3)",
        );
        let query = query.bind(&workspace.workspace_id).bind(micros(before));
        self.execute(query.bind(row_limit(limit))).await
    }
}
