use std::fmt::{self, Write};
use std::time::SystemTime;

use contacts_proto::Timestamp;

use crate::model::{AttributeValue, OptInSource, OptInStatus};

/// Values that a [`Field`](super::Field) can be compared with. Not meant to be implemented.
pub trait Literal {
    #[doc(hidden)]
    fn literal(&self) -> String;
}

impl Literal for String {
    fn literal(&self) -> String {
        Quoted(self).to_string()
    }
}

impl Literal for SystemTime {
    fn literal(&self) -> String {
        Quoted(&Timestamp::from(*self).to_string()).to_string()
    }
}

impl Literal for OptInStatus {
    fn literal(&self) -> String {
        let name = match self {
            Self::NotAsked => "NOT_ASKED",
            Self::OptedIn => "OPTED_IN",
            Self::OptedOut => "OPTED_OUT",
            // There is no such status, and the server rejects it.
            Self::Unknown(_) => "UNKNOWN",
        };
        name.to_owned()
    }
}

impl Literal for OptInSource {
    fn literal(&self) -> String {
        let name = match self {
            Self::WebForm => "WEB_FORM",
            Self::InboundMessage => "INBOUND_MESSAGE",
            Self::Ivr => "IVR",
            Self::Paper => "PAPER",
            Self::Import => "IMPORT",
            Self::Operator => "OPERATOR",
            Self::Api => "API",
            Self::Platform => "PLATFORM",
            // There is no such source, and the server rejects it.
            Self::Unknown(_) => "UNKNOWN",
        };
        name.to_owned()
    }
}

impl Literal for bool {
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl Literal for AttributeValue {
    fn literal(&self) -> String {
        match self {
            Self::String(text) => text.literal(),
            // Without an exponent, a number could have hundreds of zeros.
            Self::Number(number) if *number != 0.0 && !(1e-5..1e16).contains(&number.abs()) => {
                format!("{number:e}")
            }
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Timestamp(time) => time.literal(),
            // The server rejects it.
            Self::Unknown => "null".to_owned(),
        }
    }
}

/// Text that is matched as a whole.
pub(super) struct Quoted<'t>(pub &'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped(self.0))
    }
}

/// Text that is matched as a prefix.
pub(super) struct Prefix<'t>(pub &'t str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}*\"", Escaped(self.0))
    }
}

struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if matches!(c, '"' | '\\' | '*') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        Ok(())
    }
}

/// A tag id, quoted unless it has the form of an id.
pub(super) struct TagId<'t>(pub &'t str);

impl fmt::Display for TagId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        match !self.0.is_empty() && self.0.chars().all(plain) {
            true => f.write_str(self.0),
            false => Quoted(self.0).fmt(f),
        }
    }
}

pub(super) fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
