use std::time::SystemTime;

/// The value of one custom attribute.
///
/// Which case is right is the attribute's [type](crate::AttributeType); the server refuses the
/// others. Made from plain values:
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
    /// For STRING and ENUM: at most 1000 characters, for an ENUM one of its options.
    String(String),
    /// For NUMBER: finite.
    Number(f64),
    /// For BOOLEAN.
    Bool(bool),
    /// For TIMESTAMP: kept to the microsecond.
    Timestamp(SystemTime),
    /// Of a kind that this version of the crate does not know. Cannot be sent.
    Unknown,
}

impl AttributeValue {
    /// The text of a STRING or ENUM.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a NUMBER.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of a BOOLEAN.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a TIMESTAMP.
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
