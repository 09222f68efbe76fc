//! ContactService.StreamDuplicateContacts: groups of contacts that may be the
//! same person, resumable.

use contacts_proto::v1;
use contacts_proto::v1::stream_duplicate_contacts_response::Event as DuplicatesEvent;
use futures::stream::BoxStream;
use tonic::Status;

use super::api::Api;
use super::convert::contact;
use super::resumable::{self, Encoder, Event, MAX_MESSAGE_BYTES, Progress, Source};
use super::tokens::Tokens;
use crate::domain::contact::View;
use crate::domain::error::Result;
use crate::operations::duplicates::{Duplicates, Group, GroupCursor};
use crate::operations::token::Cursor;
use crate::operations::workspaces;
use crate::store::{DuplicateKey, Store};

/// Validates the request and begins to search.
pub(super) async fn open(
    api: &Api,
    request: v1::StreamDuplicateContactsRequest,
) -> Result<BoxStream<'static, Result<v1::StreamDuplicateContactsResponse, Status>>> {
    let place = api.places.enter(&request.workspace_id)?;
    let view = contact::decode_view(request.view)?;
    let max_groups = resumable::decode_limit(request.limit)?;
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let limit = request.limit.to_string();
    let tokens = Tokens::of::<v1::StreamDuplicateContactsRequest>(&workspace, &[&limit]);
    let progress = Progress::resume(tokens, &request.resume_token, max_groups, api.store.now())?;
    let after = GroupCursor::decode(&progress.cursor().text);
    let search = Duplicates::new(api.store.clone(), workspace, after);
    let groups = Groups { store: api.store.clone(), view, next: None };
    Ok(resumable::stream(search, groups, progress, place, api.drain.clone()))
}

impl Source for Duplicates {
    type Part = Group;

    const READ_AHEAD: usize = 4;
    const IS_HEAVY: bool = true;

    async fn next_part(&mut self) -> Result<Option<Group>> {
        self.next_group().await
    }
}

/// Encodes one group a message.
struct Groups {
    store: Store,
    view: View,
    next: Option<Group>,
}

impl Encoder for Groups {
    type Part = Group;
    type Items = v1::DuplicateGroup;
    type Response = v1::StreamDuplicateContactsResponse;

    fn push(&mut self, group: Group) {
        self.next = Some(group);
    }

    fn next_items(&mut self, _: i64) -> Result<Option<(v1::DuplicateGroup, Cursor)>> {
        let Some(group) = self.next.take() else { return Ok(None) };
        let now = self.store.now_for_expiry();
        let mut bytes = 0;
        let mut contacts = Vec::with_capacity(group.contacts.len());
        for row in &group.contacts {
            bytes += row.record.len();
            // A group has two contacts at least, however large they are.
            if bytes > MAX_MESSAGE_BYTES && contacts.len() > 1 {
                break;
            }
            contacts.push(contact::encode(row, self.view, now)?);
        }
        let reason = match group.likeness {
            DuplicateKey::Email => v1::DuplicateReason::SameEmail,
            DuplicateKey::NameAndNumber => v1::DuplicateReason::SameNameSimilarNumber,
        };
        let cursor = Cursor { text: group.place.encode(), count: 1, ..Cursor::default() };
        let group = v1::DuplicateGroup {
            reason: reason.into(),
            contacts,
            contact_count: i64::try_from(group.count).unwrap_or(i64::MAX),
        };
        Ok(Some((group, cursor)))
    }

    fn response(
        event: Event<v1::DuplicateGroup>,
        resume_token: String,
    ) -> v1::StreamDuplicateContactsResponse {
        let event = match event {
            Event::Items(group) => DuplicatesEvent::Group(group),
            Event::Heartbeat(heartbeat) => DuplicatesEvent::Heartbeat(heartbeat),
            Event::End(end) => DuplicatesEvent::End(end),
        };
        v1::StreamDuplicateContactsResponse { event: Some(event), resume_token }
    }
}
