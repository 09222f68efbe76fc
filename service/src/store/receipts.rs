//! Receipts of erasures.

use async_trait::async_trait;
use uuid::Uuid;

use super::Workspace;
use crate::domain::Time;
use crate::domain::error::Result;
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
    /// The hashed keys under which the erasure is remembered.
    pub hashed_keys: Vec<MatchKey>,
}

impl Receipt {
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
