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
            Recipient::WhatsAppUserId(id) => contact.whatsapp_user_id = id,
            Recipient::ContactId(id) => contact.contact_id = id,
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

    /// Sets Meta's business-scoped user id. The contact must be selected by its id or phone number.
    pub fn whatsapp_user_id(self, id: impl Into<String>) -> Self {
        self.set(ContactField::WhatsAppUserId, |contact| contact.whatsapp_user_id = id.into())
    }

    /// Clears Meta's business-scoped user id. The contact must be selected by its id or phone number.
    pub fn clear_whatsapp_user_id(self) -> Self {
        self.whatsapp_user_id("")
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
    /// changes the user id of a contact that is selected by its user id: the message has room for only
    /// one of them.
    pub async fn send(mut self) -> Result<Contact> {
        let changes_user_id =
            self.paths().iter().any(|path| *path == ContactField::WhatsAppUserId.to_string());
        let contact = self.contact();
        if changes_user_id && contact.contact_id.is_empty() && contact.phone_number.is_empty() {
            return Err(Error::invalid_argument(
                "select the contact by its id or phone number to change its user id",
            ));
        }
        present(self.0.send().await?.contact)
    }
}
