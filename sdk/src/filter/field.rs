use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;

use super::literal::{Literal, Prefix, Quoted, joined};
use super::{Filter, FilterTime};
use crate::model::{AttributeValue, MessageCategory, OptInSource};

/// A field of contacts that is compared with values of type `V`. Returned by the functions of
/// [`Filter`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Field<V> {
    name: Cow<'static, str>,
    values: PhantomData<V>,
}

/// Values that have an order: all except opt-in statuses and sources. Not meant to be implemented.
pub trait Ordered: Literal {}

impl Ordered for String {}
impl Ordered for AttributeValue {}
impl Ordered for FilterTime {}

impl<V> Field<V> {
    pub(super) fn named(name: &'static str) -> Self {
        Self { name: name.into(), values: PhantomData }
    }

    pub(super) fn of_category(parent: &str, category: MessageCategory, child: &str) -> Self {
        let category = match category {
            MessageCategory::Marketing => "marketing",
            MessageCategory::Utility => "utility",
            MessageCategory::Authentication => "authentication",
            // There is no such field, and the server rejects it.
            MessageCategory::Unknown(_) => "unknown",
        };
        Self { name: format!("{parent}.{category}{child}").into(), values: PhantomData }
    }

    pub(super) fn is(&self, operator: &str, value: impl Display) -> Filter {
        Filter::test(format!("{} {operator} {value}", self.name))
    }
}

impl Field<AttributeValue> {
    /// The filter language has no quoted names. Text that does not have the form of an id is quoted, so
    /// that the server rejects it instead of parsing it as something else.
    pub(super) fn attribute(id: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = match !id.is_empty() && id.chars().all(plain) {
            true => format!("attributes.{id}"),
            false => format!("attributes.{}", Quoted(id)),
        };
        Self { name: name.into(), values: PhantomData }
    }

    /// Matches contacts that have a value.
    pub fn is_set(self) -> Filter {
        Filter::test(format!("{}:*", self.name))
    }

    /// Matches text with this prefix, compared exactly. For attributes of type
    /// [`String`](crate::AttributeType::String).
    pub fn starts_with(self, prefix: impl AsRef<str>) -> Filter {
        self.is("=", Prefix(prefix.as_ref()))
    }
}

impl Field<String> {
    /// Matches contacts that have a value.
    pub fn is_set(self) -> Filter {
        Filter::test(format!("{}:*", self.name))
    }

    /// Matches text with this prefix, compared exactly.
    pub fn starts_with(self, prefix: impl AsRef<str>) -> Filter {
        self.is("=", Prefix(prefix.as_ref()))
    }
}

impl Field<FilterTime> {
    /// The value of an attribute.
    pub(super) fn attribute_time(id: &str) -> Self {
        Self { name: Field::attribute(id).name, values: PhantomData }
    }

    /// Matches contacts that have a value.
    pub fn is_set(self) -> Filter {
        Filter::test(format!("{}:*", self.name))
    }
}

impl Field<OptInSource> {
    /// Matches contacts that have a value.
    pub fn is_set(self) -> Filter {
        Filter::test(format!("{}:*", self.name))
    }
}

impl<V: Literal> Field<V> {
    /// Matches values that are equal.
    pub fn eq(self, value: impl Into<V>) -> Filter {
        self.is("=", value.into().literal())
    }

    /// Matches values that are not equal. Does not match a missing value.
    pub fn ne(self, value: impl Into<V>) -> Filter {
        self.is("!=", value.into().literal())
    }

    /// Matches values that are in the list. The server rejects an empty list.
    pub fn in_list(self, values: impl IntoIterator<Item: Into<V>>) -> Filter {
        let values = values.into_iter().map(|value| value.into().literal());
        self.is("IN", format_args!("({})", joined(values)))
    }
}

impl<V: Ordered> Field<V> {
    /// Matches values that are less, or earlier.
    pub fn lt(self, value: impl Into<V>) -> Filter {
        self.is("<", value.into().literal())
    }

    /// Matches values that are less or equal.
    pub fn le(self, value: impl Into<V>) -> Filter {
        self.is("<=", value.into().literal())
    }

    /// Matches values that are greater, or later.
    pub fn gt(self, value: impl Into<V>) -> Filter {
        self.is(">", value.into().literal())
    }

    /// Matches values that are greater or equal.
    pub fn ge(self, value: impl Into<V>) -> Filter {
        self.is(">=", value.into().literal())
    }
}
