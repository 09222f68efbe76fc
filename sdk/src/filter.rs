//! Filters, which select contacts for a list, a count, a segment or a bulk change.

mod field;
mod literal;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;

pub use field::{Field, Ordered};
pub use literal::Literal;
use literal::TagId;
pub use time::FilterTime;

use crate::model::{AttributeValue, MessageCategory, OptInSource, OptInStatus};

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

    /// The value of an attribute of type [`Timestamp`](crate::AttributeType::Timestamp), to compare it with
    /// times relative to the request too.
    pub fn attribute_time(attribute_id: impl AsRef<str>) -> Field<FilterTime> {
        Field::attribute_time(attribute_id.as_ref())
    }

    /// The consent to marketing messages.
    pub fn opt_in() -> Field<OptInStatus> {
        Self::opt_in_for(MessageCategory::Marketing)
    }

    /// The consent to messages of a category.
    pub fn opt_in_for(category: MessageCategory) -> Field<OptInStatus> {
        match category {
            MessageCategory::Marketing => Field::named("opt_in"),
            _ => Field::of_category("opt_in", category, ""),
        }
    }

    /// Matches contacts to whom a message of a category may be sent: a check of the contact, without a
    /// sender, would allow it when the page is read. Still check before sending.
    pub fn sendable(category: MessageCategory) -> Self {
        Field::<bool>::of_category("sendable", category, "").eq(true)
    }

    /// When what decides about a category was said: the opt-out, the erasure, the stop, or else the
    /// opt-in that counts. Missing if nothing was ever said.
    pub fn consent_time(category: MessageCategory) -> Field<FilterTime> {
        Field::of_category("consent", category, ".time")
    }

    /// How what decides about a category arrived. Missing if nothing was ever said, and for an erasure.
    pub fn consent_source(category: MessageCategory) -> Field<OptInSource> {
        Field::of_category("consent", category, ".source")
    }

    /// When the opt-in that decides about a category ends, by its own expiry or by the workspace's
    /// policy. Missing if it has no end, or if no opt-in decides.
    pub fn consent_expire_time(category: MessageCategory) -> Field<FilterTime> {
        Field::of_category("consent", category, ".expire_time")
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
    pub fn create_time() -> Field<FilterTime> {
        Field::named("create_time")
    }

    /// When the profile last changed.
    pub fn update_time() -> Field<FilterTime> {
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
