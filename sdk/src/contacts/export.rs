use contacts_proto::v1;

use crate::client::ContactsClient;
use crate::convert::{FromProto, IntoProto};
use crate::error::Result;
use crate::model::{ContactData, Person};
use crate::request::{Prepared, request};

request! {
    /// From [`Contacts::export_data`](crate::Contacts::export_data).
    ExportContactData(ExportContactDataRequest) -> ContactData
}

impl ExportContactData {
    pub(super) fn new(client: &ContactsClient, person: Person) -> Self {
        Self(Prepared::new(
            client,
            v1::ExportContactDataRequest {
                workspace_id: client.workspace().to_owned(),
                recipient: Some(person.into_proto()),
            },
        ))
    }

    /// Reads it.
    pub async fn send(self) -> Result<ContactData> {
        Ok(ContactData::from_proto(self.0.send().await?))
    }
}
