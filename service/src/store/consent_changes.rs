//! Which consent changed, revision by revision, for servers that keep consent in memory.

use async_trait::async_trait;
use chrono::TimeDelta;

use super::Workspace;
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;

/// What tells whether consent that was read before is still that of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Differs between a workspace and one that was made with its id after it was deleted.
    pub incarnation: [u8; 32],
    /// The workspace's consent revision.
    pub revision: i64,
    /// A random number that was made with the revision. After a failover that lost changes, or a
    /// restored backup, another history may have reached the same revision.
    pub stamp: i64,
    /// From which age on a permission counts as expired, by the workspace's policy, in the order
    /// of [`MessageCategory::ALL`](crate::domain::consent::MessageCategory::ALL).
    pub max_ages: [Option<TimeDelta>; 3],
}

/// The identities whose rows the transaction of a revision changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentChange {
    /// The revision.
    pub revision: i64,
    /// The random number that was made with it.
    pub stamp: i64,
    /// When it was written.
    pub change_time: Time,
    /// The version of the key that the tags are made with.
    pub key_version: u32,
    /// A tag for each identity of a contact, see
    /// [`Keyring::tagger`](crate::domain::keyring::Keyring::tagger).
    pub tags: Vec<u64>,
}

/// What a transaction did to the consent of a workspace.
#[derive(Debug, Default)]
pub struct ChangedConsent {
    /// The workspace.
    pub workspace_id: String,
    /// The revision it made, with its stamp.
    pub revision: Option<(i64, i64)>,
    /// The keys of the rows that it wrote or deleted. Not those of non-contacts, which nobody
    /// keeps in memory.
    pub keys: Vec<MatchKey>,
}

impl ChangedConsent {
    /// Notes the revision that the transaction made.
    pub(super) fn set_revision(&mut self, workspace: &Workspace, revision: (i64, i64)) {
        self.workspace_id.clone_from(&workspace.workspace_id);
        self.revision = Some(revision);
    }

    /// Adds rows that were written or deleted.
    pub(super) fn add<'k>(&mut self, keys: impl IntoIterator<Item = &'k MatchKey>) {
        self.keys.extend(keys.into_iter().filter(|key| !key.is_hashed()).cloned());
    }
}

/// Reads changes.
#[async_trait]
pub trait ConsentChangeReader {
    /// Returns what is committed when the call runs. None if the workspace does not exist.
    async fn validity(&mut self, workspace_id: &str) -> Result<Option<Validity>>;
    /// Returns the changes from a revision on, in order. They are kept for some time only.
    async fn consent_changes(
        &mut self,
        workspace_id: &str,
        from: i64,
        limit: usize,
    ) -> Result<Vec<ConsentChange>>;
}

/// Writes changes.
#[async_trait]
pub trait ConsentChangeWriter {
    /// Returns what this transaction did to consent since it began, or since the last call.
    fn take_changed_consent(&mut self) -> ChangedConsent;
    /// Adds the change of a revision.
    async fn add_consent_change(
        &mut self,
        workspace_id: &str,
        change: &ConsentChange,
    ) -> Result<()>;
    /// Deletes changes that were written before a time, but for the last one. Returns how many.
    async fn delete_consent_changes(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64>;
}

/// How tags are stored.
pub(super) fn encode_tags(tags: &[u64]) -> Vec<u8> {
    tags.iter().flat_map(|tag| tag.to_le_bytes()).collect()
}

/// Reads stored tags.
pub(super) fn decode_tags(bytes: &[u8]) -> Vec<u64> {
    bytes
        .chunks_exact(8)
        .map(|tag| tag.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_were_written() {
        for tags in [vec![], vec![7], vec![0, u64::MAX, 0x0102_0304_0506_0708]] {
            assert_eq!(decode_tags(&encode_tags(&tags)), tags);
        }
    }
}
