//! Custom attributes: definitions with a type, and validation of values.

use strum::{EnumString, IntoStaticStr};

use super::error::{Error, Reason, Result};
use super::filter::Definitions;
use super::{Time, ids, tag, text};

/// Maximum number of attribute definitions in a workspace.
pub const MAX_ATTRIBUTES: usize = 500;
/// Maximum number of attributes of one contact.
pub const MAX_ATTRIBUTES_PER_CONTACT: usize = 100;
/// Maximum size of the values of the attributes of one contact, in bytes of text.
pub const MAX_ATTRIBUTE_BYTES_PER_CONTACT: usize = 64 << 10;
/// Maximum number of options of an ENUM attribute.
pub const MAX_ENUM_OPTIONS: usize = 200;

/// Reserved ids: consent is recorded with OptInService and not as an attribute. An id is reserved with
/// or without underscores and with any of [`CONSENT_PREFIXES`].
const CONSENT_IDS: [&str; 10] = [
    "optin",
    "optedin",
    "optout",
    "optedout",
    "optinstatus",
    "consent",
    "consented",
    "subscribed",
    "unsubscribed",
    "unsubscribe",
];
const CONSENT_PREFIXES: [&str; 6] = ["is_", "has_", "whatsapp_", "wa_", "marketing_", "utility_"];

/// Whether an id means consent, such as `opted_in` or `is_subscribed`.
fn stands_for_consent(attribute_id: &str) -> bool {
    let stripped = CONSENT_PREFIXES.iter().find_map(|prefix| attribute_id.strip_prefix(prefix));
    let id = stripped.unwrap_or(attribute_id).replace('_', "");
    CONSENT_IDS.contains(&id.as_str())
}

/// The type of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum AttributeType {
    /// Free text.
    String,
    /// A finite double.
    Number,
    /// True or false.
    Boolean,
    /// A timestamp.
    Timestamp,
    /// One of the definition's options.
    Enum,
}

impl AttributeType {
    /// The name of the type in the API, without the enum's prefix: `STRING`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// An example of a value in JSON, for error messages.
    fn example(self) -> &'static str {
        match self {
            Self::String => r#"{"string": "text"}"#,
            Self::Number => r#"{"number": 12.5}"#,
            Self::Boolean => r#"{"bool": true}"#,
            Self::Timestamp => r#"{"timestamp": "2026-01-31T00:00:00Z"}"#,
            Self::Enum => r#"{"string": "one of its options"}"#,
        }
    }
}

/// The definition of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeDefinition {
    /// `[a-z][a-z0-9_]{0,62}`.
    pub attribute_id: String,
    /// Free text.
    pub display_name: String,
    /// Type of the values. It never changes.
    pub attribute_type: AttributeType,
    /// Allowed values of an ENUM; empty for other types.
    pub enum_options: Vec<String>,
    /// Free text.
    pub description: String,
    /// Creation time.
    pub create_time: Time,
    /// Time of the last change.
    pub update_time: Time,
}

/// The fields of a definition that an update can set, named as in the API.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "each is the field it names")]
pub enum AttributeField {
    DisplayName,
    Description,
    EnumOptions,
}

/// The value of an attribute of a contact.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// STRING and ENUM.
    String(String),
    /// NUMBER.
    Number(f64),
    /// BOOLEAN.
    Boolean(bool),
    /// TIMESTAMP.
    Timestamp(Time),
}

impl AttributeValue {
    /// The size of the text, 0 for what is none.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Number(_) | Self::Boolean(_) | Self::Timestamp(_) => 0,
        }
    }
}

impl AttributeDefinition {
    /// Validates a new definition, filling in an empty id or display name from the other.
    pub fn completed(mut self) -> Result<Self> {
        if self.attribute_id.is_empty() {
            self.attribute_id = tag::derive_id("attribute_id", &self.display_name)?;
        }
        ids::validate_slug("attribute_id", &self.attribute_id)?;
        if stands_for_consent(&self.attribute_id) {
            let message = format!(
                "{} stands for consent, which is no attribute: record it with \
                 OptInService.RecordOptIn and RecordOptOut, or the consent block of an import",
                self.attribute_id
            );
            return Err(Error::invalid(Reason::ReservedId, "attribute_id", message)
                .with_metadata("id", self.attribute_id));
        }
        if self.display_name.is_empty() {
            self.display_name.clone_from(&self.attribute_id);
        }
        self.validate()?;
        Ok(self)
    }

    /// Validates the fields that can change: names, description and options.
    pub fn validate(&self) -> Result<()> {
        text::validate_field("display_name", &self.display_name, text::DISPLAY_NAME)?;
        text::validate_field("description", &self.description, text::DESCRIPTION)?;
        let options = &self.enum_options;
        if (self.attribute_type == AttributeType::Enum) == options.is_empty() {
            let message = "enum_options go with type ENUM: at least one there, none elsewhere";
            return Err(Error::invalid(Reason::InvalidArgument, "enum_options", message));
        }
        if options.len() > MAX_ENUM_OPTIONS {
            return Err(Error::limit("enum_options", MAX_ENUM_OPTIONS, options.len()));
        }
        for (index, option) in options.iter().enumerate() {
            text::validate_field("enum_options", option, text::DISPLAY_NAME)?;
            if option.is_empty() || options[..index].contains(option) {
                let message = "enum_options have to be non-empty and different";
                return Err(Error::invalid(Reason::InvalidArgument, "enum_options", message));
            }
        }
        Ok(())
    }

    /// Validates a value against this definition.
    pub fn validate_value(&self, value: &AttributeValue) -> Result<()> {
        let field = || format!("attributes.{}", self.attribute_id);
        match (self.attribute_type, value) {
            (AttributeType::String, AttributeValue::String(string)) => {
                text::validate(string, text::ATTRIBUTE_STRING)
                    .map_err(|error| error.into_error(&field()))
            }
            (AttributeType::Number, AttributeValue::Number(number)) if number.is_finite() => Ok(()),
            (AttributeType::Boolean, AttributeValue::Boolean(_))
            | (AttributeType::Timestamp, AttributeValue::Timestamp(_)) => Ok(()),
            (AttributeType::Enum, AttributeValue::String(option)) => {
                if self.enum_options.contains(option) {
                    return Ok(());
                }
                let options = shortened(&self.enum_options);
                let message = format!("{} has to be one of: {options}", field());
                Err(Error::invalid(Reason::InvalidEnumOption, field(), message)
                    .with_metadata("attribute_id", &self.attribute_id)
                    .with_metadata("options", options))
            }
            (expected, _) => {
                let message = format!(
                    "{} is of type {}: send {}",
                    field(),
                    expected.name(),
                    expected.example()
                );
                Err(Error::invalid(Reason::WrongAttributeType, field(), message)
                    .with_metadata("attribute_id", &self.attribute_id)
                    .with_metadata("expected_type", expected.name()))
            }
        }
    }
}

/// Lists options for an error message, truncated to a few hundred bytes.
fn shortened(options: &[String]) -> String {
    let mut shown = String::new();
    for option in options {
        if shown.len() + option.len() > 400 {
            shown.push_str(", …");
            break;
        }
        if !shown.is_empty() {
            shown.push_str(", ");
        }
        shown.push_str(option);
    }
    shown
}

/// The error for an attribute that is not defined. Suggests the most similar one.
pub fn unknown(attribute_id: &str, definitions: &Definitions) -> Error {
    let shown: String = attribute_id.chars().take(64).collect();
    let field = format!("attributes.{shown}");
    if stands_for_consent(attribute_id) {
        let message = format!(
            "{shown} stands for consent, which is no attribute: record it with OptInService, \
             or the consent block of an import"
        );
        return Error::invalid(Reason::ReservedId, field, message).with_metadata("id", shown);
    }
    let known = definitions.attributes.keys();
    let suggestion = ids::closest_within(&definitions.suggestions, attribute_id, known);
    let hint = match suggestion {
        Some(close) => format!("did you mean {close}? "),
        None => String::new(),
    };
    let message = format!(
        "unknown attribute {shown:?}; {hint}define it with AttributeService.CreateAttribute"
    );
    let error = Error::invalid(Reason::UnknownAttribute, field, message)
        .with_metadata("attribute_id", shown);
    match suggestion {
        Some(close) => error.with_metadata("suggestion", close),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_mean_consent_are_reserved() {
        for id in [
            "opted_in",
            "opt_in",
            "optin",
            "opted_out",
            "opt_out",
            "optout",
            "consent",
            "subscribed",
            "unsubscribed",
            "is_subscribed",
            "whatsapp_opt_in",
            "marketing_consent",
        ] {
            assert!(stands_for_consent(id), "{id}");
        }
        for id in [
            "city",
            "newsletter",
            "subscription",
            "consent_form_url",
            "option",
            "opt_in_page",
            "marketing",
            "subscribed_plan",
        ] {
            assert!(!stands_for_consent(id), "{id}");
        }
    }
}
