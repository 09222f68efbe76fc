use contacts_proto::v1;

use crate::client::ContactsClient;
use crate::convert::{IntoProto, present};
use crate::error::Result;
use crate::model::{Contact, ContactView, NewContact, Person};
use crate::request::{Prepared, request};

request! {
    /// From [`Contacts::create`](crate::Contacts::create).
    change CreateContact(CreateContactRequest) -> Contact
}

impl CreateContact {
    pub(super) fn new(client: &ContactsClient, contact: NewContact) -> Self {
        Self(Prepared::new(
            client,
            v1::CreateContactRequest {
                workspace_id: client.workspace().to_owned(),
                contact: Some(contact.into_proto()),
                request_id: String::new(),
            },
        ))
    }

    /// Makes it, and returns it as stored.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}

request! {
    /// From [`Contacts::get`](crate::Contacts::get).
    GetContact(GetContactRequest) -> Contact
}

impl GetContact {
    pub(super) fn new(client: &ContactsClient, person: Person) -> Self {
        Self(Prepared::new(
            client,
            v1::GetContactRequest {
                workspace_id: client.workspace().to_owned(),
                view: ContactView::default().into_proto(),
                recipient: Some(person.into_proto()),
            },
        ))
    }

    /// Sets how much of the contact to read; everything by default.
    pub fn view(mut self, view: ContactView) -> Self {
        self.0.message.view = view.into_proto();
        self
    }

    /// Reads it.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}
