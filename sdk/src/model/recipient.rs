use super::Contact;

/// Selects a person in a request.
///
/// Text converts into a phone number, and a [`Contact`] into its id:
///
/// ```
/// use contacts_sdk::Recipient;
///
/// assert_eq!(Recipient::from("15551234567"), Recipient::phone("15551234567"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recipient {
    /// A phone number with its country code, such as `15551234567`. The server ignores `+`, spaces,
    /// dashes, dots and parentheses. Any equivalent form, and any former number, matches.
    Phone(String),
    /// Meta's business-scoped user id, for people who hide their phone number. A former id matches too.
    WhatsAppUserId(String),
    /// The contact's id. The id of a merged contact matches the survivor.
    ContactId(String),
    /// The business's own id of the contact. That of a merged contact matches the survivor.
    ExternalId(String),
}

impl Recipient {
    /// Selects a person by phone number.
    pub fn phone(number: impl Into<String>) -> Self {
        Self::Phone(number.into())
    }

    /// Selects a person by Meta's business-scoped user id.
    pub fn whatsapp_user_id(id: impl Into<String>) -> Self {
        Self::WhatsAppUserId(id.into())
    }

    /// Selects a contact by the business's own id.
    pub fn external_id(id: impl Into<String>) -> Self {
        Self::ExternalId(id.into())
    }

    /// Selects a contact by its id.
    pub fn contact_id(id: impl Into<String>) -> Self {
        Self::ContactId(id.into())
    }
}

impl From<&str> for Recipient {
    fn from(phone_number: &str) -> Self {
        Self::phone(phone_number)
    }
}

impl From<&&str> for Recipient {
    fn from(phone_number: &&str) -> Self {
        Self::phone(*phone_number)
    }
}

impl From<String> for Recipient {
    fn from(phone_number: String) -> Self {
        Self::phone(phone_number)
    }
}

impl From<&String> for Recipient {
    fn from(phone_number: &String) -> Self {
        Self::phone(phone_number)
    }
}

impl From<&Recipient> for Recipient {
    fn from(recipient: &Recipient) -> Self {
        recipient.clone()
    }
}

impl From<&Contact> for Recipient {
    fn from(contact: &Contact) -> Self {
        Self::contact_id(&contact.contact_id)
    }
}
