use std::time::SystemTime;

/// One business, with its own contacts, tags, attributes and opt-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workspace {
    /// Its id: `[a-z][a-z0-9_-]{0,62}`, immutable.
    pub workspace_id: String,
    /// Free text for people.
    pub display_name: String,
    /// When it was made.
    pub create_time: Option<SystemTime>,
}
