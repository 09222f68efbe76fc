//! The consent of people, by their keys.

use std::collections::HashMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::Workspace;
use crate::domain::consent::ConsentState;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;

/// The result of a check, by key.
pub type CheckRows = HashMap<MatchKey, CheckRow>;

/// What a check needs to know about one person.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRow {
    /// None for a non-contact, of whom only an opt-out or erasure is known.
    pub contact_id: Option<Uuid>,
    /// The person's consent.
    pub state: ConsentState,
}

/// The consent of one person under one of their keys. A contact with a phone
/// number and a user id has two rows with the same state.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentRow {
    /// A contact's phone number or user id; the keyed hash of a non-contact's.
    pub match_key: MatchKey,
    /// None for a non-contact.
    pub contact_id: Option<Uuid>,
    /// The person's consent.
    pub state: ConsentState,
    /// The workspace's consent revision that wrote the row.
    pub revision: i64,
}

/// Reads consent.
#[async_trait]
pub trait ConsentReader {
    /// Returns the rows of these keys, in one read of what the primary server
    /// has committed after the call began. Keys without a row are left out.
    /// Returns None if the workspace does not exist.
    async fn check(&mut self, workspace_id: &str, keys: &[MatchKey]) -> Result<Option<CheckRows>>;
    /// Returns the rows of these keys, in the order of `keys`. In a write
    /// transaction the rows are locked until it ends.
    async fn consent(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<Vec<Option<ConsentRow>>>;
}

/// Writes consent.
#[async_trait]
pub trait ConsentWriter {
    /// Adds rows, or replaces those with the same key. Only rows that
    /// [`consent`](ConsentReader::consent) read in this transaction may be
    /// replaced.
    async fn upsert_consent(&mut self, workspace: &Workspace, rows: &[ConsentRow]) -> Result<()>;
    /// Deletes the rows of these keys.
    async fn delete_consent(&mut self, workspace: &Workspace, keys: &[MatchKey]) -> Result<()>;
}
