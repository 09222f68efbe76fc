use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{ContactData, Recipient};

request! {
    /// Request builder, returned by [`Contacts::export_data`](crate::Contacts::export_data).
    ExportContactData(ExportContactDataRequest) -> ContactData
}

impl ExportContactData {
    pub(super) fn new(handle: &Handle, recipient: Recipient) -> Self {
        Self(Prepared::new(
            handle,
            v1::ExportContactDataRequest {
                workspace_id: handle.workspace_id(),
                recipient: Some(recipient.into_proto()),
            },
        ))
    }

    /// Sends the request.
    pub async fn send(self) -> Result<ContactData> {
        Ok(ContactData::from_proto(self.0.send().await?))
    }
}
