//! The id by which the business itself knows a person, such as its customer number.

use std::fmt;

use super::error::{Error, Reason, Result};
use super::text::{self, TextLimit};

/// Maximum length of an external id, in characters.
pub const MAX_EXTERNAL_ID_CHARS: usize = 255;

/// The business's own id of a person, compared byte for byte. It may be personal data, such as an
/// email address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    /// Parses an external id.
    ///
    /// # Errors
    /// An empty or too long text, control characters, or a space at its beginning or end.
    pub fn parse(field: &str, id: &str) -> Result<Self> {
        let refused = |why: String| Error::invalid(Reason::InvalidExternalId, field, why);
        if id.is_empty() {
            return Err(refused(format!("{field} is empty: send your own id of the person")));
        }
        text::validate(id, TextLimit::chars(MAX_EXTERNAL_ID_CHARS))
            .map_err(|error| refused(format!("{field} {error}")))?;
        if id.contains(char::is_control) {
            return Err(refused(format!("{field} has a control character: leave it out")));
        }
        if id.trim() != id {
            let why = "begins or ends with a space: external ids are compared byte for byte, so \
                       send it without";
            return Err(refused(format!("{field} {why}")));
        }
        Ok(Self(id.to_owned()))
    }

    /// Wraps an id read from the database, without validation.
    pub fn from_stored(id: String) -> Self {
        Self(id)
    }

    /// The id as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_is_any_text_of_one_line() {
        for id in ["42", "cliente/7781", "ana@example.com", "Å 1", &"x".repeat(255)] {
            assert_eq!(ExternalId::parse("external_id", id).expect("an id").as_str(), id);
        }
        for id in ["", " 42", "42 ", "4\t2", "4\n2", "4\u{1b}2", &"x".repeat(256)] {
            let error = ExternalId::parse("contact.external_id", id).expect_err("refused");
            let expected = (Reason::InvalidExternalId, Some("contact.external_id"));
            assert_eq!((error.reason(), error.field()), expected, "{id:?}");
        }
        let id = ExternalId::parse("external_id", "ana@example.com").expect("an id");
        assert!(!format!("{id:?}").contains("ana"), "it may be personal");
    }
}
