use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{IntoProto, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Contact, ContactView, NewContact, Recipient};

request! {
    /// Request builder, returned by [`Contacts::create`](crate::Contacts::create).
    change CreateContact(CreateContactRequest) -> Contact
}

impl CreateContact {
    pub(super) fn new(handle: &Handle, contact: NewContact) -> Self {
        Self(Prepared::new(
            handle,
            v1::CreateContactRequest {
                workspace_id: handle.workspace_id(),
                contact: Some(contact.into_proto()),
                request_id: String::new(),
            },
        ))
    }

    /// Sends the request. Returns the contact as stored.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}

request! {
    /// Request builder, returned by [`Contacts::get`](crate::Contacts::get).
    GetContact(GetContactRequest) -> Contact
}

impl GetContact {
    pub(super) fn new(handle: &Handle, recipient: Recipient) -> Self {
        Self(Prepared::new(
            handle,
            v1::GetContactRequest {
                workspace_id: handle.workspace_id(),
                view: ContactView::default().into_proto(),
                recipient: Some(recipient.into_proto()),
            },
        ))
    }

    /// Sets which fields to return. Default: all.
    pub fn view(mut self, view: ContactView) -> Self {
        self.0.message.view = view.into_proto();
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}
