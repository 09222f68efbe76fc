//! ContactService.ExportContactData: everything stored about one person.

use contacts_proto::v1;
use prost::Message;

use super::api::Api;
use super::convert::{consent as consent_convert, contact, recipient};
use super::{opt_in_events, pages};
use crate::domain::consent::IdentityConsent;
use crate::domain::consent::fold::Stop;
use crate::domain::contact::View;
use crate::domain::error::Result;
use crate::operations::{export, workspaces};
use crate::store::{StoredResponseInfo, encode_consents, timestamp};
use crate::telemetry::call;

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
    call::about(held.contact.as_ref().map(|row| row.contact_id));
    let now = api.store.now_for_expiry();

    let count = held.events.len();
    let (mut bytes, mut last) = (0, 0);
    let events: Vec<_> = held
        .events
        .into_iter()
        .take(MAX_ITEMS)
        .map_while(|(position, event)| {
            let event = consent_convert::encode_event(event);
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
        consents: held
            .consent
            .as_ref()
            .map(|row| encode_consents(&row.consent, row.max_ages))
            .unwrap_or_default(),
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
        platform_preferences: held
            .consent
            .as_ref()
            .map(|row| encode_preferences(&row.consent))
            .unwrap_or_default(),
        receipts: held.receipts.into_iter().map(contact::encode_receipt).collect(),
        export_time: Some(timestamp(now)),
    })
}

fn encode_preferences(consent: &IdentityConsent) -> Vec<v1::RecordedPlatformPreference> {
    let encode = |stop: &Stop| v1::RecordedPlatformPreference {
        sender_phone_number_id: stop.sender.clone(),
        preference: v1::PlatformPreference::Stop.into(),
        occurred_time: Some(timestamp(stop.objection.time)),
        event_id: stop.objection.event.to_string(),
    };
    // A stop that names several identities stands under each.
    let mut stops: Vec<&Stop> = consent.objections.stops().iter().collect();
    stops.sort_by_key(|stop| stop.objection.event);
    stops.dedup_by_key(|stop| stop.objection.event);
    stops.into_iter().map(encode).collect()
}

fn encode_stored_response(stored: StoredResponseInfo) -> v1::StoredResponse {
    v1::StoredResponse {
        request_id: stored.request_id.to_string(),
        method: stored.method,
        create_time: Some(timestamp(stored.create_time)),
    }
}
