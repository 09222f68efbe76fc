//! SQL of API tokens.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row};
use uuid::Uuid;

use super::session::{ROWS, SqliteSession};
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
impl ApiTokenReader for SqliteSession {
    async fn api_tokens_by_hash(&mut self, hashes: &[TokenHash]) -> Result<Vec<ApiToken>> {
        let mut found = Vec::with_capacity(hashes.len());
        for hashes in hashes.chunks(ROWS) {
            let mut query = QueryBuilder::new(concat!(
                "SELECT ",
                columns!(),
                " FROM api_token WHERE hash IN ("
            ));
            let mut list = query.separated(", ");
            for hash in hashes {
                list.push_bind(hash.0.to_vec());
            }
            query.push(")");
            for row in self.fetch_all(query.build()).await? {
                found.push(api_token(&row)?);
            }
        }
        Ok(found)
    }

    async fn api_tokens(&mut self, after: Uuid, limit: usize) -> Result<Vec<ApiToken>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM api_token WHERE token_id > ? ORDER BY token_id LIMIT ?"
        ));
        let rows = self.fetch_all(query.bind(after).bind(row_limit(limit))).await?;
        rows.iter().map(api_token).collect()
    }

    async fn api_token(&mut self, token_id: Uuid) -> Result<Option<ApiToken>> {
        let query =
            sqlx::query(concat!("SELECT ", columns!(), " FROM api_token WHERE token_id = ?"));
        let row = self.fetch_optional(query.bind(token_id)).await?;
        row.as_ref().map(api_token).transpose()
    }

    async fn count_api_tokens(&mut self) -> Result<i64> {
        Ok(self.fetch_one(sqlx::query("SELECT count(*) FROM api_token")).await?.get(0))
    }
}

#[async_trait]
impl ApiTokenWriter for SqliteSession {
    async fn lock_api_token(&mut self, token_id: Uuid) -> Result<Option<ApiToken>> {
        // Write transactions run one at a time, so nothing needs a lock.
        self.api_token(token_id).await
    }

    async fn insert_api_token(&mut self, token: &ApiToken) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO api_token (token_id, hash, name, scopes, workspaces, create_time,
                 expire_time, revoke_time, created_by)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        let query = sqlx::query(
            "UPDATE api_token SET workspaces = ?, expire_time = ?, revoke_time = ?
             WHERE token_id = ?",
        )
        .bind(workspace_lines(token))
        .bind(token.expire_time.map(micros))
        .bind(token.revoke_time.map(micros))
        .bind(token.token_id);
        self.execute(query).await?;
        Ok(())
    }

    async fn delete_api_tokens(&mut self, ended_before: Time) -> Result<()> {
        let query = sqlx::query("DELETE FROM api_token WHERE expire_time < ? OR revoke_time < ?");
        let before = micros(ended_before);
        self.execute(query.bind(before).bind(before)).await?;
        Ok(())
    }
}
