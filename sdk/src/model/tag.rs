use std::time::SystemTime;

/// A label for contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tag {
    /// Unique id in the workspace, `[a-z][a-z0-9_]{0,62}`. Immutable.
    pub tag_id: String,
    /// Name for people, unique in the workspace.
    pub display_name: String,
    /// What the tag is for. May be empty.
    pub description: String,
    /// Color for display, as `#rrggbb`. May be empty.
    pub color: String,
    /// Number of contacts that have the tag.
    pub contact_count: u64,
    /// When the tag was created.
    pub create_time: Option<SystemTime>,
    /// When the tag last changed.
    pub update_time: Option<SystemTime>,
}
