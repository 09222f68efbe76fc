use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{IntoProto, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{DeleteReason, DeletionReceipt, Recipient};

request! {
    /// Request builder, returned by [`Contacts::delete`](crate::Contacts::delete).
    change DeleteContact(DeleteContactRequest) -> DeletionReceipt
}

impl DeleteContact {
    pub(super) fn new(handle: &Handle, recipient: Recipient) -> Self {
        Self(Prepared::new(
            handle,
            v1::DeleteContactRequest {
                workspace_id: handle.workspace_id(),
                recipient: Some(recipient.into_proto()),
                reason: DeleteReason::default().into_proto(),
                ..v1::DeleteContactRequest::default()
            },
        ))
    }

    /// Sets the reason, which the receipt contains. Default: [`DeleteReason::Other`].
    pub fn reason(mut self, reason: DeleteReason) -> Self {
        self.0.message.reason = reason.into_proto();
        self
    }

    /// Makes the call fail with [`is_etag_mismatch`](crate::Error::is_etag_mismatch) if the profile has
    /// changed since it had this etag.
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.0.message.etag = etag.into();
        self
    }

    /// Sends the request. Returns the receipt.
    pub async fn send(self) -> Result<DeletionReceipt> {
        present(self.0.send().await?.receipt)
    }
}
