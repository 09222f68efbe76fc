//! Contacts: the fields of a profile, their validation, and changes to them.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Time;
use super::attribute::{
    self, AttributeDefinition, AttributeValue, MAX_ATTRIBUTE_BYTES_PER_CONTACT,
    MAX_ATTRIBUTES_PER_CONTACT,
};
use super::error::{Error, Reason, Result};
use super::external_id::ExternalId;
use super::filter::Definitions;
use super::identity::MAX_USER_IDS;
use super::phone::{MatchKey, PhoneNumber, WhatsAppUserId};
use super::tag::{self, MAX_TAGS_PER_CONTACT};
use super::text;

/// The fields of a contact, except its consent. Former and merged ids are set by the server, when the
/// identity of the contact changes.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields are documented in contact.proto")]
pub struct Profile {
    pub phone_number: Option<PhoneNumber>,
    pub whatsapp_user_ids: Vec<WhatsAppUserId>,
    pub external_id: Option<ExternalId>,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub tags: BTreeSet<String>,
    pub attributes: BTreeMap<String, AttributeValue>,
    pub former_phone_numbers: Vec<PhoneNumber>,
    pub former_whatsapp_user_ids: Vec<WhatsAppUserId>,
    pub merged_contact_ids: Vec<Uuid>,
    pub merged_external_ids: Vec<ExternalId>,
}

/// A contact as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Id of the contact. It never changes.
    pub contact_id: Uuid,
    /// The fields that callers write.
    pub profile: Profile,
    /// Creation time.
    pub create_time: Time,
    /// Time of the profile's last change.
    pub update_time: Time,
    /// Number of changes of the profile, for the etag.
    pub version: i64,
}

impl Contact {
    /// Its id, and those of the contacts that were merged into it.
    pub fn all_ids(&self) -> impl Iterator<Item = Uuid> {
        std::iter::once(self.contact_id).chain(self.profile.merged_contact_ids.iter().copied())
    }

    /// The etag. A caller that sends it back with a change is protected from overwriting a concurrent
    /// change.
    pub fn etag(&self) -> String {
        etag(self.contact_id, self.version)
    }

    /// Rejects an etag of another version. An empty etag matches every version.
    pub fn validate_etag(&self, sent: &str) -> Result<()> {
        if sent.is_empty() || sent == self.etag() {
            return Ok(());
        }
        let message = "the contact changed since this etag was read; read it again";
        Err(Error::new(Reason::EtagMismatch, message)
            .with_resource("contact", self.contact_id.to_string()))
    }
}

/// The etag of a version of a contact. It contains part of the contact id, so that it differs from
/// that of a contact that was deleted and created again.
pub fn etag(contact_id: Uuid, version: i64) -> String {
    format!("{version}-{:08x}", contact_id.as_u128() as u32)
}

/// Identifies a person in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A contact id.
    Id(Uuid),
    /// A phone number or WhatsApp user id.
    Key(MatchKey),
    /// The business's own id of a contact.
    ExternalId(ExternalId),
}

impl Recipient {
    /// The key, if a phone number or user id names the person, who need not be a contact.
    pub fn key(&self) -> Option<&MatchKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Id(_) | Self::ExternalId(_) => None,
        }
    }
}

/// Which fields of a contact a response contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All fields but email, attributes, and former and merged ids.
    Basic,
    /// All fields.
    Full,
}

impl Profile {
    /// Validates everything that does not depend on the workspace's definitions.
    pub fn validate(&self) -> Result<()> {
        self.validate_identity()?;
        self.validate_fields()
    }

    /// Refuses a contact without a phone number or user id.
    pub fn validate_identity(&self) -> Result<()> {
        if self.phone_number.is_none() && self.whatsapp_user_ids.is_empty() {
            let message = "a contact needs a phone_number or whatsapp_user_ids";
            return Err(Error::invalid(Reason::RequiredFieldMissing, "phone_number", message));
        }
        Ok(())
    }

    /// Validates the rest, which is all there has to be of what an external id names.
    pub fn validate_fields(&self) -> Result<()> {
        if self.whatsapp_user_ids.len() > MAX_USER_IDS {
            let actual = self.whatsapp_user_ids.len();
            return Err(Error::limit("whatsapp_user_ids", MAX_USER_IDS, actual));
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
        // All of a contact is in memory where any of it is read, beside up to 1000 others.
        let bytes: usize = self.attributes.values().map(AttributeValue::text_bytes).sum();
        if bytes > MAX_ATTRIBUTE_BYTES_PER_CONTACT {
            let unit = " bytes of text in all";
            return Err(Error::limit_of(
                "attributes",
                unit,
                MAX_ATTRIBUTE_BYTES_PER_CONTACT,
                bytes,
            ));
        }
        self.validate_merged_ids()
    }

    /// Validates tags and attributes against the workspace's definitions.
    pub fn validate_against(&self, definitions: &Definitions) -> Result<()> {
        validate_tags(&self.tags, definitions)?;
        for (id, value) in &self.attributes {
            definition(definitions, id)?.validate_value(value)?;
        }
        Ok(())
    }

    /// Whether to [`merge`](Self::merge) an import row changes nothing, as of rows that are imported
    /// again. `false` may be wrong.
    pub fn has_all_of(&self, row: &Self) -> bool {
        let keeps = |old: &str, new: &str| new.is_empty() || old == new;
        let key = |profile: &Self| profile.phone_number.map(|number| number.match_key());
        (row.phone_number.is_none() || key(self) == key(row))
            && row.whatsapp_user_ids.iter().all(|id| self.whatsapp_user_ids.contains(id))
            && (row.external_id.is_none() || self.external_id == row.external_id)
            && keeps(&self.first_name, &row.first_name)
            && keeps(&self.last_name, &row.last_name)
            && keeps(&self.email, &row.email)
            && row.tags.is_subset(&self.tags)
            && row.attributes.iter().all(|(id, value)| self.attributes.get(id) == Some(value))
    }

    /// Merges an import row: sets the fields that `row` has and keeps the rest. The phone number stays,
    /// because the row may have another form of it.
    pub fn merge(&mut self, row: &Self) {
        let keep = |old: &mut String, new: &str| {
            if !new.is_empty() {
                new.clone_into(old);
            }
        };
        keep(&mut self.first_name, &row.first_name);
        keep(&mut self.last_name, &row.last_name);
        keep(&mut self.email, &row.email);
        for id in &row.whatsapp_user_ids {
            self.add_whatsapp_user_id(id.clone());
        }
        if let (None, Some(id)) = (&self.external_id, &row.external_id) {
            self.set_external_id(Some(id.clone()));
        }
        if let (None, Some(number)) = (self.phone_number, row.phone_number) {
            self.set_phone_number(number);
        }
        self.tags.extend(row.tags.iter().cloned());
        self.attributes
            .extend(row.attributes.iter().map(|(id, value)| (id.clone(), value.clone())));
    }
}

/// Returns the definition of an attribute.
///
/// # Errors
/// UNKNOWN_ATTRIBUTE if the workspace does not define it.
pub fn definition<'a>(definitions: &'a Definitions, id: &str) -> Result<&'a AttributeDefinition> {
    definitions.attributes.get(id).ok_or_else(|| attribute::unknown(id, definitions))
}

/// Rejects tags that the workspace does not define.
pub fn validate_tags(tags: &BTreeSet<String>, definitions: &Definitions) -> Result<()> {
    match tags.iter().find(|id| !definitions.tags.contains(*id)) {
        Some(missing) => Err(tag::unknown(missing, definitions)),
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
    #[strum(serialize = "whatsapp_user_ids")]
    WhatsAppUserIds,
    ExternalId,
}

/// A change of a profile, from an update mask.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the field it sets")]
pub enum Change {
    FirstName(String),
    LastName(String),
    Email(String),
    /// Those left out become former ones.
    WhatsAppUserIds(Vec<WhatsAppUserId>),
    AddWhatsAppUserIds(Vec<WhatsAppUserId>),
    ExternalId(Option<ExternalId>),
    Tags(BTreeSet<String>),
    Attributes(BTreeMap<String, AttributeValue>),
    Attribute {
        id: String,
        value: Option<AttributeValue>,
    },
}

impl Change {
    /// Applies it.
    pub fn apply(&self, profile: &mut Profile) {
        match self.clone() {
            Self::FirstName(name) => profile.first_name = name,
            Self::LastName(name) => profile.last_name = name,
            Self::Email(email) => profile.email = email,
            Self::WhatsAppUserIds(ids) => profile.set_whatsapp_user_ids(ids),
            Self::AddWhatsAppUserIds(ids) => {
                ids.into_iter().for_each(|id| profile.add_whatsapp_user_id(id));
            }
            Self::ExternalId(id) => profile.set_external_id(id),
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

/// Parses a phone number of a request.
pub fn parse_phone(field: &str, number: &str) -> Result<PhoneNumber> {
    PhoneNumber::parse(number)
        .map_err(|e| Error::invalid(Reason::InvalidPhoneNumber, field, e.to_string()))
}

/// Parses a WhatsApp user id of a request.
pub fn parse_user_id(field: &str, id: &str) -> Result<WhatsAppUserId> {
    WhatsAppUserId::parse(id)
        .map_err(|e| Error::invalid(Reason::InvalidWhatsappUserId, field, e.to_string()))
}

#[cfg(test)]
mod tests;
