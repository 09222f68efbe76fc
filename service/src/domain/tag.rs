//! Tags: labels with an immutable id and a display name that can change.

use super::Time;
use super::error::{Error, Reason, Result};
use super::filter::Definitions;
use super::{ids, text};

/// Maximum number of tags in a workspace.
pub const MAX_TAGS: usize = 10_000;
/// Maximum number of tags on one contact.
pub const MAX_TAGS_PER_CONTACT: usize = 100;

/// A tag as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// `[a-z][a-z0-9_]{0,62}`.
    pub tag_id: String,
    /// Free text.
    pub display_name: String,
    /// Free text.
    pub description: String,
    /// `#rrggbb` or empty.
    pub color: String,
    /// Creation time.
    pub create_time: Time,
    /// Time of the last change.
    pub update_time: Time,
}

/// The fields of a tag that an update can set, named as in the API.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "each is the field it names")]
pub enum TagField {
    DisplayName,
    Description,
    Color,
}

impl Tag {
    /// Creates a tag that has only an id, as imports do for missing tags.
    pub fn bare(tag_id: &str, now: Time) -> Self {
        Self {
            tag_id: tag_id.to_owned(),
            display_name: tag_id.to_owned(),
            description: String::new(),
            color: String::new(),
            create_time: now,
            update_time: now,
        }
    }

    /// Validates a new tag, filling in an empty id or display name from the other.
    pub fn completed(mut self) -> Result<Self> {
        if self.tag_id.is_empty() {
            self.tag_id = derive_id("tag_id", &self.display_name)?;
        }
        ids::validate_slug("tag_id", &self.tag_id)?;
        if self.display_name.is_empty() {
            self.display_name.clone_from(&self.tag_id);
        }
        self.validate()?;
        Ok(self)
    }

    /// Validates the fields that can change: names, description and color.
    pub fn validate(&self) -> Result<()> {
        text::validate_field("display_name", &self.display_name, text::DISPLAY_NAME)?;
        text::validate_field("description", &self.description, text::DESCRIPTION)?;
        let hex =
            |color: &str| color.len() == 7 && color[1..].bytes().all(|b| b.is_ascii_hexdigit());
        let is_color = self.color.starts_with('#') && hex(&self.color);
        if !(self.color.is_empty() || is_color) {
            let message = "color has to be #rrggbb, such as #25d366, or empty";
            return Err(Error::invalid(Reason::InvalidArgument, "color", message));
        }
        Ok(())
    }
}

/// Derives an id from a display name.
pub fn derive_id(field: &'static str, display_name: &str) -> Result<String> {
    if display_name.is_empty() {
        return Err(
            Error::required(field).with_advice("or send display_name, from which it is made")
        );
    }
    ids::slug(display_name).ok_or_else(|| {
        let message = format!("no id can be made from this display_name; send {field} too");
        Error::invalid(Reason::RequiredFieldMissing, field, message)
    })
}

/// Whether two display names are equal, ignoring case and surrounding spaces.
pub fn same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// The error for a tag that does not exist. Suggests the most similar one.
pub fn unknown(tag_id: &str, definitions: &Definitions) -> Error {
    let suggestion = ids::closest_within(&definitions.suggestions, tag_id, definitions.tags.iter());
    let hint = match suggestion {
        Some(close) => format!("did you mean {close}? "),
        None => String::new(),
    };
    let shown: String = tag_id.chars().take(64).collect();
    let advice = match ids::validate_slug("the id of a tag", tag_id) {
        Ok(()) => "create it with TagService.CreateTag".to_owned(),
        Err(error) => error.message().to_owned(),
    };
    let message = format!("unknown tag {shown:?}; {hint}{advice}");
    let error = Error::invalid(Reason::UnknownTag, "tags", message).with_metadata("tag_id", shown);
    match suggestion {
        Some(close) => error.with_metadata("suggestion", close),
        None => error,
    }
}
