use std::time::SystemTime;

/// The definition of a custom field of contacts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attribute {
    /// Unique id in the workspace, `[a-z][a-z0-9_]{0,62}`. Immutable.
    pub attribute_id: String,
    /// Name for people, unique in the workspace.
    pub display_name: String,
    /// Type of the values. Immutable.
    pub attribute_type: AttributeType,
    /// For [`AttributeType::Enum`]: the permitted values.
    pub enum_options: Vec<String>,
    /// What the attribute is for. May be empty.
    pub description: String,
    /// Number of contacts that have a value.
    pub contact_count: u64,
    /// When the attribute was defined.
    pub create_time: Option<SystemTime>,
    /// When the definition last changed.
    pub update_time: Option<SystemTime>,
}

/// The type of the values of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttributeType {
    /// Text of at most 1000 characters.
    String,
    /// A double-precision number; NaN and infinity are rejected.
    Number,
    /// True or false.
    Boolean,
    /// A point in time, with microsecond precision.
    Timestamp,
    /// One of the attribute's `enum_options`.
    Enum,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}
