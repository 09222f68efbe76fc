//! ContactService.ExportContactData: everything stored about one person.

use contacts_proto::v1;
use prost::Message;

use super::api::Api;
use super::convert::{consent, contact, recipient};
use super::{opt_in_events, pages};
use crate::domain::consent::{ConsentState, MessageCategory, PlatformEntry};
use crate::domain::contact::View;
use crate::domain::error::Result;
use crate::operations::{export, workspaces};
use crate::store::{StoredResponseInfo, timestamp};

/// Most events, and most saved answers, in one response.
const MAX_ITEMS: usize = 1000;

/// Reads and encodes it.
pub(super) async fn export(
    api: &Api,
    request: v1::ExportContactDataRequest,
) -> Result<v1::ExportContactDataResponse> {
    let recipient = recipient::decode(request.recipient)?;
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let id = workspace.workspace_id.as_str();
    let held = export::held(&api.store, id, &recipient, MAX_ITEMS + 1).await?;
    let now = api.store.now();

    let count = held.events.len();
    let (mut bytes, mut last) = (0, 0);
    let events: Vec<_> = held
        .events
        .into_iter()
        .take(MAX_ITEMS)
        .map_while(|(position, event)| {
            let event = consent::encode_event(event);
            bytes += event.encoded_len();
            (bytes <= pages::MAX_BYTES).then(|| {
                last = position;
                event
            })
        })
        .collect();
    let more_events = events.len() < count;
    let events_page_token = match more_events {
        true => opt_in_events::page_token(&workspace, &recipient, last),
        false => String::new(),
    };
    let more_stored_responses = held.answers.len() > MAX_ITEMS;
    Ok(v1::ExportContactDataResponse {
        contact: held.contact.map(|row| contact::encode(&row, View::Full, now)).transpose()?,
        consents: held.consent.as_ref().map(encode_consents).unwrap_or_default(),
        events,
        more_events,
        events_page_token,
        stored_responses: held
            .answers
            .into_iter()
            .take(MAX_ITEMS)
            .map(encode_stored_response)
            .collect(),
        more_stored_responses,
        platform_preferences: held.consent.as_ref().map(encode_preferences).unwrap_or_default(),
        receipts: held.receipts.into_iter().map(contact::encode_receipt).collect(),
        export_time: Some(timestamp(now)),
    })
}

fn encode_consents(state: &ConsentState) -> Vec<v1::RecordedConsent> {
    let encode = |category| {
        let known = state.get(category);
        v1::RecordedConsent {
            category: consent::encode_category(category).into(),
            status: consent::encode_status(known.status).into(),
            event_id: known.event_id.map(|id| id.to_string()).unwrap_or_default(),
            occurred_time: known.occurred_time.map(timestamp),
            expire_time: known.expire_time.map(timestamp),
        }
    };
    MessageCategory::ALL.into_iter().map(encode).collect()
}

fn encode_preferences(state: &ConsentState) -> Vec<v1::RecordedPlatformPreference> {
    let encode = |entry: &PlatformEntry| v1::RecordedPlatformPreference {
        sender_phone_number_id: entry.sender_phone_number_id.clone(),
        preference: match entry.stopped {
            true => v1::PlatformPreference::Stop,
            false => v1::PlatformPreference::Resume,
        }
        .into(),
        occurred_time: Some(timestamp(entry.occurred_time)),
        event_id: entry.event_id.to_string(),
    };
    state.platform.entries().iter().map(encode).collect()
}

fn encode_stored_response(stored: StoredResponseInfo) -> v1::StoredResponse {
    v1::StoredResponse {
        request_id: stored.request_id.to_string(),
        method: stored.method,
        create_time: Some(timestamp(stored.create_time)),
    }
}
