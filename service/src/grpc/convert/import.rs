//! Imports.

use std::sync::Arc;

use contacts_proto::v1;

use super::{consent, contact, decode_enum};
use crate::domain::contact::Profile;
use crate::domain::error::{Error, Result};
use crate::domain::import::{ChunkOutcome, ImportOptions, ImportRow, OnConflict};
use crate::grpc::error::to_rpc_status;
use crate::operations::import::empty_row;

/// Most rows of a chunk.
const MAX_ROWS: usize = 1000;

/// The rows of a chunk, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// Rows to store, with their index in the chunk.
    pub(crate) valid: Vec<(usize, ImportRow)>,
    /// Failures of the rows that could not be decoded.
    pub(crate) failures: Vec<v1::RowFailure>,
}

/// Decodes the options of an import.
pub(crate) fn decode_options(options: v1::ImportOptions) -> Result<ImportOptions> {
    Ok(ImportOptions {
        on_conflict: match decode_enum("on_conflict", options.on_conflict)? {
            v1::OnConflict::Unspecified | v1::OnConflict::Skip => OnConflict::Skip,
            v1::OnConflict::Merge => OnConflict::Merge,
            v1::OnConflict::Fail => OnConflict::Fail,
        },
        create_missing_tags: options.create_missing_tags,
        add_tags: options.add_tags,
        consent: consent::decode_import(options.consent)?,
    })
}

/// Decodes rows. A row that cannot be decoded does not fail the others.
pub(crate) fn decode_rows(field: &str, rows: Vec<v1::ImportRow>) -> Result<Rows> {
    if rows.len() > MAX_ROWS {
        return Err(Error::limit(field, MAX_ROWS, rows.len()));
    }
    let mut decoded = Rows::default();
    for (index, row) in rows.into_iter().enumerate() {
        match decode_row(row) {
            Ok(row) => decoded.valid.push((index, row)),
            Err(error) => decoded.failures.push(failure(index, &error)),
        }
    }
    Ok(decoded)
}

fn decode_row(row: v1::ImportRow) -> Result<ImportRow> {
    let contact = row.contact.ok_or_else(empty_row)?;
    let (consent, fault) = match consent::decode_import(row.consent) {
        Ok(consent) => (consent, None),
        Err(error) => (None, Some(error)),
    };
    let named = v1::Contact {
        phone_number: contact.phone_number.clone(),
        whatsapp_user_ids: contact.whatsapp_user_ids.clone(),
        external_id: contact.external_id.clone(),
        ..v1::Contact::default()
    };
    let fault = match (contact::decode_new(contact), fault) {
        (Ok(profile), None) => return Ok(ImportRow { profile, consent, fault: None }),
        (_, Some(fault)) | (Err(fault), None) => fault,
    };
    // An opt-out is stored even if the rest of its row is invalid, and what others whom the row names
    // objected to counts for all of them.
    let profile = contact::decode_readable_ids(&named);
    match profile == Profile::default() {
        true => Err(fault),
        false => Ok(ImportRow { profile, consent, fault: Some(Arc::new(fault)) }),
    }
}

/// Encodes the outcome of a chunk. `failures` are those of rows that could not be
/// decoded; they are sorted in with those of rows that could not be stored.
pub(crate) fn encode(
    outcome: &ChunkOutcome,
    mut failures: Vec<v1::RowFailure>,
) -> v1::BatchUpsertContactsResponse {
    failures.extend(outcome.failures.iter().map(|(index, error)| failure(*index, error)));
    failures.sort_by_key(|failure| failure.row);
    v1::BatchUpsertContactsResponse {
        created: count(outcome.created),
        updated: count(outcome.updated),
        unchanged: count(outcome.unchanged),
        failures,
    }
}

/// Encodes the failure of one row or recipient.
pub(crate) fn failure(index: usize, error: &Error) -> v1::RowFailure {
    v1::RowFailure { row: count(index), status: Some(to_rpc_status(error)) }
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::Reason;

    fn row(phone_number: &str) -> v1::ImportRow {
        let phone_number = phone_number.to_owned();
        let contact = Some(v1::Contact { phone_number, ..v1::Contact::default() });
        v1::ImportRow { contact, consent: None }
    }

    #[test]
    fn invalid_rows_do_not_fail_others_and_are_reported_in_order() {
        let rows =
            vec![v1::ImportRow::default(), row("15551234567"), row("12"), row("15551234568")];
        let decoded = decode_rows("rows", rows).expect("rows");
        let indexes: Vec<_> = decoded.valid.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, [1, 3]);

        let outcome = ChunkOutcome {
            created: 1,
            failures: vec![(1, Error::new(Reason::UnknownTag, "x"))],
            ..ChunkOutcome::default()
        };
        let response = encode(&outcome, decoded.failures);
        let failed: Vec<_> = response.failures.iter().map(|failure| failure.row).collect();
        assert_eq!((failed, response.created), (vec![0, 1, 2], 1));
    }

    #[test]
    fn a_chunk_with_too_many_rows_is_refused() {
        let error = decode_rows("rows", vec![row("15551234567"); MAX_ROWS + 1]).expect_err("many");
        assert_eq!((error.reason(), error.field()), (Reason::LimitExceeded, Some("rows")));
    }
}
