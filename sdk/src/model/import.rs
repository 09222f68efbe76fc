use std::time::SystemTime;

use super::{Evidence, MessageCategory, NewContact, OptInSource, OptInStatus};
use crate::error::Error;

/// What an import does with a row whose contact already exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnConflict {
    /// Leave the contact unchanged.
    #[default]
    Skip,
    /// Set the fields that the row has, add its tags, and keep the other fields.
    Merge,
    /// Fail the row. Such an import is not resumed after a dropped connection, because rows that were
    /// stored would fail the second time.
    Fail,
}

/// Options of an import.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct ImportOptions {
    pub(crate) on_conflict: OnConflict,
    pub(crate) create_missing_tags: bool,
    pub(crate) add_tags: Vec<String>,
    pub(crate) consent: Option<ImportConsent>,
}

impl ImportOptions {
    /// Creates the default options: existing contacts are skipped, rows with missing tags fail, and
    /// consent does not change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what to do with a row whose contact already exists. Default: [`OnConflict::Skip`].
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// Sets whether to create tags that do not exist, instead of failing their rows. Default: false.
    pub fn create_missing_tags(mut self, create: bool) -> Self {
        self.create_missing_tags = create;
        self
    }

    /// Adds a tag to every row. It must exist unless
    /// [`create_missing_tags`](Self::create_missing_tags) is set.
    pub fn add_tag(mut self, tag_id: impl Into<String>) -> Self {
        self.add_tags.push(tag_id.into());
        self
    }

    /// Sets the consent of the people in this import. A row can override it.
    pub fn consent(mut self, consent: ImportConsent) -> Self {
        self.consent = Some(consent);
        self
    }
}

/// Consent of a person in an import.
///
/// An opt-in never lifts an opt-out: such a row fails with
/// [`CONSENT_CONFLICT`](crate::reason::CONSENT_CONFLICT) and does not affect the others. An opt-out is
/// recorded even if the row is skipped.
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
    /// States that the person opted in. Import only opt-ins that you can prove, and record the
    /// [`evidence`](Self::evidence).
    pub fn opted_in() -> Self {
        Self::new(OptInStatus::OptedIn)
    }

    /// States that the person opted out.
    pub fn opted_out() -> Self {
        Self::new(OptInStatus::OptedOut)
    }

    fn new(status: OptInStatus) -> Self {
        Self { status, categories: Vec::new(), source: None, evidence: None, occurred_time: None }
    }

    /// Sets the categories that the statement applies to. Default and empty: all.
    pub fn categories(mut self, categories: impl IntoIterator<Item = MessageCategory>) -> Self {
        self.categories = categories.into_iter().collect();
        self
    }

    /// Sets how the consent was given or withdrawn. Default: [`OptInSource::Import`].
    pub fn source(mut self, source: OptInSource) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets the evidence of the statement.
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(evidence);
        self
    }

    /// Sets when the person made the statement. Default: the time of the import.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.occurred_time = Some(time);
        self
    }
}

/// One row of an import: a contact, and optionally its consent.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct ImportRow {
    pub(crate) contact: NewContact,
    pub(crate) consent: Option<ImportConsent>,
}

impl ImportRow {
    /// Creates a row with the consent of the import.
    pub fn new(contact: NewContact) -> Self {
        Self { contact, consent: None }
    }

    /// Overrides the consent of the import for this row.
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

/// The result of one chunk of an import, after it was committed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChunkResult {
    /// Index of the first row of the chunk in the whole input, starting at 0.
    pub first_row: u64,
    /// Number of rows in the chunk.
    pub row_count: u64,
    /// Number of rows that created a contact.
    pub created: u64,
    /// Number of rows that changed a contact.
    pub updated: u64,
    /// Number of rows that changed nothing.
    pub unchanged: u64,
    /// Rows that failed. The others are stored.
    pub failures: Vec<RowFailure>,
}

/// A row or recipient of a bulk request that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RowFailure {
    /// Index of the row in the whole input, starting at 0.
    pub row: u64,
    /// The error.
    pub error: Error,
}

/// The totals of an import.
///
/// After a dropped connection, a chunk may be sent twice. Rows that were stored the first time then
/// count as unchanged instead of created or updated.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportSummary {
    /// Number of rows with a result so far.
    pub rows: u64,
    /// Number of rows that created a contact.
    pub created: u64,
    /// Number of rows that changed a contact.
    pub updated: u64,
    /// Number of rows that changed nothing.
    pub unchanged: u64,
    /// Number of rows that failed.
    pub failed: u64,
    /// The first failures, at most [`MAX_FAILURES`](Self::MAX_FAILURES).
    pub failures: Vec<RowFailure>,
}

impl ImportSummary {
    /// The maximum number of failures in a summary. To get all of them, use
    /// [`ImportContacts::chunks`](crate::request::ImportContacts::chunks).
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

/// The result of a bulk change of tags.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TagUpdate {
    /// Number of contacts selected.
    pub matched_count: u64,
    /// Number of contacts that changed.
    pub updated_count: u64,
    /// Recipients that do not exist or are malformed. The others were changed.
    pub failures: Vec<RowFailure>,
}
