use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::receipt_keys;
use crate::error::Result;
use crate::handle::Handle;
use crate::receipt::ReceiptKey;

request! {
    /// Request builder, returned by [`OptIn::receipt_keys`](crate::OptIn::receipt_keys).
    ListReceiptKeys(ListReceiptKeysRequest) -> Vec<ReceiptKey>
}

impl ListReceiptKeys {
    pub(super) fn new(handle: &Handle) -> Self {
        Self(Prepared::new(handle, v1::ListReceiptKeysRequest {}))
    }

    /// Sends the request. Returns the keys, oldest first.
    pub async fn send(self) -> Result<Vec<ReceiptKey>> {
        receipt_keys(self.0.send().await?)
    }
}
