//! The filter language: which contacts a list, a count, a stream or a bulk change is about.
//!
//! A subset of [AIP-160](https://google.aip.dev/160):
//!
//! ```text
//! tags:event_attendee AND attributes.state = "California" AND opt_in = OPTED_IN
//! ```
//!
//! # Grammar
//!
//! ```text
//! filter     = [ expression ]                        blank: every contact
//! expression = term { "AND" term } | term { "OR" term }
//! term       = ( "NOT" | "-" ) term | "(" expression ")" | comparison
//! comparison = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" ) literal
//!            | field ":" "*"                         the field is set
//!            | field "IN" "(" literal { "," literal } ")"
//! literal    = "text" | 'text' | bare
//! ```
//!
//! - Keywords are upper case. `NOT` binds tighter than `AND` and `OR`, which need parentheses where
//!   they meet. Comparisons are never joined by a mere space.
//! - A bare literal consists of letters, digits and `_ . - + @`; everything else needs quotes.
//!   Inside quotes `\"`, `\'`, `\\` and `\*` stand for the character itself.
//! - An unescaped `*` at the end of a text makes `=` and `:` a prefix test. At the beginning it is
//!   an error, because searching inside or at the end of a text does not exist; between other
//!   characters of a quoted text it is a plain character.
//!
//! # Fields
//!
//! | field | type | operators |
//! |---|---|---|
//! | `tags` | tag id | `:` `:*` `IN` |
//! | `opt_in` (= `opt_in.marketing`), `opt_in.utility`, `opt_in.authentication` | `OPTED_IN`, `OPTED_OUT`, `NOT_ASKED` | `=` `!=` `:` `IN` |
//! | `first_name`, `last_name`, `email` | text | all, prefix |
//! | `phone_number` | text of digits; `+`, spaces, dashes, dots and parentheses are ignored | all, prefix |
//! | `create_time`, `update_time` | time | all |
//! | `attributes.<id>`, STRING | text | all, prefix |
//! | `attributes.<id>`, NUMBER | finite decimal without quotes | all |
//! | `attributes.<id>`, BOOLEAN | `true` or `false` without quotes | `=` `!=` `:` `:*` |
//! | `attributes.<id>`, TIMESTAMP | time | all |
//! | `attributes.<id>`, ENUM | one of its options | `=` `!=` `:` `:*` `IN` |
//!
//! A time is RFC 3339 in quotes (`"2026-01-31T09:30:00+02:00"`) or a date (`2026-01-31`, midnight
//! UTC), cut to microseconds, in the years 1 to 9999.
//!
//! # Meaning
//!
//! - Every comparison is true or false, never unknown. With a missing value it is false, `!=`
//!   included: `attributes.x != "a"` finds contacts that have another `x`.
//! - `NOT` is plain negation: `NOT attributes.x = "a"` also finds contacts without `x`.
//! - A profile field (`first_name` and so on) that is empty counts as missing. An attribute whose
//!   value is the empty text does not.
//! - `:` on anything but `tags` means `=`.
//! - Equality of text is exact. Text is ordered by Unicode code point.
//! - `opt_in` always has a value: a contact that was never asked is `NOT_ASKED`.
//!
//! # Limits
//!
//! 8 KiB of text, 16 levels of parentheses and `NOT`, 64 comparisons, 1000 values in all `IN` lists
//! together. Control characters are refused.
//!
//! # Stages
//!
//! `lexer` and `parse` know the grammar, `check` (with `kind` and `names`) knows the fields and the workspace's [`Definitions`],
//! [`ast`] is what remains for the stores to turn into SQL, and [`eval`] is the meaning against
//! which they are tested. An error never repeats a literal: it may be a person's name or number.

pub mod ast;
mod check;
pub mod eval;
mod kind;
mod lexer;
mod names;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use ast::{CompareOp, Expr, Field, Predicate, Value};
pub use eval::{ContactFacts, OptInFacts, matches};

use crate::domain::attribute::AttributeDefinition;

/// The longest filter, in bytes of UTF-8.
pub const MAX_BYTES: usize = 8 * 1024;
/// How deep parentheses and negations may nest.
pub const MAX_DEPTH: usize = 16;
/// How many comparisons one filter may hold; an `IN` list is one.
pub const MAX_COMPARISONS: usize = 64;
/// How many values the `IN` lists of one filter may hold together.
pub const MAX_IN_VALUES: usize = 1000;

/// The names that a filter may use in one workspace.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// The ids of the workspace's tags.
    pub tags: BTreeSet<String>,
    /// The workspace's attribute definitions by their id.
    pub attributes: BTreeMap<String, AttributeDefinition>,
}

/// What is wrong with a filter, in words for the developer who wrote it.
///
/// Holds no literal of the filter, so it may be sent and logged; only names of fields, tags,
/// attributes and enum options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct FilterError {
    /// Where, counted in characters from 1; one past the end when something is missing there.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The same for programs.
    pub kind: FilterErrorKind,
}

/// The classes of [`FilterError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterErrorKind {
    /// The text is not a sentence of the grammar.
    Syntax,
    /// No field has this name.
    UnknownField,
    /// The workspace has no such tag.
    UnknownTag,
    /// The workspace has no such attribute.
    UnknownAttribute,
    /// The enum attribute or opt-in status has no such value.
    UnknownOption,
    /// The field does not have this operator.
    WrongOperator,
    /// The literal does not have the field's type.
    WrongType,
    /// A limit on length, depth or number is exceeded.
    TooComplex,
}

impl FilterError {
    fn new(kind: FilterErrorKind, column: usize, message: impl Into<String>) -> Self {
        Self { column, message: message.into(), kind }
    }

    fn syntax(column: usize, message: impl Into<String>) -> Self {
        Self::new(FilterErrorKind::Syntax, column, message)
    }
}

/// Reads a filter and checks it against the workspace's names. Empty or blank text is `None`: every
/// contact matches.
///
/// # Errors
///
/// The first thing that is wrong with the text; errors of grammar come before errors of meaning.
pub fn compile(text: &str, definitions: &Definitions) -> Result<Option<Expr>, FilterError> {
    if text.len() > MAX_BYTES {
        let column = text.char_indices().take_while(|(byte, _)| *byte < MAX_BYTES).count() + 1;
        let message = format!(
            "the filter has {} bytes and the limit is {MAX_BYTES} (8 KiB): tag the contacts and \
             filter by the tag, or send several requests",
            text.len()
        );
        return Err(FilterError::new(FilterErrorKind::TooComplex, column, message));
    }
    match parse::parse(text)? {
        Some(tree) => check::check(tree, definitions).map(Some),
        None => Ok(None),
    }
}
