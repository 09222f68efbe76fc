//! API tokens. They belong to no workspace.

use async_trait::async_trait;
use uuid::Uuid;

use super::{ReadPurpose, Store};
use crate::domain::Time;
use crate::domain::access::{ApiToken, TokenHash};
use crate::domain::error::Result;

/// Reads tokens.
#[async_trait]
pub trait ApiTokenReader {
    /// Returns the tokens with these hashes, revoked and expired ones included.
    async fn api_tokens_by_hash(&mut self, hashes: &[TokenHash]) -> Result<Vec<ApiToken>>;
    /// Returns tokens with ids greater than `after`, ordered by id.
    async fn api_tokens(&mut self, after: Uuid, limit: usize) -> Result<Vec<ApiToken>>;
    /// Returns the token with this id.
    async fn api_token(&mut self, token_id: Uuid) -> Result<Option<ApiToken>>;
    /// Counts all tokens.
    async fn count_api_tokens(&mut self) -> Result<i64>;
}

/// Writes tokens.
#[async_trait]
pub trait ApiTokenWriter {
    /// Returns the token with this id, locked until the transaction ends.
    async fn lock_api_token(&mut self, token_id: Uuid) -> Result<Option<ApiToken>>;
    /// Adds a token.
    async fn insert_api_token(&mut self, token: &ApiToken) -> Result<()>;
    /// Replaces the workspaces, and the times of expiry and revocation.
    async fn update_api_token(&mut self, token: &ApiToken) -> Result<()>;
    /// Deletes tokens that were revoked or expired before this time.
    async fn delete_api_tokens(&mut self, ended_before: Time) -> Result<()>;
}

impl Store {
    /// Returns the tokens with these hashes, on a connection for checks: every call waits for it.
    ///
    /// # Errors
    /// When the database cannot be read now.
    pub async fn api_tokens_by_hash(&self, hashes: &[TokenHash]) -> Result<Vec<ApiToken>> {
        let mut db = self.backend.reader(ReadPurpose::Check, None).await?;
        db.api_tokens_by_hash(hashes).await
    }
}
