//! Contacts: what may be stored of a person, and how changes apply.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Time;
use super::attribute::{self, AttributeDefinition, AttributeValue, MAX_ATTRIBUTES_PER_CONTACT};
use super::consent::ConsentSummary;
use super::error::{Error, Reason, Result};
use super::filter::Definitions;
use super::phone::{MatchKey, PhoneNumber, WhatsAppUserId};
use super::tag::{self, MAX_TAGS_PER_CONTACT};
use super::text;

/// What a contact is made of, beside its consent. Former and merged ids follow
/// from changes of identity and cannot be sent.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "documented in the API")]
pub struct Profile {
    pub phone_number: Option<PhoneNumber>,
    pub whatsapp_user_id: Option<WhatsAppUserId>,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub tags: BTreeSet<String>,
    pub attributes: BTreeMap<String, AttributeValue>,
    pub former_phone_numbers: Vec<PhoneNumber>,
    pub former_whatsapp_user_ids: Vec<WhatsAppUserId>,
    pub merged_contact_ids: Vec<Uuid>,
}

/// A contact as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Stable for life.
    pub contact_id: Uuid,
    /// The writable part.
    pub profile: Profile,
    /// When it was made.
    pub create_time: Time,
    /// When the profile last changed.
    pub update_time: Time,
    /// Counts the changes of the profile: the etag.
    pub version: i64,
    /// What the person agreed to.
    pub consent: ConsentSummary,
}

impl Contact {
    /// Sent back in a change, it guards against a change in between.
    pub fn etag(&self) -> String {
        etag(self.contact_id, self.version)
    }

    /// Refuses a change meant for another version. Empty matches any.
    pub fn validate_etag(&self, sent: &str) -> Result<()> {
        if sent.is_empty() || sent == self.etag() {
            return Ok(());
        }
        let message = "the contact changed since this etag was read; read it again";
        Err(Error::new(Reason::EtagMismatch, message)
            .with_resource("contact", self.contact_id.to_string()))
    }
}

/// The etag of a contact's version. Who comes after a deleted contact under the
/// same number has another.
pub fn etag(contact_id: Uuid, version: i64) -> String {
    format!("{version}-{:08x}", contact_id.as_u128() as u32)
}

/// One person, as a request names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// By the server's id.
    Id(Uuid),
    /// By phone number or user id.
    Key(MatchKey),
}

/// How much of a contact an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Without email and attributes.
    Basic,
    /// Everything.
    Full,
}

impl Profile {
    /// Checks everything that does not depend on the workspace.
    pub fn validate(&self) -> Result<()> {
        if self.phone_number.is_none() && self.whatsapp_user_id.is_none() {
            let message = "a contact needs a phone_number or a whatsapp_user_id";
            return Err(Error::invalid(Reason::RequiredFieldMissing, "phone_number", message));
        }
        text::validate_field("first_name", &self.first_name, text::NAME)?;
        text::validate_field("last_name", &self.last_name, text::NAME)?;
        if !self.email.is_empty() {
            text::validate_email_field("email", &self.email)?;
        }
        if self.tags.len() > MAX_TAGS_PER_CONTACT {
            return Err(Error::limit("tags", MAX_TAGS_PER_CONTACT, self.tags.len()));
        }
        if self.attributes.len() > MAX_ATTRIBUTES_PER_CONTACT {
            let actual = self.attributes.len();
            return Err(Error::limit("attributes", MAX_ATTRIBUTES_PER_CONTACT, actual));
        }
        self.validate_former_ids()
    }

    /// Checks tags and attributes against the workspace's definitions.
    pub fn validate_against(&self, definitions: &Definitions) -> Result<()> {
        validate_tags(&self.tags, definitions)?;
        for (id, value) in &self.attributes {
            definition(definitions, id)?.validate_value(value)?;
        }
        Ok(())
    }

    /// Sets what `row` has and keeps the rest: how an import merges. The phone
    /// number stays, since another form of it is the same person.
    pub fn merge(&mut self, row: &Self) {
        let keep = |old: &mut String, new: &str| {
            if !new.is_empty() {
                new.clone_into(old);
            }
        };
        keep(&mut self.first_name, &row.first_name);
        keep(&mut self.last_name, &row.last_name);
        keep(&mut self.email, &row.email);
        if let (None, Some(id)) = (&self.whatsapp_user_id, &row.whatsapp_user_id) {
            self.set_whatsapp_user_id(id.clone());
        }
        if let (None, Some(number)) = (self.phone_number, row.phone_number) {
            self.set_phone_number(number);
        }
        self.tags.extend(row.tags.iter().cloned());
        self.attributes
            .extend(row.attributes.iter().map(|(id, value)| (id.clone(), value.clone())));
    }
}

/// The definition of an attribute, or the error that there is none.
pub fn definition<'a>(definitions: &'a Definitions, id: &str) -> Result<&'a AttributeDefinition> {
    definitions
        .attributes
        .get(id)
        .ok_or_else(|| attribute::unknown(id, definitions.attributes.keys().map(String::as_str)))
}

/// Refuses a tag the workspace does not have.
pub fn validate_tags(tags: &BTreeSet<String>, definitions: &Definitions) -> Result<()> {
    match tags.iter().find(|id| !definitions.tags.contains(*id)) {
        Some(missing) => Err(tag::unknown(missing, definitions.tags.iter())),
        None => Ok(()),
    }
}

/// The fields of a contact that an update can set, named as in the API. The
/// phone number is not one of them: an update may repeat it, never change it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "each is the field it names")]
pub enum ContactField {
    FirstName,
    LastName,
    Email,
    Tags,
    Attributes,
    #[strum(serialize = "whatsapp_user_id")]
    WhatsAppUserId,
}

/// A change of a profile, from an update mask.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the field it sets")]
pub enum Change {
    FirstName(String),
    LastName(String),
    Email(String),
    WhatsAppUserId(Option<WhatsAppUserId>),
    Tags(BTreeSet<String>),
    Attributes(BTreeMap<String, AttributeValue>),
    Attribute { id: String, value: Option<AttributeValue> },
}

impl Change {
    /// Applies it.
    pub fn apply(&self, profile: &mut Profile) {
        match self.clone() {
            Self::FirstName(name) => profile.first_name = name,
            Self::LastName(name) => profile.last_name = name,
            Self::Email(email) => profile.email = email,
            Self::WhatsAppUserId(Some(id)) => profile.set_whatsapp_user_id(id),
            Self::WhatsAppUserId(None) => profile.whatsapp_user_id = None,
            Self::Tags(tags) => profile.tags = tags,
            Self::Attributes(attributes) => profile.attributes = attributes,
            Self::Attribute { id, value: Some(value) } => {
                profile.attributes.insert(id, value);
            }
            Self::Attribute { id, value: None } => {
                profile.attributes.remove(&id);
            }
        }
    }
}

/// Checks a phone number from a request.
pub fn parse_phone(field: &str, number: &str) -> Result<PhoneNumber> {
    PhoneNumber::parse(number)
        .map_err(|e| Error::invalid(Reason::InvalidPhoneNumber, field, e.to_string()))
}

/// Checks a user id from a request.
pub fn parse_user_id(field: &str, id: &str) -> Result<WhatsAppUserId> {
    WhatsAppUserId::parse(id)
        .map_err(|e| Error::invalid(Reason::InvalidWhatsappUserId, field, e.to_string()))
}
