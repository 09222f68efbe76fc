use contacts_proto::{FieldMask, v1};

use crate::call::{Prepared, request};
use crate::convert::{IntoProto, present};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::model::{AttributeValue, Contact, ContactField, Recipient};

request! {
    /// Request builder, returned by [`Contacts::update`](crate::Contacts::update). Changes only the
    /// fields that are set.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// let contact = client.contacts().get("15551234567").await?;
    /// client
    ///     .contacts()
    ///     .update(&contact)
    ///     .etag(&contact.etag)
    ///     .first_name("Anna")
    ///     .clear_email()
    ///     .attribute("orders", 4)
    ///     .clear_attribute("city")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    change UpdateContact(UpdateContactRequest) -> Contact
}

impl UpdateContact {
    pub(super) fn new(handle: &Handle, recipient: Recipient) -> Self {
        let mut contact = v1::Contact::default();
        match recipient {
            Recipient::Phone(number) => contact.phone_number = number,
            Recipient::WhatsAppUserId(id) => contact.whatsapp_user_ids = vec![id],
            Recipient::ContactId(id) => contact.contact_id = id,
            Recipient::ExternalId(id) => contact.external_id = id,
        }
        Self(Prepared::new(
            handle,
            v1::UpdateContactRequest {
                workspace_id: handle.workspace_id(),
                contact: Some(contact),
                update_mask: Some(FieldMask::default()),
                ..v1::UpdateContactRequest::default()
            },
        ))
    }

    fn contact(&mut self) -> &mut v1::Contact {
        self.0.message.contact.get_or_insert_default()
    }

    fn paths(&mut self) -> &mut Vec<String> {
        &mut self.0.message.update_mask.get_or_insert_default().paths
    }

    /// Adds the field's path to the mask, unless that path or one above it is there already.
    fn set(mut self, field: ContactField, change: impl FnOnce(&mut v1::Contact)) -> Self {
        let path = field.to_string();
        let covers = |known: &String| *known == path || path.starts_with(&format!("{known}."));
        if !self.paths().iter().any(covers) {
            self.paths().push(path);
        }
        change(self.contact());
        self
    }

    /// Sets the first name: at most 200 characters.
    pub fn first_name(self, name: impl Into<String>) -> Self {
        self.set(ContactField::FirstName, |contact| contact.first_name = name.into())
    }

    /// Clears the first name.
    pub fn clear_first_name(self) -> Self {
        self.first_name("")
    }

    /// Sets the last name: at most 200 characters.
    pub fn last_name(self, name: impl Into<String>) -> Self {
        self.set(ContactField::LastName, |contact| contact.last_name = name.into())
    }

    /// Clears the last name.
    pub fn clear_last_name(self) -> Self {
        self.last_name("")
    }

    /// Sets the email address: at most 254 characters.
    pub fn email(self, address: impl Into<String>) -> Self {
        self.set(ContactField::Email, |contact| contact.email = address.into())
    }

    /// Clears the email address.
    pub fn clear_email(self) -> Self {
        self.email("")
    }

    /// Replaces all of Meta's business-scoped user ids; those left out become former ones. To add one, use
    /// [`Contacts::link_identity`](crate::Contacts::link_identity). The contact must not be selected by
    /// a user id.
    pub fn whatsapp_user_ids(self, ids: impl IntoIterator<Item: Into<String>>) -> Self {
        let ids = ids.into_iter().map(Into::into).collect();
        self.set(ContactField::WhatsAppUserIds, |contact| contact.whatsapp_user_ids = ids)
    }

    /// Sets or changes the business's own id of the person. The contact must not be selected by it.
    pub fn external_id(self, id: impl Into<String>) -> Self {
        self.set(ContactField::ExternalId, |contact| contact.external_id = id.into())
    }

    /// Clears the business's own id of the person.
    pub fn clear_external_id(self) -> Self {
        self.external_id("")
    }

    /// Replaces all tags. To add or remove single tags, use
    /// [`Contacts::update_tags`](crate::Contacts::update_tags).
    pub fn tags(self, tag_ids: impl IntoIterator<Item: Into<String>>) -> Self {
        let tags = tag_ids.into_iter().map(Into::into).collect();
        self.set(ContactField::Tags, |contact| contact.tags = tags)
    }

    /// Sets one attribute. The other attributes do not change.
    pub fn attribute(
        self,
        attribute_id: impl Into<String>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        let id = attribute_id.into();
        self.set(ContactField::Attribute(id.clone()), |contact| {
            contact.attributes.insert(id, value.into().into_proto());
        })
    }

    /// Clears one attribute. The other attributes do not change.
    pub fn clear_attribute(self, attribute_id: impl Into<String>) -> Self {
        let id = attribute_id.into();
        self.set(ContactField::Attribute(id.clone()), |contact| {
            contact.attributes.remove(&id);
        })
    }

    /// Replaces all attributes.
    pub fn replace_attributes<K: Into<String>, V: Into<AttributeValue>>(
        mut self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.paths().retain(|path| !path.starts_with("attributes."));
        let attributes = attributes.into_iter();
        let attributes =
            attributes.map(|(id, value)| (id.into(), value.into().into_proto())).collect();
        self.set(ContactField::Attributes, |contact| contact.attributes = attributes)
    }

    /// Makes the call fail with [`is_etag_mismatch`](crate::Error::is_etag_mismatch) if the profile has
    /// changed since it had this etag.
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.contact().etag = etag.into();
        self
    }

    /// Sets whether to create the contact if it does not exist. Default: false.
    pub fn allow_missing(mut self, allow: bool) -> Self {
        self.0.message.allow_missing = allow;
        self
    }

    /// Sends the request. Returns the contact as stored.
    ///
    /// Fails with [`is_invalid_argument`](crate::Error::is_invalid_argument), without being sent, if it
    /// changes the user ids of a contact that is selected by a user id, or the external id of one that is
    /// selected by it: the message has room for only one of them.
    pub async fn send(mut self) -> Result<Contact> {
        let changes = |path: &str| {
            let changes_ids = path == ContactField::WhatsAppUserIds.to_string();
            changes_ids || path == ContactField::ExternalId.to_string()
        };
        let changes_name = self.paths().iter().any(|path| changes(path));
        let contact = self.contact();
        if changes_name && contact.contact_id.is_empty() && contact.phone_number.is_empty() {
            return Err(Error::invalid_argument(
                "select the contact by its id or phone number to change its user ids or external id",
            ));
        }
        present(self.0.send().await?.contact)
    }
}
