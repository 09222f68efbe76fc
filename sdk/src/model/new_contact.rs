use std::collections::BTreeMap;

use super::AttributeValue;

/// A contact to create or import.
///
/// A phone number or a user id is required, unless an import names an existing contact by its external
/// id. The server validates the values. To record consent, use
/// [`OptIn::record_opt_in`](crate::OptIn::record_opt_in).
///
/// ```
/// use contacts_sdk::NewContact;
///
/// let ana = NewContact::new()
///     .phone("+55 11 98765-4321")
///     .first_name("Ana")
///     .tag("vip")
///     .attribute("city", "São Paulo")
///     .attribute("orders", 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct NewContact {
    pub(crate) phone_number: String,
    pub(crate) whatsapp_user_ids: Vec<String>,
    pub(crate) external_id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) tags: Vec<String>,
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
}

impl NewContact {
    /// Creates a contact with every field empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the phone number: 7 to 15 digits, starting with the country code. The server removes `+`,
    /// spaces, dashes, dots and parentheses. Unique in the workspace.
    pub fn phone(mut self, number: impl Into<String>) -> Self {
        self.phone_number = number.into();
        self
    }

    /// Adds one of Meta's business-scoped user ids. Each is unique in the workspace. At most 20.
    pub fn whatsapp_user_id(mut self, id: impl Into<String>) -> Self {
        self.whatsapp_user_ids.push(id.into());
        self
    }

    /// Sets the business's own id of the person: at most 255 characters. Unique in the workspace.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = id.into();
        self
    }

    /// Sets the first name: at most 200 characters.
    pub fn first_name(mut self, name: impl Into<String>) -> Self {
        self.first_name = name.into();
        self
    }

    /// Sets the last name: at most 200 characters.
    pub fn last_name(mut self, name: impl Into<String>) -> Self {
        self.last_name = name.into();
        self
    }

    /// Sets the email address: at most 254 characters.
    pub fn email(mut self, address: impl Into<String>) -> Self {
        self.email = address.into();
        self
    }

    /// Adds a tag by its id. The tag must exist. At most 100.
    pub fn tag(mut self, tag_id: impl Into<String>) -> Self {
        self.tags.push(tag_id.into());
        self
    }

    /// Adds tags by their ids.
    pub fn tags(mut self, tag_ids: impl IntoIterator<Item: Into<String>>) -> Self {
        self.tags.extend(tag_ids.into_iter().map(Into::into));
        self
    }

    /// Sets the value of an attribute. The attribute must exist, and the value must match its type. At
    /// most 100.
    pub fn attribute(
        mut self,
        attribute_id: impl Into<String>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        self.attributes.insert(attribute_id.into(), value.into());
        self
    }
}
