//! SQL of stored responses.

use async_trait::async_trait;
use uuid::Uuid;

use super::session::PostgresSession;
use super::values::{row_limit, texts};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::common::{micros, stored_response, stored_response_info};
use crate::store::{
    NewStoredResponse, ResponseReader, ResponseWriter, StoredResponse, StoredResponseInfo,
    Subjects, Workspace,
};

/// How many expired responses are deleted with each one stored: more than one, so
/// that they do not accumulate.
const DELETED: i64 = 10;

#[async_trait]
impl ResponseReader for PostgresSession {
    async fn stored_response(
        &mut self,
        workspace: &Workspace,
        request_id: Uuid,
        since: Time,
    ) -> Result<Option<StoredResponse>> {
        let query = sqlx::query(
            "SELECT fingerprint, response FROM stored_response
             WHERE workspace_id = $1 AND request_id = $2 AND create_time >= $3",
        );
        let query = query.bind(&workspace.workspace_id).bind(request_id).bind(micros(since));
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
             WHERE workspace_id = $1 AND contact_id = $2
             ORDER BY create_time DESC, request_id LIMIT $3",
        );
        let query = query.bind(&workspace.workspace_id).bind(contact_id).bind(row_limit(limit));
        Ok(self.fetch_all(query).await?.iter().map(stored_response_info).collect())
    }
}

#[async_trait]
impl ResponseWriter for PostgresSession {
    async fn store_response(
        &mut self,
        workspace: &Workspace,
        response: &NewStoredResponse,
        since: Time,
    ) -> Result<()> {
        // Skips rows that others are deleting, so that nobody waits.
        let query = sqlx::query(
            "DELETE FROM stored_response
             WHERE workspace_id = $1 AND request_id = ANY (ARRAY(
                 SELECT request_id FROM stored_response
                 WHERE workspace_id = $1 AND create_time < $2 AND request_id <> $3
                 ORDER BY create_time LIMIT $4 FOR UPDATE SKIP LOCKED))",
        )
        .bind(&workspace.workspace_id)
        .bind(micros(since))
        .bind(response.request_id)
        .bind(DELETED);
        self.execute(query).await?;
        // A response with the same id that was stored meanwhile is the one to
        // return. It is not overwritten, which is a conflict.
        let query = sqlx::query(
            "INSERT INTO stored_response
                 (workspace_id, request_id, fingerprint, response, contact_id, create_time, method,
                  match_key)
             VALUES ($1, $2, $3, $4, $5, $6, $8, $9)
             ON CONFLICT (workspace_id, request_id) DO UPDATE SET
                 fingerprint = excluded.fingerprint, response = excluded.response,
                 contact_id = excluded.contact_id, create_time = excluded.create_time,
                 method = excluded.method, match_key = excluded.match_key
             WHERE stored_response.create_time < $7",
        )
        .bind(&workspace.workspace_id)
        .bind(response.request_id)
        .bind(response.fingerprint.as_slice())
        .bind(response.response.as_ref())
        .bind(response.contact_id)
        .bind(micros(response.create_time))
        .bind(micros(since))
        .bind(response.method)
        .bind(response.match_key.as_ref().map(MatchKey::as_str));
        self.execute_exactly(query, 1).await
    }

    async fn delete_stored_responses(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        let query = sqlx::query(
            "DELETE FROM stored_response
             WHERE workspace_id = $1 AND request_id = ANY (ARRAY(
                 SELECT request_id FROM stored_response
                 WHERE workspace_id = $1 AND create_time < $2
                 ORDER BY create_time LIMIT $3 FOR UPDATE SKIP LOCKED))",
        );
        let query = query.bind(&workspace.workspace_id).bind(micros(before)).bind(row_limit(limit));
        self.execute(query).await
    }

    async fn claim_stored_responses(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()> {
        let query = sqlx::query(
            "UPDATE stored_response SET contact_id = $3, match_key = NULL
             WHERE workspace_id = $1 AND match_key = ANY($2)",
        );
        let query = query.bind(&workspace.workspace_id).bind(texts(keys)).bind(contact_id);
        self.execute(query).await?;
        Ok(())
    }

    async fn erase_stored_responses(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<()> {
        let query = sqlx::query(
            "UPDATE stored_response SET fingerprint = '', response = '', contact_id = NULL,
                 match_key = NULL
             WHERE workspace_id = $1 AND (contact_id = ANY($2) OR match_key = ANY($3))",
        )
        .bind(&workspace.workspace_id)
        .bind(&subjects.contact_ids)
        .bind(texts(&subjects.keys));
        self.execute(query).await?;
        Ok(())
    }
}
