use std::time::SystemTime;

/// The data of one business: its contacts, tags, attributes and consent events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workspace {
    /// Unique id, `[a-z][a-z0-9_-]{0,62}`. Immutable.
    pub workspace_id: String,
    /// Name for people.
    pub display_name: String,
    /// When the workspace was created.
    pub create_time: Option<SystemTime>,
}
