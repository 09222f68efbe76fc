use contacts_proto::v1;

use super::{FromProto, IntoProto, all, all_into, count};
use crate::error::Error;
use crate::model::{ChunkResult, ImportConsent, ImportOptions, ImportRow, RowFailure, TagUpdate};

impl IntoProto<v1::ImportOptions> for ImportOptions {
    fn into_proto(self) -> v1::ImportOptions {
        v1::ImportOptions {
            on_conflict: self.on_conflict.into_proto(),
            create_missing_tags: self.create_missing_tags,
            add_tags: self.add_tags,
            consent: self.consent.map(ImportConsent::into_proto),
        }
    }
}

impl IntoProto<v1::ImportConsent> for ImportConsent {
    fn into_proto(self) -> v1::ImportConsent {
        v1::ImportConsent {
            status: self.status.into_proto(),
            categories: all_into(self.categories),
            source: self.source.map(IntoProto::into_proto).unwrap_or_default(),
            evidence: self.evidence.map(IntoProto::into_proto),
            occurred_time: self.occurred_time.map(Into::into),
        }
    }
}

impl IntoProto<v1::ImportRow> for ImportRow {
    fn into_proto(self) -> v1::ImportRow {
        v1::ImportRow {
            contact: Some(self.contact.into_proto()),
            consent: self.consent.map(ImportConsent::into_proto),
        }
    }
}

impl FromProto<v1::RowFailure> for RowFailure {
    fn from_proto(message: v1::RowFailure) -> Self {
        Self {
            row: count(message.row),
            error: Error::from_proto(message.status.unwrap_or_default()),
        }
    }
}

impl FromProto<v1::ImportContactsResponse> for ChunkResult {
    fn from_proto(message: v1::ImportContactsResponse) -> Self {
        Self {
            first_row: 0,
            row_count: 0,
            created: count(message.created),
            updated: count(message.updated),
            unchanged: count(message.unchanged),
            failures: all(message.failures),
        }
    }
}

impl FromProto<v1::BatchUpsertContactsResponse> for ChunkResult {
    fn from_proto(message: v1::BatchUpsertContactsResponse) -> Self {
        Self {
            first_row: 0,
            row_count: 0,
            created: count(message.created),
            updated: count(message.updated),
            unchanged: count(message.unchanged),
            failures: all(message.failures),
        }
    }
}

impl ChunkResult {
    /// Sets the rows of the input that this is the result of.
    pub(crate) fn of_rows(mut self, first_row: u64, row_count: u64) -> Self {
        self.first_row = first_row;
        self.row_count = row_count;
        for failure in &mut self.failures {
            failure.row += first_row;
        }
        self
    }
}

impl FromProto<v1::UpdateContactTagsResponse> for TagUpdate {
    fn from_proto(message: v1::UpdateContactTagsResponse) -> Self {
        Self {
            matched_count: count(message.matched_count),
            updated_count: count(message.updated_count),
            failures: all(message.failures),
        }
    }
}
