use std::time::SystemTime;

/// The reason for a deletion, which the receipt contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteReason {
    /// The person requested it.
    PersonRequest,
    /// The phone number does not belong to the person, or no longer does.
    InvalidNumber,
    /// Any other reason.
    #[default]
    Other,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}

/// Proof of a deletion. Contains no personal data. Store it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeletionReceipt {
    /// Unique id of the receipt.
    pub receipt_id: String,
    /// Id of the deleted contact.
    pub contact_id: String,
    /// The reason given in the request.
    pub reason: DeleteReason,
    /// When the contact was deleted.
    pub delete_time: Option<SystemTime>,
}
