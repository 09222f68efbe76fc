//! The checked filter, which the stores turn into SQL, and its canonical text.

use std::fmt;

use chrono::{DateTime, NaiveTime, SecondsFormat, Utc};

use crate::domain::attribute::AttributeType;
use crate::domain::consent::{MessageCategory, OptInStatus};

/// A filter whose names exist and whose literals have the right type.
///
/// From [`compile`](super::compile): `And` and `Or` have at least two operands, none of them of the
/// same kind, and `Not` never holds a `Not`.
///
/// `Display` prints the canonical text, which compiles to an equal `Expr`. It may be longer than
/// what was written and so, for a filter near [`MAX_BYTES`](super::MAX_BYTES), longer than the limit.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them hold.
    And(Vec<Expr>),
    /// At least one of them holds.
    Or(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// One comparison.
    Is(Predicate),
}

/// One comparison. It is true or false for every contact, and false when the value is missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// The contact has this tag.
    HasTag(String),
    /// The contact has at least one of these tags: two or more, all different.
    HasTagIn(Vec<String>),
    /// The contact has any tag at all.
    HasAnyTag,
    /// The opt-in status is one of these: one to three, without repetition, in the order of
    /// [`OptInStatus`]. A contact that was never asked has the status `NotAsked`.
    OptIn { category: MessageCategory, any_of: Vec<OptInStatus> },
    /// The value is set and compares so. `value` has the field's type; booleans and enums only
    /// have `Eq` and `Ne`. Text is ordered by code point, which is the order of its UTF-8 bytes.
    Compare { field: Field, op: CompareOp, value: Value },
    /// The text begins so, exactly. Only on text fields; the prefix is never empty.
    Prefix { field: Field, prefix: String },
    /// The value is set and equals one of these: two or more, all different, of the field's type.
    In { field: Field, values: Vec<Value> },
    /// The value is set. A profile text is set when it is not empty.
    IsSet(Field),
}

/// What a comparison reads of a contact.
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
    /// When the contact was made; always set.
    CreateTime,
    /// When the contact was last changed; always set.
    UpdateTime,
    /// An attribute with its definition's type. An empty text is a value.
    Attribute { id: String, attribute_type: AttributeType },
}

/// How two values compare.
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
    /// Finite, and never the negative zero.
    Number(f64),
    /// For boolean attributes.
    Bool(bool),
    /// Whole microseconds, in the years 1 to 9999.
    Time(DateTime<Utc>),
}

impl CompareOp {
    /// The operator in the filter language, which is also that of SQL.
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
            Self::Attribute { id, .. } => return write!(f, "attributes.{id}"),
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_quoted(f, text, ""),
            // Plain notation would print hundreds of zeros at the ends of the range.
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
