//! Imports: what a row is, and how it meets a contact that exists.

use std::sync::Arc;

use super::consent::Statement;
use super::contact::Profile;
use super::error::Error;

/// What to do with a row whose contact exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Leave the contact as it is.
    Skip,
    /// Set what the row has, keep the rest.
    Merge,
    /// Fail the row.
    Fail,
}

/// How an import works.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportOptions {
    /// For rows whose contact exists.
    pub on_conflict: OnConflict,
    /// Make tags that are missing.
    pub create_missing_tags: bool,
    /// Tags that every row gets.
    pub add_tags: Vec<String>,
    /// What the people agreed or objected to.
    pub consent: Option<Statement>,
}

/// A row that could be read, at least as far as to know who it is about.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// What to store.
    pub profile: Profile,
    /// In place of the import's own statement.
    pub consent: Option<Statement>,
    /// Why nothing is stored. The row only counts as far as it is an objection.
    pub fault: Option<Arc<Error>>,
}

/// What became of a chunk.
#[derive(Debug, Default)]
pub struct ChunkOutcome {
    /// Rows that made a contact.
    pub created: usize,
    /// Rows that changed one.
    pub updated: usize,
    /// Rows that changed nothing.
    pub unchanged: usize,
    /// Rows that failed, by index.
    pub failures: Vec<(usize, Error)>,
}
