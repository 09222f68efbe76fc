use std::time::SystemTime;

/// The value of a custom attribute.
///
/// The server rejects a variant that does not match the attribute's [type](crate::AttributeType).
/// Plain values convert into this type:
///
/// ```
/// use contacts_sdk::AttributeValue;
///
/// let city: AttributeValue = "São Paulo".into();
/// let orders: AttributeValue = 3.into();
/// assert_eq!(city.as_str(), Some("São Paulo"));
/// assert_eq!(orders.as_f64(), Some(3.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue {
    /// For [`AttributeType::String`](crate::AttributeType::String) and
    /// [`AttributeType::Enum`](crate::AttributeType::Enum). At most 1000 characters.
    String(String),
    /// For [`AttributeType::Number`](crate::AttributeType::Number). NaN and infinity are rejected.
    Number(f64),
    /// For [`AttributeType::Boolean`](crate::AttributeType::Boolean).
    Bool(bool),
    /// For [`AttributeType::Timestamp`](crate::AttributeType::Timestamp). Stored with microsecond
    /// precision.
    Timestamp(SystemTime),
    /// A value that this version of the crate does not know. The server rejects it.
    Unknown,
}

impl AttributeValue {
    /// The text of a [`String`](Self::String).
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a [`Number`](Self::Number).
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of a [`Bool`](Self::Bool).
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a [`Timestamp`](Self::Timestamp).
    pub fn as_time(&self) -> Option<SystemTime> {
        match self {
            Self::Timestamp(time) => Some(*time),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($plain:ty => $case:ident;)*) => {$(
        impl From<$plain> for AttributeValue {
            fn from(value: $plain) -> Self {
                Self::$case(value.into())
            }
        }
    )*};
}

from! {
    &str => String;
    &String => String;
    String => String;
    f64 => Number;
    f32 => Number;
    i32 => Number;
    u32 => Number;
    bool => Bool;
    SystemTime => Timestamp;
}
