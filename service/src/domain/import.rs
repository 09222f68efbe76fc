//! Rows, options and results of imports.

use std::sync::Arc;

use super::consent::Statement;
use super::contact::Profile;
use super::error::Error;

/// What to do with a row whose contact already exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Leave the contact unchanged.
    Skip,
    /// Set the fields that the row has and keep the rest.
    Merge,
    /// Fail the row.
    Fail,
}

/// Options of an import, which apply to all of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportOptions {
    /// What to do with rows whose contact already exists.
    pub on_conflict: OnConflict,
    /// Create tags that do not exist yet.
    pub create_missing_tags: bool,
    /// Tags to add to every row.
    pub add_tags: Vec<String>,
    /// Consent to record for every row that has none of its own.
    pub consent: Option<Statement>,
}

/// A row of an import whose phone number or user id is valid.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// The profile to store.
    pub profile: Profile,
    /// Consent of this row, instead of [`ImportOptions::consent`].
    pub consent: Option<Statement>,
    /// Error in the rest of the row. The row is not stored, but an opt-out in it is recorded.
    pub fault: Option<Arc<Error>>,
}

impl ImportRow {
    /// What it costs to import, in rows of a few ids: each user id may be another person's.
    pub fn weight(&self) -> usize {
        self.profile.whatsapp_user_ids.len().max(1)
    }
}

/// Result of importing a chunk.
#[derive(Debug, Default)]
pub struct ChunkOutcome {
    /// Number of rows that created a contact.
    pub created: usize,
    /// Number of rows that changed a contact.
    pub updated: usize,
    /// Number of rows that changed nothing.
    pub unchanged: usize,
    /// Failed rows: index in the chunk, and error.
    pub failures: Vec<(usize, Error)>,
}
