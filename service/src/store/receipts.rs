//! Receipts of erasures.

use std::collections::BTreeSet;

use async_trait::async_trait;
use uuid::Uuid;

use super::Workspace;
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::keyring::Keyring;
use crate::domain::phone::MatchKey;

/// Proof that a contact was erased. Holds what it takes to repeat the erasure
/// on a restored backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The id of the receipt itself.
    pub receipt_id: Uuid,
    /// The id the contact had.
    pub contact_id: Uuid,
    /// The number of the API's `DeleteReason`.
    pub reason: i32,
    /// When the contact was erased.
    pub delete_time: Time,
    /// The contacts that were merged into it.
    pub merged_contact_ids: Vec<Uuid>,
    /// The hashed keys of what was erased: of each number and user id those under all versions of
    /// the key, the latest first. Under that one the erasure is remembered; where it is repeated under the
    /// oldest, which all receipts of the same id have.
    pub hashed_keys: Vec<MatchKey>,
}

impl Receipt {
    /// The hashed keys of each number and user id.
    pub fn by_identity(&self, keyring: &Keyring) -> impl Iterator<Item = &[MatchKey]> {
        let versions: BTreeSet<_> =
            self.hashed_keys.iter().filter_map(|key| keyring.key_of(key)).collect();
        self.hashed_keys.chunks(versions.len().max(1))
    }

    /// The ids of the contact, and of those that were merged into it.
    pub fn contact_ids(&self) -> impl Iterator<Item = Uuid> {
        [self.contact_id].into_iter().chain(self.merged_contact_ids.iter().copied())
    }
}

/// Reads receipts.
#[async_trait]
pub trait ReceiptReader {
    /// Returns the receipts of the contact that had this id.
    async fn receipts(&mut self, workspace: &Workspace, contact_id: Uuid) -> Result<Vec<Receipt>>;
    /// Returns receipts of erasures since this time, with ids greater than
    /// `after`, ordered by id.
    async fn receipts_since(
        &mut self,
        workspace: &Workspace,
        since: Time,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<Receipt>>;
}

/// Writes receipts.
#[async_trait]
pub trait ReceiptWriter {
    /// Adds a receipt.
    async fn insert_receipt(&mut self, workspace: &Workspace, receipt: &Receipt) -> Result<()>;
}
