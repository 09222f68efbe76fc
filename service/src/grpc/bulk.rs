//! ContactService: the unary methods for many contacts at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use contacts_proto::v1;
use contacts_proto::v1::batch_get_contacts_result::Result as Item;
use prost::Message;

use super::api::Api;
use super::contacts;
use super::convert::{contact, import, recipient};
use super::error::to_rpc_status;
use super::idempotency::IdempotencyKey;
use super::pages;
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::tag::MAX_TAGS_PER_CONTACT;
use crate::operations::import::ImportChunks;
use crate::operations::tag_edit::{EditTags, TagChanges, TagTarget};
use crate::store::GivenUp;

/// Most recipients of one request.
const MAX_RECIPIENTS: usize = 1000;
/// See [`ImportRow::weight`](crate::domain::import::ImportRow::weight).
const MAX_WEIGHT: usize = 2000;

/// The decoded recipients and the errors of the others, each with its index in
/// the request.
type Recipients = (Vec<(usize, Recipient)>, Vec<(usize, Error)>);

/// Handles BatchGetContacts.
pub(super) async fn get(
    api: &Api,
    request: v1::BatchGetContactsRequest,
) -> Result<v1::BatchGetContactsResponse> {
    let _place = api.places.enter(&request.workspace_id)?;
    let view = contact::decode_view(request.view)?;
    let count = request.recipients.len();
    let (recipients, malformed) = decode_recipients(request.recipients)?;
    let (indexes, recipients): (Vec<_>, Vec<_>) = recipients.into_iter().unzip();
    let found = contacts::find(&api.store, &request.workspace_id, &recipients, view).await?;

    let failure = |error: &Error| Item::Error(to_rpc_status(error));
    let mut items = vec![None; count];
    for (index, error) in &malformed {
        items[*index] = Some(failure(error));
    }
    let now = api.store.now_for_expiry();
    let mut bytes = 0;
    for (index, row) in indexes.into_iter().zip(found) {
        items[index] = Some(match row {
            Some(row) => {
                let contact = contact::encode(&row, view, now)?;
                let size = contact.encoded_len();
                bytes += size;
                match bytes <= pages::MAX_BYTES {
                    true => Item::Contact(contact),
                    false => {
                        bytes -= size;
                        failure(&does_not_fit())
                    }
                }
            }
            None => failure(&Error::contact_not_found()),
        });
    }
    let results = items.into_iter().map(|result| v1::BatchGetContactsResult { result }).collect();
    Ok(v1::BatchGetContactsResponse { results })
}

fn does_not_fit() -> Error {
    let message = "the response has no room for this contact: ask for it in another call, or for \
                   fewer at once";
    Error::invalid(Reason::LimitExceeded, "recipients", message)
}

/// Handles BatchUpsertContacts.
pub(super) async fn upsert(
    api: &Api,
    request: v1::BatchUpsertContactsRequest,
) -> Result<v1::BatchUpsertContactsResponse> {
    let _place = api.places.enter(&request.workspace_id)?;
    let key = IdempotencyKey::of(&request)?;
    let rows = import::decode_rows("rows", request.rows)?;
    let upsert = ImportChunks {
        workspace_id: request.workspace_id,
        began_in: None,
        options: import::decode_options(v1::ImportOptions {
            on_conflict: request.on_conflict,
            create_missing_tags: request.create_missing_tags,
            add_tags: request.add_tags,
            consent: request.consent,
        })?,
        chunks: Arc::new(vec![rows.valid]),
        others_object: false,
        given_up: GivenUp::RunsAgain,
    };
    // All are one transaction, for which others wait.
    if upsert.weight() > MAX_WEIGHT {
        let message =
            "rows: together they have too many whatsapp_user_ids for one call; send fewer rows";
        return Err(Error::invalid(Reason::LimitExceeded, "rows", message));
    }
    let malformed = rows.failures;
    let counted = api.import_rows.clone();
    api.run(key, upsert, move |outcomes| {
        let outcome = outcomes.into_iter().next().unwrap_or_default();
        let response = import::encode(&outcome, malformed.clone());
        counted.count(&response);
        response
    })
    .await
}

/// Handles UpdateContactTags.
pub(super) async fn edit_tags(
    api: &Api,
    request: v1::UpdateContactTagsRequest,
) -> Result<v1::UpdateContactTagsResponse> {
    let _place = api.places.enter(&request.workspace_id)?;
    let key = IdempotencyKey::of(&request)?;
    let (add, remove) = decode_tags(&request)?;
    let (target, malformed) =
        decode_target(request.recipients, request.filter, request.expected_count)?;
    let edit = EditTags {
        workspace_id: request.workspace_id,
        target,
        tags: TagChanges { add, remove },
        validate_only: request.validate_only,
        edited: Mutex::default(),
    };
    api.run(key, edit, move |outcome| {
        let failures = malformed.iter().chain(&outcome.failures);
        let mut failures: Vec<_> =
            failures.map(|(index, error)| import::failure(*index, error)).collect();
        failures.sort_by_key(|failure| failure.row);
        v1::UpdateContactTagsResponse {
            matched_count: outcome.edited.matched,
            updated_count: outcome.edited.changed,
            failures,
        }
    })
    .await
}

fn decode_tags(
    request: &v1::UpdateContactTagsRequest,
) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let decode = |field: &str, tags: &[String]| match tags.len() {
        ..=MAX_TAGS_PER_CONTACT => Ok(tags.iter().cloned().collect::<BTreeSet<_>>()),
        many => Err(Error::limit(field, MAX_TAGS_PER_CONTACT, many)),
    };
    let add = decode("add_tags", &request.add_tags)?;
    let remove = decode("remove_tags", &request.remove_tags)?;
    if add.is_empty() && remove.is_empty() {
        let message = "there is nothing to do: send add_tags, remove_tags or both";
        return Err(Error::invalid(Reason::RequiredFieldMissing, "add_tags", message));
    }
    if !add.is_disjoint(&remove) {
        let message = "remove_tags has a tag that add_tags has too; send it in one of them";
        return Err(Error::invalid(Reason::InvalidArgument, "remove_tags", message));
    }
    Ok((add, remove))
}

fn decode_target(
    recipients: Vec<v1::Recipient>,
    filter: Option<String>,
    expected_count: Option<i64>,
) -> Result<(TagTarget, Vec<(usize, Error)>)> {
    let invalid = |reason, field: &str, message: &str| Err(Error::invalid(reason, field, message));
    match (filter, expected_count) {
        (Some(_), _) if !recipients.is_empty() => {
            let message = "send recipients or filter, not both";
            invalid(Reason::InvalidArgument, "filter", message)
        }
        (Some(filter), Some(expected_count)) => {
            Ok((TagTarget::Filter { filter, expected_count }, Vec::new()))
        }
        (Some(_), None) => {
            let message = "filter needs expected_count, which CountContacts tells";
            invalid(Reason::RequiredFieldMissing, "expected_count", message)
        }
        (None, Some(_)) => {
            let message = "expected_count goes with filter";
            invalid(Reason::InvalidArgument, "expected_count", message)
        }
        (None, None) if recipients.is_empty() => {
            let message = "say whose tags: send recipients, or filter with expected_count";
            invalid(Reason::RequiredFieldMissing, "recipients", message)
        }
        (None, None) => {
            let (recipients, malformed) = decode_recipients(recipients)?;
            Ok((TagTarget::People(recipients), malformed))
        }
    }
}

fn decode_recipients(recipients: Vec<v1::Recipient>) -> Result<Recipients> {
    if recipients.len() > MAX_RECIPIENTS {
        return Err(Error::limit("recipients", MAX_RECIPIENTS, recipients.len()));
    }
    let (mut decoded, mut malformed) = (Vec::new(), Vec::new());
    for (index, recipient) in recipients.into_iter().enumerate() {
        match recipient::decode(recipient.recipient) {
            Ok(recipient) => decoded.push((index, recipient)),
            Err(error) => malformed.push((index, error)),
        }
    }
    Ok((decoded, malformed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Vec<v1::Recipient> {
        vec![v1::Recipient::default()]
    }

    #[test]
    fn tag_edits_target_recipients_or_a_filter() {
        let refused = |recipients, filter: Option<&str>, expected_count| {
            let error = decode_target(recipients, filter.map(str::to_owned), expected_count)
                .expect_err("refused");
            error.field().unwrap_or_default().to_owned()
        };
        assert_eq!(refused(one(), Some(""), Some(1)), "filter");
        assert_eq!(refused(vec![], Some(""), None), "expected_count");
        assert_eq!(refused(one(), None, Some(1)), "expected_count");
        assert_eq!(refused(vec![], None, None), "recipients");
        assert_eq!(refused(vec![v1::Recipient::default(); 1001], None, None), "recipients");

        let (target, malformed) = decode_target(one(), None, None).expect("a target");
        assert!(matches!(target, TagTarget::People(people) if people.is_empty()));
        assert_eq!(malformed.len(), 1);
    }

    #[test]
    fn a_tag_is_added_or_removed_but_not_both() {
        let tags = |add: &[&str], remove: &[&str]| {
            let own = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
            let (add_tags, remove_tags) = (own(add), own(remove));
            decode_tags(&v1::UpdateContactTagsRequest {
                add_tags,
                remove_tags,
                ..Default::default()
            })
            .map_err(|error| error.reason())
        };
        assert!(tags(&["a"], &["b"]).is_ok());
        assert_eq!(tags(&["a"], &["a"]), Err(Reason::InvalidArgument));
        assert_eq!(tags(&[], &[]), Err(Reason::RequiredFieldMissing));
    }
}
