//! SQL of API tokens.

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::session::PostgresSession;
use super::values::row_limit;
use crate::domain::Time;
use crate::domain::access::{ApiToken, TokenHash};
use crate::domain::error::Result;
use crate::store::common::{api_token, micros, scope_lines, workspace_lines};
use crate::store::{ApiTokenReader, ApiTokenWriter};

/// The columns that [`api_token`] reads.
macro_rules! columns {
    () => {
        "token_id, hash, name, scopes, workspaces, create_time, expire_time, revoke_time,
         created_by"
    };
}

#[async_trait]
impl ApiTokenReader for PostgresSession {
    async fn api_tokens_by_hash(&mut self, hashes: &[TokenHash]) -> Result<Vec<ApiToken>> {
        self.reach_no_more().await?;
        let query =
            sqlx::query(concat!("SELECT ", columns!(), " FROM api_token WHERE hash = ANY($1)"));
        let hashes: Vec<&[u8]> = hashes.iter().map(|hash| hash.0.as_slice()).collect();
        self.fetch_all(query.bind(hashes)).await?.iter().map(api_token).collect()
    }

    async fn api_tokens(&mut self, after: Uuid, limit: usize) -> Result<Vec<ApiToken>> {
        self.reach_no_more().await?;
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM api_token WHERE token_id > $1 ORDER BY token_id LIMIT $2"
        ));
        let rows = self.fetch_all(query.bind(after).bind(row_limit(limit))).await?;
        rows.iter().map(api_token).collect()
    }

    async fn api_token(&mut self, token_id: Uuid) -> Result<Option<ApiToken>> {
        self.reach_no_more().await?;
        let query =
            sqlx::query(concat!("SELECT ", columns!(), " FROM api_token WHERE token_id = $1"));
        let row = self.fetch_optional(query.bind(token_id)).await?;
        row.as_ref().map(api_token).transpose()
    }

    async fn count_api_tokens(&mut self) -> Result<i64> {
        self.reach_no_more().await?;
        Ok(self.fetch_one(sqlx::query("SELECT count(*) FROM api_token")).await?.get(0))
    }
}

#[async_trait]
impl ApiTokenWriter for PostgresSession {
    async fn lock_api_token(&mut self, token_id: Uuid) -> Result<Option<ApiToken>> {
        self.reach_no_more().await?;
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM api_token WHERE token_id = $1 FOR UPDATE"
        ));
        let row = self.fetch_optional(query.bind(token_id)).await?;
        row.as_ref().map(api_token).transpose()
    }

    async fn insert_api_token(&mut self, token: &ApiToken) -> Result<()> {
        self.reach_no_more().await?;
        let query = sqlx::query(
            "INSERT INTO api_token (token_id, hash, name, scopes, workspaces, create_time,
                 expire_time, revoke_time, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(token.token_id)
        .bind(token.hash.0.to_vec())
        .bind(&token.name)
        .bind(scope_lines(token))
        .bind(workspace_lines(token))
        .bind(micros(token.create_time))
        .bind(token.expire_time.map(micros))
        .bind(token.revoke_time.map(micros))
        .bind(token.created_by);
        self.execute(query).await?;
        Ok(())
    }

    async fn update_api_token(&mut self, token: &ApiToken) -> Result<()> {
        self.reach_no_more().await?;
        let query = sqlx::query(
            "UPDATE api_token SET workspaces = $1, expire_time = $2, revoke_time = $3
             WHERE token_id = $4",
        )
        .bind(workspace_lines(token))
        .bind(token.expire_time.map(micros))
        .bind(token.revoke_time.map(micros))
        .bind(token.token_id);
        self.execute(query).await?;
        Ok(())
    }

    async fn delete_api_tokens(&mut self, ended_before: Time) -> Result<()> {
        self.reach_no_more().await?;
        let query = sqlx::query("DELETE FROM api_token WHERE expire_time < $1 OR revoke_time < $2");
        let before = micros(ended_before);
        self.execute(query.bind(before).bind(before)).await?;
        Ok(())
    }
}
