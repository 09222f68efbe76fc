//! The filter language, which selects contacts for lists, counts, streams and bulk changes.
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
//!   are combined. A space does not join two comparisons.
//! - A bare literal consists of letters, digits and `_ . - + @`; everything else needs quotes.
//!   Inside quotes `\"`, `\'`, `\\` and `\*` stand for the character itself.
//! - An unescaped `*` at the end of a text turns `=` and `:` into a prefix match. At the beginning it
//!   is an error, because suffix and substring matches are not supported. Between other characters
//!   of a quoted text it is a literal `*`.
//!
//! # Fields
//!
//! | field | type | operators |
//! |---|---|---|
//! | `tags` | tag id | `:` `:*` `IN` |
//! | `opt_in` (= `opt_in.marketing`), `opt_in.utility`, `opt_in.authentication` | `OPTED_IN`, `OPTED_OUT`, `NOT_ASKED` | `=` `!=` `:` `IN` |
//! | `sendable.marketing`, `sendable.utility`, `sendable.authentication` | `true` or `false` without quotes | `=` `!=` `:` |
//! | `consent.<category>.time`, `consent.<category>.expire_time` | time | all |
//! | `consent.<category>.source` | `WEB_FORM`, `IMPORT` and so on, as OptInSource | `=` `!=` `:` `:*` `IN` |
//! | `first_name`, `last_name`, `email` | text | all, prefix |
//! | `phone_number` | text of digits; `+`, spaces, dashes, dots and parentheses are ignored; a whole number equals its equivalent forms | all, prefix |
//! | `create_time`, `update_time` | time | all |
//! | `attributes.<id>`, STRING | text | all, prefix |
//! | `attributes.<id>`, NUMBER | finite decimal without quotes | all |
//! | `attributes.<id>`, BOOLEAN | `true` or `false` without quotes | `=` `!=` `:` `:*` |
//! | `attributes.<id>`, TIMESTAMP | time | all |
//! | `attributes.<id>`, ENUM | one of its options | `=` `!=` `:` `:*` `IN` |
//!
//! A time is RFC 3339 in quotes (`"2026-01-31T09:30:00+02:00"`) or a date (`2026-01-31`, midnight
//! UTC), truncated to microseconds, in the years 1 to 9999; or relative to the request, without
//! quotes: `now`, `now-30d`, `now+2h`. The units are `s`, `m`, `h`, `d` (24 hours) and `w` (7 days), up
//! to 36500 days. All pages of a list and a resumed stream have the `now` of their first request.
//!
//! # Semantics
//!
//! - Every comparison is true or false, never null. A comparison with a missing value is false, even
//!   with `!=`: `attributes.x != "a"` matches contacts that have a different `x`.
//! - `NOT` is plain negation: `NOT attributes.x = "a"` also matches contacts without `x`.
//! - An empty profile field (`first_name` and so on) is missing. An attribute whose value is the empty
//!   text is not.
//! - `:` on anything but `tags` means `=`.
//! - Equality of text is exact. Text is ordered by Unicode code point.
//! - `opt_in` always has a value. A contact that was never asked has the value `NOT_ASKED`.
//! - `sendable.<category>` always has a value. It is true if and only if a check of that category by
//!   `contact_id`, without a sender, would allow: a stop of any sender makes it false.
//! - `consent.<category>` is about what decides such a check: the opt-out, the erasure, the stop, or
//!   else the permission that counts, expired or not. `time` is when that was said, `source` how it
//!   arrived (PLATFORM for a stop, missing for an erasure), `expire_time` when the permission ends by
//!   its own expiry or the workspace's policy, whichever is earlier. `expire_time` is missing if the
//!   permission has no end, or if no permission decides. All are missing if nothing was ever said.
//! - Opt-ins expire while a list is read: `opt_in`, `sendable` and `expire_time` are those of the time,
//!   and the policy, at which each page is read.
//!
//! # Limits
//!
//! 8 KiB of text, 16 levels of parentheses and `NOT`, 64 comparisons, 1000 values in all `IN` lists
//! together. Control characters are rejected.
//!
//! # Stages
//!
//! 1. `lexer` and `parse` implement the grammar and build a syntax tree of unresolved names.
//! 2. `analyze` resolves the names against the workspace's [`Definitions`] and type-checks the
//!    literals (`field_type`). `suggest` words the errors for unknown names.
//! 3. The result is an [`Expr`] (`ast`), which each store compiles to SQL.
//!
//! [`eval`] evaluates an [`Expr`] in memory. It is the reference that the SQL of every store is tested
//! against. An error message never repeats a literal, which may be a person's name or number.

mod analyze;
pub mod ast;
pub mod eval;
mod field_type;
mod lexer;
mod parse;
mod relative_time;
mod suggest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use ast::{CompareOp, ConsentTime, Expr, Field, Predicate, Value};
pub use eval::{ContactFacts, matches};

use crate::domain::Time;
use crate::domain::attribute::AttributeDefinition;
use crate::domain::ids::SuggestionBudget;

/// Maximum length of a filter, in bytes of UTF-8.
pub const MAX_BYTES: usize = 8 * 1024;
/// Maximum nesting depth of parentheses and negations.
pub const MAX_DEPTH: usize = 16;
/// Maximum number of comparisons in one filter. An `IN` list counts as one.
pub const MAX_COMPARISONS: usize = 64;
/// Maximum number of values in all `IN` lists of one filter together.
pub const MAX_IN_VALUES: usize = 1000;

/// The tags and attributes of a workspace: the names that a filter may use.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// The ids of the workspace's tags.
    pub tags: BTreeSet<String>,
    /// The workspace's attribute definitions by their id.
    pub attributes: BTreeMap<String, AttributeDefinition>,
    /// What suggestions for unknown names may cost.
    pub suggestions: SuggestionBudget,
}

/// A syntax or type error in a filter, worded for the developer who wrote the filter.
///
/// The message contains names of fields, tags, attributes and enum options, but no literal of the
/// filter, so it can be sent and logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct FilterError {
    /// Position of the error in characters, counted from 1. One past the end if something is missing
    /// at the end.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The class of the error, for programs.
    pub kind: FilterErrorKind,
}

/// The classes of [`FilterError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterErrorKind {
    /// The text does not follow the grammar.
    Syntax,
    /// No field has this name.
    UnknownField,
    /// The workspace does not define this tag.
    UnknownTag,
    /// The workspace does not define this attribute.
    UnknownAttribute,
    /// The value is not an option of the enum attribute, or not an opt-in status.
    UnknownOption,
    /// The field does not support this operator.
    WrongOperator,
    /// The literal does not have the field's type.
    WrongType,
    /// The filter exceeds a limit: its length, its depth, or the number of comparisons or values.
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

/// Compiles a filter, resolving names against the workspace's definitions and relative times against
/// `now`. Returns `None` for blank text, which matches every contact.
///
/// # Errors
///
/// Returns the first error in the text. Syntax errors come before name and type errors.
pub fn compile(
    text: &str,
    definitions: &Definitions,
    now: Time,
) -> Result<Option<Expr>, FilterError> {
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
        Some(tree) => analyze::analyze(tree, definitions, now).map(Some),
        None => Ok(None),
    }
}
