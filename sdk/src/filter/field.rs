use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;
use std::time::SystemTime;

use super::Filter;
use super::literal::{Literal, Prefix, Quoted, joined};
use crate::model::AttributeValue;

/// A field of contacts, to be compared with values of type `V`. From the functions of [`Filter`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Field<V> {
    name: Cow<'static, str>,
    values: PhantomData<V>,
}

/// Values that have an order: all but opt-in statuses. Not for implementing.
pub trait Ordered: Literal {}

impl Ordered for String {}
impl Ordered for AttributeValue {}
impl Ordered for SystemTime {}

impl<V> Field<V> {
    pub(super) fn named(name: &'static str) -> Self {
        Self { name: name.into(), values: PhantomData }
    }

    fn is(&self, operator: &str, value: impl Display) -> Filter {
        Filter::test(format!("{} {operator} {value}", self.name))
    }
}

impl Field<AttributeValue> {
    /// A name cannot be quoted in the language. What is not even of the form of an id is, so that
    /// the server refuses it instead of reading it as something else.
    pub(super) fn attribute(id: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = match !id.is_empty() && id.chars().all(plain) {
            true => format!("attributes.{id}"),
            false => format!("attributes.{}", Quoted(id)),
        };
        Self { name: name.into(), values: PhantomData }
    }

    /// The attribute has a value.
    pub fn is_set(self) -> Filter {
        Filter::test(format!("{}:*", self.name))
    }

    /// The text begins so, exactly. For STRING attributes.
    pub fn starts_with(self, prefix: impl AsRef<str>) -> Filter {
        self.is("=", Prefix(prefix.as_ref()))
    }
}

impl Field<String> {
    /// The field is not empty.
    pub fn is_set(self) -> Filter {
        Filter::test(format!("{}:*", self.name))
    }

    /// The text begins so, exactly.
    pub fn starts_with(self, prefix: impl AsRef<str>) -> Filter {
        self.is("=", Prefix(prefix.as_ref()))
    }
}

impl<V: Literal> Field<V> {
    /// The value is this one.
    pub fn eq(self, value: impl Into<V>) -> Filter {
        self.is("=", value.into().literal())
    }

    /// The value is another one; not true of a missing value.
    pub fn ne(self, value: impl Into<V>) -> Filter {
        self.is("!=", value.into().literal())
    }

    /// The value is one of these. The server refuses an empty list.
    pub fn in_list(self, values: impl IntoIterator<Item: Into<V>>) -> Filter {
        let values = values.into_iter().map(|value| value.into().literal());
        self.is("IN", format_args!("({})", joined(values)))
    }
}

impl<V: Ordered> Field<V> {
    /// The value is less, or earlier.
    pub fn lt(self, value: impl Into<V>) -> Filter {
        self.is("<", value.into().literal())
    }

    /// The value is at most this one.
    pub fn le(self, value: impl Into<V>) -> Filter {
        self.is("<=", value.into().literal())
    }

    /// The value is greater, or later.
    pub fn gt(self, value: impl Into<V>) -> Filter {
        self.is(">", value.into().literal())
    }

    /// The value is at least this one.
    pub fn ge(self, value: impl Into<V>) -> Filter {
        self.is(">=", value.into().literal())
    }
}
