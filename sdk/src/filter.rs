//! Filters, which select contacts for a list, a count, a segment or a bulk change.

mod field;
mod literal;
#[cfg(test)]
mod tests;

use std::fmt;

pub use field::{Field, Ordered};
pub use literal::Literal;
use literal::TagId;

use crate::model::{AttributeValue, MessageCategory, OptInStatus};
use std::time::SystemTime;

/// A filter, built from typed parts. `Display` formats it in the filter language.
///
/// Values are quoted and escaped, and parentheses are added where AND and OR are combined, so that no
/// value can change the meaning of a filter. The server checks the names: if a tag or attribute does
/// not exist, the call fails with [`is_invalid_argument`](crate::Error::is_invalid_argument).
///
/// ```
/// use contacts_sdk::{Filter, OptInStatus};
///
/// let audience = Filter::tag("event_attendee")
///     .and(Filter::attribute("city").eq("São Paulo").or(Filter::attribute("visits").ge(3)))
///     .and(Filter::opt_in().eq(OptInStatus::OptedIn))
///     .and(!Filter::tag("staff"));
/// assert_eq!(
///     audience.to_string(),
///     r#"tags:event_attendee AND (attributes.city = "São Paulo" OR attributes.visits >= 3) AND opt_in = OPTED_IN AND NOT tags:staff"#,
/// );
/// ```
///
/// A missing value matches no comparison, not even [`ne`](Field::ne). The negation of
/// [`eq`](Field::eq) matches contacts without a value too.
///
/// Limits: 8 KiB of text, 16 levels of nesting, 64 comparisons, 1000 values in a list.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Filter(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// A comparison, in the filter language.
    Test(String),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

impl Filter {
    /// Matches contacts that have this tag.
    pub fn tag(tag_id: impl AsRef<str>) -> Self {
        Self::test(format!("tags:{}", TagId(tag_id.as_ref())))
    }

    /// Matches contacts that have at least one tag.
    pub fn any_tag() -> Self {
        Self::test("tags:*".to_owned())
    }

    /// Matches contacts that have at least one of these tags. The server rejects an empty list.
    pub fn tag_in(tag_ids: impl IntoIterator<Item: AsRef<str>>) -> Self {
        let ids = tag_ids.into_iter().map(|id| TagId(id.as_ref()).to_string());
        Self::test(format!("tags IN ({})", literal::joined(ids)))
    }

    /// The value of an attribute. Compare it with values of the attribute's type.
    pub fn attribute(attribute_id: impl AsRef<str>) -> Field<AttributeValue> {
        Field::attribute(attribute_id.as_ref())
    }

    /// The consent to marketing messages.
    pub fn opt_in() -> Field<OptInStatus> {
        Self::opt_in_for(MessageCategory::Marketing)
    }

    /// The consent to messages of a category.
    pub fn opt_in_for(category: MessageCategory) -> Field<OptInStatus> {
        Field::named(match category {
            MessageCategory::Marketing => "opt_in",
            MessageCategory::Utility => "opt_in.utility",
            MessageCategory::Authentication => "opt_in.authentication",
            // There is no such field, and the server rejects it.
            MessageCategory::Unknown(_) => "opt_in.unknown",
        })
    }

    /// The first name. Text is compared exactly. To search by name, use
    /// [`ListContacts::query`](crate::request::ListContacts::query).
    pub fn first_name() -> Field<String> {
        Field::named("first_name")
    }

    /// The last name. Text is compared exactly.
    pub fn last_name() -> Field<String> {
        Field::named("last_name")
    }

    /// The email address. Text is compared exactly.
    pub fn email() -> Field<String> {
        Field::named("email")
    }

    /// The phone number as stored: digits, starting with the country code. To select a country, use
    /// [`starts_with`](Field::starts_with).
    pub fn phone_number() -> Field<String> {
        Field::named("phone_number")
    }

    /// When the contact was created.
    pub fn create_time() -> Field<SystemTime> {
        Field::named("create_time")
    }

    /// When the profile last changed.
    pub fn update_time() -> Field<SystemTime> {
        Field::named("update_time")
    }

    /// Matches contacts that both filters match.
    pub fn and(self, other: Self) -> Self {
        let mut operands = Vec::new();
        for Self(node) in [self, other] {
            match node {
                Node::And(nodes) => operands.extend(nodes),
                node => operands.push(node),
            }
        }
        Self(Node::And(operands))
    }

    /// Matches contacts that at least one of the filters matches.
    pub fn or(self, other: Self) -> Self {
        let mut operands = Vec::new();
        for Self(node) in [self, other] {
            match node {
                Node::Or(nodes) => operands.extend(nodes),
                node => operands.push(node),
            }
        }
        Self(Node::Or(operands))
    }

    /// Matches contacts that this filter does not match. The same as `!filter`.
    #[expect(
        clippy::should_implement_trait,
        reason = "the trait is implemented too; this method needs no import"
    )]
    pub fn not(self) -> Self {
        !self
    }

    fn test(text: String) -> Self {
        Self(Node::Test(text))
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        match self.0 {
            Node::Not(node) => Self(*node),
            node => Self(Node::Not(Box::new(node))),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operands, joiner) = match self {
            Self::Test(text) => return f.write_str(text),
            Self::Not(node) => return write!(f, "NOT {}", Operand(node)),
            Self::And(operands) => (operands, " AND "),
            Self::Or(operands) => (operands, " OR "),
        };
        for (index, operand) in operands.iter().enumerate() {
            let joiner = if index == 0 { "" } else { joiner };
            write!(f, "{joiner}{}", Operand(operand))?;
        }
        Ok(())
    }
}

/// An operand of a larger filter, in parentheses if it needs them.
struct Operand<'n>(&'n Node);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::And(_) | Node::Or(_) => write!(f, "({})", self.0),
            Node::Test(_) | Node::Not(_) => self.0.fmt(f),
        }
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.to_string()
    }
}

impl From<&Filter> for String {
    fn from(filter: &Filter) -> Self {
        filter.to_string()
    }
}
