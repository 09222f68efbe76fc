//! SQL of stored responses.

use async_trait::async_trait;
use uuid::Uuid;

use super::session::SqliteSession;
use super::values::{json, row_limit};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::common::{micros, stored_response, stored_response_info};
use crate::store::{
    NewStoredResponse, ResponseReader, ResponseWriter, StoredResponse, StoredResponseInfo,
    Subjects, Workspace,
};

#[async_trait]
impl ResponseReader for SqliteSession {
    async fn stored_response(
        &mut self,
        workspace: &Workspace,
        request_id: Uuid,
        since: Time,
    ) -> Result<Option<StoredResponse>> {
        let query = sqlx::query(
            "SELECT fingerprint, response FROM stored_response
             WHERE workspace_key = ? AND request_id = ? AND create_time >= ?",
        );
        let query = query.bind(workspace.row_key).bind(request_id).bind(micros(since));
        Ok(self.fetch_optional(query).await?.as_ref().map(stored_response))
    }

    async fn stored_responses_about(
        &mut self,
        workspace: &Workspace,
        contact_id: Uuid,
        limit: usize,
    ) -> Result<Vec<StoredResponseInfo>> {
        let query = sqlx::query(
            "SELECT request_id, method, create_time FROM stored_response
             WHERE workspace_key = ? AND contact_id = ?
             ORDER BY create_time DESC, request_id LIMIT ?",
        );
        let query = query.bind(workspace.row_key).bind(contact_id).bind(row_limit(limit));
        Ok(self.fetch_all(query).await?.iter().map(stored_response_info).collect())
    }
}

#[async_trait]
impl ResponseWriter for SqliteSession {
    async fn store_response(
        &mut self,
        workspace: &Workspace,
        response: &NewStoredResponse,
        since: Time,
    ) -> Result<()> {
        let query =
            sqlx::query("DELETE FROM stored_response WHERE workspace_key = ? AND create_time < ?");
        self.execute(query.bind(workspace.row_key).bind(micros(since))).await?;
        let query = sqlx::query(
            "INSERT INTO stored_response
                 (workspace_key, request_id, fingerprint, method, response, contact_id, match_key,
                  create_time)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(workspace.row_key)
        .bind(response.request_id)
        .bind(response.fingerprint.as_slice())
        .bind(response.method)
        .bind(response.response.as_ref())
        .bind(response.contact_id)
        .bind(response.match_key.as_ref().map(MatchKey::as_str))
        .bind(micros(response.create_time));
        self.execute(query).await?;
        Ok(())
    }

    async fn delete_stored_responses(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        let query = sqlx::query(
            "DELETE FROM stored_response
             WHERE workspace_key = ?1 AND request_id IN (
                 SELECT request_id FROM stored_response
                 WHERE workspace_key = ?1 AND create_time < ?2 LIMIT ?3)",
        );
        self.execute(query.bind(workspace.row_key).bind(micros(before)).bind(row_limit(limit)))
            .await
    }

    async fn claim_stored_responses(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()> {
        let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(
            "UPDATE stored_response SET contact_id = ?, match_key = NULL
             WHERE workspace_key = ? AND match_key IN (SELECT value FROM json_each(?))",
        );
        self.execute(query.bind(contact_id).bind(workspace.row_key).bind(json(&keys)?)).await?;
        Ok(())
    }

    async fn erase_stored_responses(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<()> {
        let ids: Vec<_> = subjects.contact_ids.iter().map(|id| id.simple().to_string()).collect();
        let keys: Vec<_> = subjects.keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(
            "UPDATE stored_response SET fingerprint = x'', response = x'', contact_id = NULL,
                 match_key = NULL
             WHERE workspace_key = ?
                 AND (lower(hex(contact_id)) IN (SELECT value FROM json_each(?))
                     OR match_key IN (SELECT value FROM json_each(?)))",
        );
        self.execute(query.bind(workspace.row_key).bind(json(&ids)?).bind(json(&keys)?)).await?;
        Ok(())
    }
}
