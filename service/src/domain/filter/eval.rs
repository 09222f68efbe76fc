//! Evaluates a filter in memory. The tests compare the SQL of both stores with it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::ast::{CompareOp, ConsentTime, Expr, Field, Predicate, Value};
use crate::domain::attribute::AttributeValue;
use crate::domain::consent::{
    CategoryConsent, ConsentState, ConsentSummary, MessageCategory, OptInPolicy,
};

/// The fields of a contact that a filter can read. An empty text is a missing field. Times have
/// microsecond precision, as in the database.
#[derive(Clone, Copy, Debug)]
pub struct ContactFacts<'a> {
    /// The given name.
    pub first_name: &'a str,
    /// The family name.
    pub last_name: &'a str,
    /// The email address as stored.
    pub email: &'a str,
    /// Digits only, country code first.
    pub phone_number: &'a str,
    /// Creation time of the contact.
    pub create_time: DateTime<Utc>,
    /// Time of the contact's last change.
    pub update_time: DateTime<Utc>,
    /// Tag ids in any order.
    pub tags: &'a [String],
    /// Values by attribute id.
    pub attributes: &'a BTreeMap<String, AttributeValue>,
    /// The consent of the identity that a message would go to.
    pub consent: &'a ConsentSummary,
    /// The workspace's policy.
    pub policy: &'a OptInPolicy,
    /// The time of the answer.
    pub now: DateTime<Utc>,
}

impl ContactFacts<'_> {
    fn consent(&self, category: MessageCategory) -> &CategoryConsent {
        &self.consent.categories[category as usize]
    }
}

/// Whether the contact matches the filter.
pub fn matches(expr: &Expr, contact: &ContactFacts<'_>) -> bool {
    match expr {
        Expr::And(operands) => operands.iter().all(|operand| matches(operand, contact)),
        Expr::Or(operands) => operands.iter().any(|operand| matches(operand, contact)),
        Expr::Not(operand) => !matches(operand, contact),
        Expr::Is(predicate) => holds(predicate, contact),
    }
}

fn holds(predicate: &Predicate, contact: &ContactFacts<'_>) -> bool {
    match predicate {
        Predicate::HasTag(id) => contact.tags.contains(id),
        Predicate::HasTagIn(ids) => ids.iter().any(|id| contact.tags.contains(id)),
        Predicate::HasAnyTag => !contact.tags.is_empty(),
        Predicate::OptIn { category, any_of } => {
            let shown = contact.consent.shown(contact.policy);
            any_of.contains(&shown.status_at(*category, contact.now))
        }
        Predicate::Sendable { category, allows } => {
            let max_age = contact.policy.max_age(*category);
            contact.consent(*category).is_sendable(max_age, contact.now) == *allows
        }
        Predicate::ConsentSource { category, any_of } => {
            contact.consent(*category).source.is_some_and(|source| any_of.contains(&source))
        }
        Predicate::Compare { field, op, value } => fact(field, contact)
            .and_then(|fact| fact.compare(value))
            .is_some_and(|ordering| match op {
                CompareOp::Eq => ordering.is_eq(),
                CompareOp::Ne => ordering.is_ne(),
                CompareOp::Lt => ordering.is_lt(),
                CompareOp::Le => ordering.is_le(),
                CompareOp::Gt => ordering.is_gt(),
                CompareOp::Ge => ordering.is_ge(),
            }),
        Predicate::Prefix { field, prefix } => match fact(field, contact) {
            Some(Fact::Text(text)) => text.starts_with(prefix.as_str()),
            _ => false,
        },
        Predicate::In { field, values } => fact(field, contact).is_some_and(|fact| {
            values.iter().any(|value| fact.compare(value) == Some(Ordering::Equal))
        }),
        Predicate::IsSet(field) => fact(field, contact).is_some(),
    }
}

enum Fact<'a> {
    Text(&'a str),
    Number(f64),
    Bool(bool),
    Time(DateTime<Utc>),
}

impl Fact<'_> {
    /// Returns `None` if the types differ. Every comparison is false then.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Text(fact), Value::Text(value)) => Some((*fact).cmp(value.as_str())),
            (Self::Number(fact), Value::Number(value)) => fact.partial_cmp(value),
            (Self::Bool(fact), Value::Bool(value)) => Some(fact.cmp(value)),
            (Self::Time(fact), Value::Time(value)) => Some(fact.cmp(value)),
            _ => None,
        }
    }
}

fn fact<'a>(field: &Field, contact: &ContactFacts<'a>) -> Option<Fact<'a>> {
    let profile = |text: &'a str| (!text.is_empty()).then_some(Fact::Text(text));
    match field {
        Field::FirstName => profile(contact.first_name),
        Field::LastName => profile(contact.last_name),
        Field::Email => profile(contact.email),
        Field::PhoneNumber => profile(contact.phone_number),
        Field::CreateTime => Some(Fact::Time(contact.create_time)),
        Field::UpdateTime => Some(Fact::Time(contact.update_time)),
        Field::Consent(category, ConsentTime::Said) => {
            contact.consent(*category).time.map(Fact::Time)
        }
        Field::Consent(category, ConsentTime::Ends) => {
            let consent = contact.consent(*category);
            let end = consent.end(contact.policy.max_age(*category));
            end.filter(|_| consent.state == ConsentState::Permitted).map(Fact::Time)
        }
        Field::Attribute { id, .. } => contact.attributes.get(id).map(|value| match value {
            AttributeValue::String(text) => Fact::Text(text),
            AttributeValue::Number(number) => Fact::Number(*number),
            AttributeValue::Boolean(value) => Fact::Bool(*value),
            AttributeValue::Timestamp(time) => Fact::Time(*time),
        }),
    }
}
