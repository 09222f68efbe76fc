//! Suppressions: consent rows of non-contacts, which are stored under keyed
//! hashes, and the keys of these hashes.

use async_trait::async_trait;

use super::Workspace;
use crate::domain::Time;
use crate::domain::consent::IdentityId;
use crate::domain::error::Result;
use crate::domain::keyring::KeyId;
use crate::domain::phone::MatchKey;

/// How a transaction locks the suppression keys of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLock {
    /// For creating a contact. Until the transaction ends, nobody writes
    /// suppressions.
    Shared,
    /// For writing suppressions. Until the transaction ends, nobody creates a
    /// contact.
    Exclusive,
}

/// Reads suppressions and their keys.
#[async_trait]
pub trait SuppressionReader: Send {
    /// Returns the suppression keys that a workspace uses. None of them if it
    /// does not exist.
    async fn suppression_keys(&mut self, workspace_id: &str) -> Result<Vec<KeyId>>;
    /// Returns the hashed keys of non-contacts whose rows were written after this
    /// consent revision. Always empty where write transactions run one at a
    /// time.
    async fn suppressed_since(
        &mut self,
        workspace: &Workspace,
        revision: i64,
    ) -> Result<Vec<MatchKey>>;
    /// Whether there may be any row under a keyed hash. `false` is said only where nobody writes one
    /// until the transaction ends.
    async fn may_have_suppressions(&mut self, _workspace: &Workspace) -> Result<bool> {
        Ok(true)
    }
    /// Returns how many suppressions use this version of the key.
    async fn count_suppressed(&mut self, workspace: &Workspace, version: u32) -> Result<i64>;
}

/// Writes suppressions and their keys.
#[async_trait]
pub trait SuppressionWriter {
    /// Adds `current` to the suppression keys of the workspace, locks them until
    /// the transaction ends, and returns them.
    async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        current: KeyId,
        lock: KeyLock,
    ) -> Result<Vec<KeyId>>;
    /// Deletes up to `limit` suppressions that were last written before this
    /// time. Returns their identities.
    async fn delete_suppressions(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<Vec<IdentityId>>;
}
