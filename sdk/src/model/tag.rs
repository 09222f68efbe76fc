use std::time::SystemTime;

/// A label contacts can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tag {
    /// Its id: `[a-z][a-z0-9_]{0,62}`, immutable. Filters and contacts name it so.
    pub tag_id: String,
    /// Free text for people, unique in the workspace.
    pub display_name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// `#rrggbb`, or empty.
    pub color: String,
    /// How many contacts carry it.
    pub contact_count: u64,
    /// When it was made.
    pub create_time: Option<SystemTime>,
    /// When it last changed.
    pub update_time: Option<SystemTime>,
}
