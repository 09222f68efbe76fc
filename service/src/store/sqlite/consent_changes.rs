//! SQL of changes of consent.

use async_trait::async_trait;

use super::session::SqliteSession;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::error::Result;
use crate::store::common::{consent_change, micros, validity};
use crate::store::consent_changes::encode_tags;
use crate::store::{
    ChangedConsent, ConsentChange, ConsentChangeReader, ConsentChangeWriter, Validity, Workspace,
};

#[async_trait]
impl ConsentChangeReader for SqliteSession {
    async fn validity(&mut self, workspace_id: &str) -> Result<Option<Validity>> {
        let query = sqlx::query(
            "SELECT opt_in_policy, token_key, consent_revision, consent_stamp FROM workspace
             WHERE workspace_id = ?",
        );
        let row = self.fetch_optional(query.bind(workspace_id)).await?;
        row.map(|row| validity(&row, 0)).transpose()
    }

    async fn consent_changes(
        &mut self,
        workspace_id: &str,
        from: i64,
        limit: usize,
    ) -> Result<Vec<ConsentChange>> {
        let query = sqlx::query(
            "SELECT revision, stamp, change_time, key_version, tags FROM consent_change
             WHERE workspace_key = (SELECT workspace_key FROM workspace WHERE workspace_id = ?)
                 AND revision >= ?
             ORDER BY revision LIMIT ?",
        );
        let query = query.bind(workspace_id).bind(from).bind(row_limit(limit));
        self.fetch_all(query).await?.iter().map(consent_change).collect()
    }
}

#[async_trait]
impl ConsentChangeWriter for SqliteSession {
    fn take_changed_consent(&mut self) -> ChangedConsent {
        std::mem::take(&mut self.changed_consent)
    }

    async fn add_consent_change(
        &mut self,
        workspace_id: &str,
        change: &ConsentChange,
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO consent_change (workspace_key, revision, stamp, change_time, key_version,
                  tags)
             SELECT workspace_key, ?2, ?3, ?4, ?5, ?6 FROM workspace WHERE workspace_id = ?1",
        )
        .bind(workspace_id)
        .bind(change.revision)
        .bind(change.stamp)
        .bind(micros(change.change_time))
        .bind(change.key_version)
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
            "DELETE FROM consent_change WHERE rowid IN (
                 SELECT rowid FROM consent_change
                 WHERE workspace_key = ?1 AND change_time < ?2 AND revision <
                     (SELECT consent_revision FROM workspace WHERE workspace_key = ?1)
                 LIMIT ?3)",
        );
        let query = query.bind(workspace.row_key).bind(micros(before)).bind(row_limit(limit));
        self.execute(query).await
    }
}
