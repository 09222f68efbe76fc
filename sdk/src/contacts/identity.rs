use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{IntoProto, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Contact, Recipient};

request! {
    /// From [`Contacts::link_identity`](crate::Contacts::link_identity).
    change LinkIdentity(LinkIdentityRequest) -> Contact
}

impl LinkIdentity {
    pub(super) fn new(handle: &Handle, recipient: Recipient) -> Self {
        Self(Prepared::new(
            handle,
            v1::LinkIdentityRequest {
                workspace_id: handle.workspace_id(),
                recipient: Some(recipient.into_proto()),
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

request! {
    /// From [`Contacts::merge`](crate::Contacts::merge).
    change MergeContacts(MergeContactsRequest) -> Contact
}

impl MergeContacts {
    pub(super) fn new(handle: &Handle, survivor: Recipient, merged: Recipient) -> Self {
        Self(Prepared::new(
            handle,
            v1::MergeContactsRequest {
                workspace_id: handle.workspace_id(),
                survivor: Some(survivor.into_proto()),
                merged: Some(merged.into_proto()),
                ..v1::MergeContactsRequest::default()
            },
        ))
    }

    /// Names fields whose values are taken from the contact that goes, where it has them:
    /// `phone_number`, `whatsapp_user_id`, `first_name`, `last_name`, `email`, `tags`, `attributes`
    /// or `attributes.<id>`.
    pub fn take(mut self, paths: impl IntoIterator<Item: Into<String>>) -> Self {
        let mask = self.0.message.take_mask.get_or_insert_default();
        mask.paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Leaves the survivor's tags as they are; otherwise it gets those of both.
    pub fn keep_survivor_tags(mut self) -> Self {
        self.0.message.keep_survivor_tags = true;
        self
    }

    /// Refuses the change if the survivor's profile is no longer the one with this etag: see
    /// [`is_etag_mismatch`](crate::Error::is_etag_mismatch).
    pub fn survivor_etag(mut self, etag: impl Into<String>) -> Self {
        self.0.message.survivor_etag = etag.into();
        self
    }

    /// The same for the contact that goes.
    pub fn merged_etag(mut self, etag: impl Into<String>) -> Self {
        self.0.message.merged_etag = etag.into();
        self
    }

    /// Joins them, and returns the survivor as stored.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}
