use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{IntoProto, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Contact, Evidence, OptInSource, Recipient};

request! {
    /// Request builder, returned by [`Contacts::link_identity`](crate::Contacts::link_identity).
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

    /// Sets the new phone number, which replaces the one there is.
    pub fn phone(mut self, number: impl Into<String>) -> Self {
        self.0.message.new_phone_number = number.into();
        self
    }

    /// Sets the new user id. It is added to those there are, unless it [`replaces`](Self::replaces) one.
    pub fn whatsapp_user_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.new_whatsapp_user_id = id.into();
        self
    }

    /// Names the user id that the new one replaces. It becomes a former one.
    pub fn replaces(mut self, user_id: impl Into<String>) -> Self {
        self.0.message.replaces = user_id.into();
        self
    }

    /// Carries the opt-ins of the replaced identity over to the new one: the person said so, or Meta's
    /// system message says that it is the same user ([`OptInSource::Platform`]).
    pub fn carry_opt_in(mut self, source: OptInSource, evidence: Evidence) -> Self {
        self.0.message.carry_opt_in = true;
        self.0.message.source = source.into_proto();
        self.0.message.evidence = Some(evidence.into_proto());
        self
    }

    /// Removes a former phone number, or a user id, that no longer belongs to the person. An opt-out remains
    /// in effect for its next holder.
    pub fn release(mut self, number_or_id: impl Into<String>) -> Self {
        self.0.message.release.push(number_or_id.into());
        self
    }

    /// Makes the call fail with [`is_etag_mismatch`](crate::Error::is_etag_mismatch) if the profile has
    /// changed since it had this etag.
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.0.message.etag = etag.into();
        self
    }

    /// Sends the request. Returns the contact as stored.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}

request! {
    /// Request builder, returned by [`Contacts::merge`](crate::Contacts::merge).
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

    /// Adds fields to take from the merged contact, where it has a value: a
    /// [`ContactField`](crate::ContactField), or its path as text.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::ContactField;
    ///
    /// let merge = client.contacts().merge("15551234567", "15557654321");
    /// merge.take([ContactField::Email, ContactField::Attribute("city".into())]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn take(mut self, paths: impl IntoIterator<Item: Into<String>>) -> Self {
        let mask = self.0.message.take_mask.get_or_insert_default();
        mask.paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Keeps the survivor's tags unchanged instead of adding those of the merged contact.
    pub fn keep_survivor_tags(mut self) -> Self {
        self.0.message.keep_survivor_tags = true;
        self
    }

    /// Makes the call fail with [`is_etag_mismatch`](crate::Error::is_etag_mismatch) if the survivor's
    /// profile has changed since it had this etag.
    pub fn survivor_etag(mut self, etag: impl Into<String>) -> Self {
        self.0.message.survivor_etag = etag.into();
        self
    }

    /// The same as [`survivor_etag`](Self::survivor_etag), for the merged contact.
    pub fn merged_etag(mut self, etag: impl Into<String>) -> Self {
        self.0.message.merged_etag = etag.into();
        self
    }

    /// Sends the request. Returns the survivor as stored.
    pub async fn send(self) -> Result<Contact> {
        present(self.0.send().await?.contact)
    }
}
