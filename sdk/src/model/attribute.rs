use std::time::SystemTime;

/// The definition of a custom field of contacts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attribute {
    /// Its id: `[a-z][a-z0-9_]{0,62}`, immutable. Filters and contacts name it so.
    pub attribute_id: String,
    /// Free text for people, unique in the workspace.
    pub display_name: String,
    /// What its values are; immutable.
    pub attribute_type: AttributeType,
    /// For ENUM: the values it can have.
    pub enum_options: Vec<String>,
    /// What it is for; may be empty.
    pub description: String,
    /// How many contacts have a value.
    pub contact_count: u64,
    /// When it was made.
    pub create_time: Option<SystemTime>,
    /// When it last changed.
    pub update_time: Option<SystemTime>,
}

/// What the values of an attribute are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttributeType {
    /// Free text.
    String,
    /// A finite double.
    Number,
    /// True or false.
    Boolean,
    /// A moment, to the microsecond.
    Timestamp,
    /// One of the attribute's options.
    Enum,
    /// One that this version of the crate does not know, or none (0).
    Unknown(i32),
}
