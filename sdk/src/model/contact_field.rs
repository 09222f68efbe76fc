use std::fmt;

/// A field of a contact, as update masks name it. Converts into the text that
/// [`MergeContacts::take`](crate::request::MergeContacts::take) takes.
///
/// ```
/// use contacts_sdk::ContactField;
///
/// assert_eq!(ContactField::Attribute("city".to_owned()).to_string(), "attributes.city");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContactField {
    /// `phone_number`
    PhoneNumber,
    /// `whatsapp_user_ids`: all user ids together.
    WhatsAppUserIds,
    /// `external_id`
    ExternalId,
    /// `first_name`
    FirstName,
    /// `last_name`
    LastName,
    /// `email`
    Email,
    /// `tags`: all tags together.
    Tags,
    /// `attributes`: all attributes together.
    Attributes,
    /// `attributes.<id>`: one attribute, by its id.
    Attribute(String),
}

impl fmt::Display for ContactField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PhoneNumber => "phone_number",
            Self::WhatsAppUserIds => "whatsapp_user_ids",
            Self::ExternalId => "external_id",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::Tags => "tags",
            Self::Attributes => "attributes",
            Self::Attribute(id) => return write!(f, "attributes.{id}"),
        })
    }
}

impl From<ContactField> for String {
    fn from(field: ContactField) -> Self {
        field.to_string()
    }
}
