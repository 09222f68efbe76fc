use std::time::SystemTime;

/// Why a contact is deleted; kept in the receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteReason {
    /// The person asked for it.
    PersonRequest,
    /// The number is not, or no longer, the person's.
    InvalidNumber,
    /// Anything else.
    #[default]
    Other,
    /// One that this version of the crate does not know, or none (0).
    Unknown(i32),
}

/// Proof of an erasure. Holds nothing personal; keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeletionReceipt {
    /// The receipt's own id.
    pub receipt_id: String,
    /// The id the contact had.
    pub contact_id: String,
    /// Why.
    pub reason: DeleteReason,
    /// When.
    pub delete_time: Option<SystemTime>,
}
