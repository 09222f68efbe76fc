//! The consent of people, by their keys.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use chrono::TimeDelta;
use uuid::Uuid;

use super::{Validity, Workspace};
use crate::domain::Time;
use crate::domain::consent::{IdentityConsent, IdentityId};
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;

/// The result of a check, by key.
pub type CheckRows = HashMap<MatchKey, CheckRow>;

/// What a check read.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The rows.
    pub rows: CheckRows,
    /// What was committed before the rows were read, and after the call began. None if it was not asked
    /// for.
    pub validity: Option<Validity>,
    /// Whether the rows are as of exactly this validity, and not of a later one.
    pub is_exact: bool,
}

impl Checked {
    /// The revision that the rows are exactly as of, where that is known.
    pub fn as_of(&self) -> Option<&Validity> {
        self.validity.as_ref().filter(|_| self.is_exact)
    }
}

/// What a check needs to know about one identity.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRow {
    /// The id under which the ledger knows the identity.
    pub identity_id: IdentityId,
    /// None for a non-contact, of whom only objections are known.
    pub contact_id: Option<Uuid>,
    /// Whether the contact had the identity before, and may have lost it.
    pub is_former: bool,
    /// What the identity is permitted, and what stands against its person.
    pub consent: IdentityConsent,
    /// From which age on a permission counts as expired, by the workspace's policy at the
    /// time of the read, in the order of
    /// [`MessageCategory::ALL`](crate::domain::consent::MessageCategory::ALL).
    pub max_ages: [Option<TimeDelta>; 3],
}

/// The consent of one identity: a phone number or a user id.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentRow {
    /// A contact's phone number or user id; the keyed hash of a non-contact's.
    pub match_key: MatchKey,
    /// The id under which the ledger knows the identity.
    pub identity_id: IdentityId,
    /// None for a non-contact.
    pub contact_id: Option<Uuid>,
    /// Whether the contact had the identity before, and may have lost it.
    pub is_former: bool,
    /// What the identity is permitted, and what stands against its person.
    pub consent: IdentityConsent,
    /// When it last changed. None if nothing was ever said.
    pub update_time: Option<Time>,
    /// The workspace's consent revision that wrote the row.
    pub revision: i64,
}

/// A row of consent as it is stored, also one that nothing of the service wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredConsent {
    /// Where it is.
    pub place: ConsentPlace,
    /// The identity, as far as it can be read.
    pub identity_id: Option<IdentityId>,
    /// The contact, as far as it can be read.
    pub contact_id: Option<Uuid>,
    /// None if a part of it cannot be read.
    pub row: Option<ConsentRow>,
}

/// The key of a stored row, whatever it is. Personal.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentPlace {
    pub(super) key: Vec<u8>,
    /// Whether SQLite keeps it as bytes, which come after all texts.
    pub(super) is_blob: bool,
}

impl ConsentPlace {
    /// The key, if it is text.
    pub fn text(&self) -> Option<String> {
        String::from_utf8(self.key.clone()).ok().filter(|_| !self.is_blob)
    }
}

impl fmt::Debug for ConsentPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsentPlace(..)")
    }
}

/// Reads consent.
#[async_trait]
pub trait ConsentReader: Send {
    /// Returns the rows of these keys with the workspace's policy, in one read of what the primary server
    /// has committed after the call began. Keys without a row are left out. The validity may
    /// cost another read.
    /// Returns None if the workspace does not exist.
    async fn check(
        &mut self,
        workspace_id: &str,
        keys: &[MatchKey],
        with_validity: bool,
    ) -> Result<Option<Checked>>;
    /// Returns the rows that there are of these keys. In a write transaction the rows are
    /// locked until it ends.
    async fn consent_by_key(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<HashMap<MatchKey, ConsentRow>>;
    /// The same, in the order of `keys`.
    async fn consent(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<Vec<Option<ConsentRow>>> {
        let found = self.consent_by_key(workspace, keys).await?;
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }
    /// Returns rows in the order of their keys, after the key `after`.
    async fn consent_page(
        &mut self,
        workspace: &Workspace,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ConsentRow>>;
    /// The same for an audit: all rows, also those that cannot be read.
    async fn stored_consent(
        &mut self,
        workspace: &Workspace,
        after: Option<&ConsentPlace>,
        limit: usize,
    ) -> Result<Vec<StoredConsent>>;
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
