use super::Contact;

/// Names one person in a request (the contract's `Recipient`).
///
/// Text converts into a phone number, a [`Contact`] into its id:
///
/// ```
/// use contacts_sdk::Recipient;
///
/// assert_eq!(Recipient::from("15551234567"), Recipient::phone("15551234567"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recipient {
    /// A phone number with the country code: `15551234567`; a `+`, spaces, dashes, dots and
    /// parentheses are ignored. Any form of the number finds the person.
    Phone(String),
    /// Meta's business-scoped user id, for people whose phone number is hidden.
    WhatsAppUserId(String),
    /// The id the server gave the contact.
    ContactId(String),
}

impl Recipient {
    /// Names a person by phone number.
    pub fn phone(number: impl Into<String>) -> Self {
        Self::Phone(number.into())
    }

    /// Names a person by Meta's business-scoped user id.
    pub fn whatsapp_user_id(id: impl Into<String>) -> Self {
        Self::WhatsAppUserId(id.into())
    }

    /// Names a contact by its id.
    pub fn contact_id(id: impl Into<String>) -> Self {
        Self::ContactId(id.into())
    }
}

impl From<&str> for Recipient {
    fn from(phone_number: &str) -> Self {
        Self::phone(phone_number)
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
