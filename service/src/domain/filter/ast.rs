//! The analyzed filter, which each store compiles to SQL, and its canonical text.

use std::fmt;

use chrono::{DateTime, NaiveTime, SecondsFormat, Utc};
use strum::VariantArray;

use crate::domain::attribute::AttributeType;
use crate::domain::consent::{MessageCategory, OptInStatus, Source};

/// A filter whose names are resolved and whose literals have the type of their field.
///
/// [`compile`](super::compile) guarantees that `And` and `Or` have at least two operands, that an `And`
/// is never an operand of an `And` (nor an `Or` of an `Or`), and that `Not` never holds a `Not`.
///
/// `Display` prints the canonical text, which compiles to an equal `Expr`. It can be longer than the
/// original text and exceed [`MAX_BYTES`](super::MAX_BYTES).
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// True if all operands are true.
    And(Vec<Expr>),
    /// True if at least one operand is true.
    Or(Vec<Expr>),
    /// True if the operand is false.
    Not(Box<Expr>),
    /// A single comparison.
    Is(Predicate),
}

/// A single comparison. It is true or false for every contact, and false if the value is missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// The contact has this tag.
    HasTag(String),
    /// The contact has at least one of these tags. Two or more, all different.
    HasTagIn(Vec<String>),
    /// The contact has at least one tag.
    HasAnyTag,
    /// The opt-in status is one of these: one to three, without repetition, in the order of
    /// [`OptInStatus`]. A contact that was never asked has the status `NotAsked`.
    OptIn { category: MessageCategory, any_of: Vec<OptInStatus> },
    /// A check by contact, without a sender, allows or denies a message of this category.
    Sendable { category: MessageCategory, allows: bool },
    /// What decides in this category arrived in one of these ways: one or more, without
    /// repetition, in the order of [`Source`]. False if nothing is known or an erasure
    /// decides.
    ConsentSource { category: MessageCategory, any_of: Vec<Source> },
    /// The value is set and `value op literal` is true. The literal has the field's type. Booleans and
    /// enums support only `Eq` and `Ne`. Text is ordered by code point, which equals the order of its
    /// UTF-8 bytes.
    Compare { field: Field, op: CompareOp, value: Value },
    /// The text starts with this prefix, which is never empty. Case-sensitive; text fields only.
    Prefix { field: Field, prefix: String },
    /// The value is set and equals one of these values. Two or more, all different, of the field's
    /// type.
    In { field: Field, values: Vec<Value> },
    /// The value is set. An empty profile text is not set.
    IsSet(Field),
}

/// A field of a contact that a comparison reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Text; empty means missing.
    FirstName,
    /// Text; empty means missing.
    LastName,
    /// Text; empty means missing.
    Email,
    /// Text of digits only; empty means missing.
    PhoneNumber,
    /// Creation time of the contact; always set.
    CreateTime,
    /// Time of the contact's last change; always set.
    UpdateTime,
    /// A time of what decides in this category.
    Consent(MessageCategory, ConsentTime),
    /// An attribute with the type of its definition. An empty text is a value.
    Attribute { id: String, attribute_type: AttributeType },
}

/// A time of what decides in a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentTime {
    /// When it was said. Not set if nothing is known.
    Said,
    /// When the permission ends, the policy included. Not set if it has no end, or if no
    /// permission decides.
    Ends,
}

impl ConsentTime {
    fn name(self) -> &'static str {
        match self {
            Self::Said => "time",
            Self::Ends => "expire_time",
        }
    }
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A literal in its field's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// For text fields, string and enum attributes.
    Text(String),
    /// Finite, and never negative zero.
    Number(f64),
    /// For boolean attributes.
    Bool(bool),
    /// With microsecond precision, in the years 1 to 9999.
    Time(DateTime<Utc>),
}

impl CompareOp {
    /// The operator's symbol, which is the same in the filter language and in SQL.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

impl Expr {
    pub(super) fn and(operands: Vec<Expr>) -> Self {
        let mut flat = Vec::with_capacity(operands.len());
        for operand in operands {
            match operand {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::And(flat)
    }

    pub(super) fn or(operands: Vec<Expr>) -> Self {
        let mut flat = Vec::with_capacity(operands.len());
        for operand in operands {
            match operand {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::Or(flat)
    }

    pub(super) fn negate(operand: Expr) -> Self {
        match operand {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operands, joiner) = match self {
            Self::Is(predicate) => return write!(f, "{predicate}"),
            Self::Not(operand) => {
                f.write_str("NOT ")?;
                return operand.fmt_operand(f);
            }
            Self::And(operands) => (operands, " AND "),
            Self::Or(operands) => (operands, " OR "),
        };
        for (index, operand) in operands.iter().enumerate() {
            if index > 0 {
                f.write_str(joiner)?;
            }
            operand.fmt_operand(f)?;
        }
        Ok(())
    }
}

impl Expr {
    fn fmt_operand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(_) | Self::Or(_) => write!(f, "({self})"),
            Self::Not(_) | Self::Is(_) => write!(f, "{self}"),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HasTag(id) => write!(f, "tags:{}", TagId(id)),
            Self::HasTagIn(ids) => {
                f.write_str("tags IN ")?;
                write_list(f, ids.iter().map(|id| TagId(id)))
            }
            Self::HasAnyTag => f.write_str("tags:*"),
            Self::OptIn { category, any_of } => {
                f.write_str(match category {
                    MessageCategory::Marketing => "opt_in",
                    MessageCategory::Utility => "opt_in.utility",
                    MessageCategory::Authentication => "opt_in.authentication",
                })?;
                match any_of.as_slice() {
                    [status] => write!(f, " = {}", status_name(*status)),
                    statuses => {
                        f.write_str(" IN ")?;
                        write_list(f, statuses.iter().map(|status| status_name(*status)))
                    }
                }
            }
            Self::Sendable { category, allows } => {
                write!(f, "sendable.{} = {allows}", category.name())
            }
            Self::ConsentSource { category, any_of } => {
                write!(f, "consent.{}.source", category.name())?;
                match any_of.as_slice() {
                    [source] => write!(f, " = {}", source_name(*source)),
                    all if all == Source::VARIANTS => f.write_str(":*"),
                    several => {
                        f.write_str(" IN ")?;
                        write_list(f, several.iter().map(|source| source_name(*source)))
                    }
                }
            }
            Self::Compare { field, op, value } => write!(f, "{field} {} {value}", op.symbol()),
            Self::Prefix { field, prefix } => {
                write!(f, "{field} = ")?;
                write_quoted(f, prefix, "*")
            }
            Self::In { field, values } => {
                write!(f, "{field} IN ")?;
                write_list(f, values.iter())
            }
            Self::IsSet(field) => write!(f, "{field}:*"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::PhoneNumber => "phone_number",
            Self::CreateTime => "create_time",
            Self::UpdateTime => "update_time",
            Self::Consent(category, time) => {
                return write!(f, "consent.{}.{}", category.name(), time.name());
            }
            Self::Attribute { id, .. } => return write!(f, "attributes.{id}"),
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_quoted(f, text, ""),
            // Decimal notation would print hundreds of zeros for very large and very small numbers.
            Self::Number(number) if *number != 0.0 && !(1e-5..1e16).contains(&number.abs()) => {
                write!(f, "{number:e}")
            }
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Time(time) if time.time() == NaiveTime::MIN => {
                write!(f, "{}", time.format("%Y-%m-%d"))
            }
            Self::Time(time) => {
                write!(f, "\"{}\"", time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
        }
    }
}

pub(super) fn status_name(status: OptInStatus) -> &'static str {
    match status {
        OptInStatus::NotAsked => "NOT_ASKED",
        OptInStatus::OptedIn => "OPTED_IN",
        OptInStatus::OptedOut => "OPTED_OUT",
    }
}

pub(super) fn source_name(source: Source) -> &'static str {
    source.into()
}

struct TagId<'a>(&'a str);

impl fmt::Display for TagId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !self.0.is_empty() && self.0.chars().all(plain) {
            f.write_str(self.0)
        } else {
            write_quoted(f, self.0, "")
        }
    }
}

fn write_list(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    f.write_str("(")?;
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    f.write_str(")")
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str, suffix: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '*') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    write!(f, "{suffix}\"")
}
