use contacts_proto::v1;

use crate::client::ContactsClient;
use crate::convert::{IntoProto, present};
use crate::error::Result;
use crate::model::{Contact, Person};
use crate::request::{Prepared, request};

request! {
    /// From [`Contacts::link_identity`](crate::Contacts::link_identity).
    change LinkIdentity(LinkIdentityRequest) -> Contact
}

impl LinkIdentity {
    pub(super) fn new(client: &ContactsClient, person: Person) -> Self {
        Self(Prepared::new(
            client,
            v1::LinkIdentityRequest {
                workspace_id: client.workspace().to_owned(),
                recipient: Some(person.into_proto()),
                ..v1::LinkIdentityRequest::default()
            },
        ))
    }

    /// Sets the number the person has now.
    pub fn phone(mut self, number: impl Into<String>) -> Self {
        self.0.message.new_phone_number = number.into();
        self
    }

    /// Sets the user id the person has now.
    pub fn whatsapp_user_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.new_whatsapp_user_id = id.into();
        self
    }

    /// Lets go of a former number or user id that is no longer this person's. An opt-out stays under
    /// it for whoever has it next.
    pub fn release(mut self, number_or_id: impl Into<String>) -> Self {
        self.0.message.release.push(number_or_id.into());
        self
    }

    /// Refuses the change if the profile is no longer the one with this etag: see
    /// [`is_etag_mismatch`](crate::Error::is_etag_mismatch).
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.0.message.etag = etag.into();
        self
    }

    /// Makes the change, and returns the contact as stored.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}
