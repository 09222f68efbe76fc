use std::time::SystemTime;

use super::{Evidence, MessageCategory, NewContact, OptInSource, OptInStatus};
use crate::error::Error;

/// What to do with a row whose contact exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnConflict {
    /// Leave the contact as it is.
    #[default]
    Skip,
    /// Set the fields the row has, add its tags, keep the rest.
    Merge,
    /// Fail the row. Such an import is not sent again after a dropped connection, because rows that
    /// had landed would fail the second time.
    Fail,
}

/// How an import works.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct ImportOptions {
    pub(crate) on_conflict: OnConflict,
    pub(crate) create_missing_tags: bool,
    pub(crate) add_tags: Vec<String>,
    pub(crate) consent: Option<ImportConsent>,
}

impl ImportOptions {
    /// Begins with the defaults: existing contacts are skipped, missing tags fail their rows,
    /// consent is not touched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what to do with a row whose contact exists.
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// Makes tags the rows name and the workspace lacks, instead of failing those rows.
    pub fn create_missing_tags(mut self, create: bool) -> Self {
        self.create_missing_tags = create;
        self
    }

    /// Adds a tag that every row gets.
    pub fn add_tag(mut self, tag_id: impl Into<String>) -> Self {
        self.add_tags.push(tag_id.into());
        self
    }

    /// States what the people of this import agreed or objected to.
    pub fn consent(mut self, consent: ImportConsent) -> Self {
        self.consent = Some(consent);
        self
    }
}

/// An explicit statement about consent in an import.
///
/// An opt-in never lifts an opt-out: such a row fails with
/// [`CONSENT_CONFLICT`](crate::reason::CONSENT_CONFLICT), the others land. An opt-out is recorded
/// even for rows that are skipped.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct ImportConsent {
    pub(crate) status: OptInStatus,
    pub(crate) categories: Vec<MessageCategory>,
    pub(crate) source: Option<OptInSource>,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) occurred_time: Option<SystemTime>,
}

impl ImportConsent {
    /// States that the people agreed. Import only what you can prove, and say how with
    /// [`evidence`](Self::evidence).
    pub fn opted_in() -> Self {
        Self::new(OptInStatus::OptedIn)
    }

    /// States that the people objected.
    pub fn opted_out() -> Self {
        Self::new(OptInStatus::OptedOut)
    }

    fn new(status: OptInStatus) -> Self {
        Self { status, categories: Vec::new(), source: None, evidence: None, occurred_time: None }
    }

    /// Sets what it is about. None means all categories.
    pub fn categories(mut self, categories: impl IntoIterator<Item = MessageCategory>) -> Self {
        self.categories = categories.into_iter().collect();
        self
    }

    /// Sets how it reached the business; [`OptInSource::Import`] if not set.
    pub fn source(mut self, source: OptInSource) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets what shows it.
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(evidence);
        self
    }

    /// Sets when the people said it; the time of the import if not set.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.occurred_time = Some(time);
        self
    }
}

/// One row of an import: a contact, and what this person said if it differs from the rest.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct ImportRow {
    pub(crate) contact: NewContact,
    pub(crate) consent: Option<ImportConsent>,
}

impl ImportRow {
    /// Makes a row without a consent block of its own.
    pub fn new(contact: NewContact) -> Self {
        Self { contact, consent: None }
    }

    /// Sets the consent of this row, in place of the import's.
    pub fn consent(mut self, consent: ImportConsent) -> Self {
        self.consent = Some(consent);
        self
    }
}

impl From<NewContact> for ImportRow {
    fn from(contact: NewContact) -> Self {
        Self::new(contact)
    }
}

/// What became of one chunk of rows, after it was committed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChunkResult {
    /// The index of its first row in the whole input.
    pub first_row: u64,
    /// How many rows it has.
    pub row_count: u64,
    /// Rows that made a contact.
    pub created: u64,
    /// Rows that changed one.
    pub updated: u64,
    /// Rows that changed nothing.
    pub unchanged: u64,
    /// Rows that failed; the others landed.
    pub failures: Vec<RowFailure>,
}

/// A row that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RowFailure {
    /// Its index in the whole input, from 0.
    pub row: u64,
    /// Why.
    pub error: Error,
}

/// The sum of the chunks of an import.
///
/// After a dropped connection a chunk may be sent a second time: rows that had landed then count as
/// unchanged and not as created or updated.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportSummary {
    /// Rows answered so far.
    pub rows: u64,
    /// Rows that made a contact.
    pub created: u64,
    /// Rows that changed one.
    pub updated: u64,
    /// Rows that changed nothing.
    pub unchanged: u64,
    /// Rows that failed.
    pub failed: u64,
    /// The first of them, at most [`MAX_FAILURES`](Self::MAX_FAILURES).
    pub failures: Vec<RowFailure>,
}

impl ImportSummary {
    /// How many failures a summary keeps. Read the chunks one by one to see all.
    pub const MAX_FAILURES: usize = 1000;

    pub(crate) fn add(&mut self, chunk: ChunkResult) {
        self.rows += chunk.row_count;
        self.created += chunk.created;
        self.updated += chunk.updated;
        self.unchanged += chunk.unchanged;
        self.failed += chunk.failures.len() as u64;
        let room = Self::MAX_FAILURES - self.failures.len();
        self.failures.extend(chunk.failures.into_iter().take(room));
    }
}

/// What a bulk change of tags did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TagUpdate {
    /// How many contacts were selected.
    pub matched_count: u64,
    /// How many of them changed.
    pub updated_count: u64,
    /// People who were not found or malformed, by index. The others changed.
    pub failures: Vec<RowFailure>,
}
