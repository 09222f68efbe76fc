//! Types of fields, and the conversion of literals to them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};

use super::ast::{Field, Value};
use super::lexer::{Literal, Star};
use super::suggest::{is_field, listed, shortened};
use super::{FilterError, FilterErrorKind, relative_time};
use crate::domain::ids::closest;
use crate::domain::phone::PhoneNumber;

/// The type of a field, which its literals must have.
#[derive(Clone, Copy)]
pub(super) enum FieldType<'v> {
    ProfileText,
    Phone,
    Text,
    Number,
    Bool,
    Time,
    Option(&'v [String]),
}

impl FieldType<'_> {
    pub(super) fn supports_prefix(self) -> bool {
        matches!(self, Self::ProfileText | Self::Phone | Self::Text)
    }

    pub(super) fn example(self, field: &Field) -> String {
        match self {
            Self::ProfileText if *field == Field::Email => "email = \"m@example.com\"".to_owned(),
            Self::ProfileText => format!("{field} = \"Maria\""),
            Self::Text => format!("{field} = \"California\""),
            Self::Phone => format!("{field} = \"+1 555 123 4567\" or {field} = \"+1555*\""),
            Self::Number => format!("{field} >= 42.5"),
            Self::Bool => format!("{field} = true"),
            Self::Time => format!(
                "{field} >= \"2026-01-31T09:30:00Z\", {field} >= 2026-01-31 or {field} >= now-30d"
            ),
            Self::Option([option, ..]) => {
                format!("{field} = {}", Value::Text(shortened(option)))
            }
            Self::Option([]) => format!("{field}:*"),
        }
    }

    pub(super) fn wrong_type(self, field: &Field, column: usize) -> FilterError {
        let expected = match self {
            Self::ProfileText | Self::Text => "text",
            Self::Phone => "a phone number",
            Self::Number => "a finite decimal number without quotes",
            Self::Bool => "true or false without quotes",
            Self::Time => {
                "a time in RFC 3339 with Z or an offset, in quotes, a date (midnight UTC), or one \
                 relative to now, without quotes"
            }
            Self::Option(_) => "one of its options",
        };
        let message = format!("{field} needs {expected}, for example {}", self.example(field));
        FilterError::new(FilterErrorKind::WrongType, column, message)
    }

    /// A value that may be that of a contact: no part of a phone number.
    pub(super) fn whole_value(
        self,
        field: &Field,
        literal: &Literal,
        now: DateTime<Utc>,
    ) -> Result<Value, FilterError> {
        let value = self.value(field, literal, now)?;
        match (self, &value) {
            (Self::Phone, Value::Text(digits)) if PhoneNumber::parse(digits).is_err() => {
                Err(self.wrong_type(field, literal.column))
            }
            _ => Ok(value),
        }
    }

    pub(super) fn value(
        self,
        field: &Field,
        literal: &Literal,
        now: DateTime<Utc>,
    ) -> Result<Value, FilterError> {
        let wrong =
            |message: String| FilterError::new(FilterErrorKind::WrongType, literal.column, message);
        let text = literal.text.as_str();
        let bare = !literal.quoted;
        if self.supports_prefix() {
            match literal.star {
                Star::None => {}
                Star::Trailing => {
                    return Err(wrong(format!(
                        "IN takes whole values and no prefixes: write {field} = \"Mar*\" OR \
                         {field} = \"Jo*\"; write \\* in quotes for the character itself"
                    )));
                }
                Star::Leading => {
                    return Err(wrong(format!(
                        "only a * at the end has a meaning, as in {field} = \"Mar*\" for a prefix; \
                         write {field}:* for any value, and \\* for the character itself"
                    )));
                }
            }
        } else if literal.star != Star::None {
            return Err(wrong(format!(
                "{field} has no prefixes: write a whole value, for example {}",
                self.example(field)
            )));
        }
        if bare && text.eq_ignore_ascii_case("null") {
            return Err(wrong(format!(
                "there is no null: write NOT {field}:* for contacts without it"
            )));
        }
        let value = match self {
            Self::ProfileText if text.is_empty() => {
                return Err(wrong(format!(
                    "an empty {field} counts as missing: write {field}:* for contacts with it, \
                     NOT {field}:* for those without"
                )));
            }
            Self::ProfileText | Self::Text if bare && is_field(text) => {
                return Err(wrong(
                    "a field is compared with a literal and not with another field; text that \
                     looks like a field needs quotes"
                        .to_owned(),
                ));
            }
            Self::ProfileText | Self::Text => Some(Value::Text(text.to_owned())),
            Self::Phone => phone_digits(text).map(Value::Text),
            Self::Number if bare => number(text).map(Value::Number),
            Self::Bool if bare => text.parse().ok().map(Value::Bool),
            Self::Number | Self::Bool => None,
            Self::Time if bare && relative_time::is_meant(text) => {
                let time = relative_time::parse(text, now).ok_or_else(|| {
                    wrong(format!("a time relative to the request is {}", relative_time::FORM))
                })?;
                Some(Value::Time(time))
            }
            Self::Time => time(text).map(Value::Time),
            Self::Option(options) if options.iter().any(|option| option == text) => {
                Some(Value::Text(text.to_owned()))
            }
            Self::Option(options) => {
                return Err(unknown_option(field, options, literal));
            }
        };
        value.ok_or_else(|| self.wrong_type(field, literal.column))
    }
}

fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(plain) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    // Adding zero turns negative zero into positive zero.
    number.is_finite().then_some(number + 0.0)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let looks_like_date = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let time = if looks_like_date {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN).and_utc()
    } else {
        DateTime::parse_from_rfc3339(text).ok()?.to_utc()
    };
    let time = DateTime::from_timestamp_micros(time.timestamp_micros())?;
    (1..=9999).contains(&time.year()).then_some(time)
}

pub(super) fn phone_digits(text: &str) -> Option<String> {
    let ignored = |c: char| {
        c.is_whitespace() || matches!(c, '+' | '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}')
    };
    let digits: String = text.chars().filter(|c| !ignored(*c)).collect();
    (!digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())).then_some(digits)
}

fn unknown_option(field: &Field, options: &[String], literal: &Literal) -> FilterError {
    let advice = match closest(&literal.text, options.iter()) {
        Some(option) => format!("did you mean {}?", Value::Text(shortened(option))),
        None => listed("options", options.iter(), "AttributeService.GetAttribute"),
    };
    let message = format!("{field} has no such option: {advice}");
    FilterError::new(FilterErrorKind::UnknownOption, literal.column, message)
}
