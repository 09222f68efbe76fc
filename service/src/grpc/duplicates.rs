//! ContactService.StreamDuplicateContacts: contacts that look like one person.

use contacts_proto::v1;
use contacts_proto::v1::stream_duplicate_contacts_response::Event;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;
use uuid::Uuid;

use super::convert::contact;
use super::stream::{HEARTBEAT, MAX_BATCH_BYTES};
use super::{Api, pages};
use crate::domain::contact::View;
use crate::domain::error::Result;
use crate::operations::duplicates::{Duplicates, Group, GroupCursor};
use crate::operations::{token, workspaces};
use crate::store::{DuplicateKey, Store};

/// Groups read ahead.
const AHEAD: usize = 4;

/// Checks the request and begins to search.
pub async fn open(
    api: &Api,
    request: v1::StreamDuplicateContactsRequest,
) -> Result<BoxStream<'static, Result<v1::StreamDuplicateContactsResponse, Status>>> {
    let view = contact::decode_view(request.view)?;
    if request.limit < 0 {
        return Err(pages::negative("limit", "all"));
    }
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let tokens = Tokens {
        key: workspace.token_key,
        workspace_id: workspace.workspace_id.clone(),
        limit: request.limit.to_string(),
    };
    let place = token::open_resume(&tokens.key, &tokens.binding(), &request.resume_token)?;
    let place = place.unwrap_or_default();
    let search = Duplicates::new(api.store.clone(), workspace, GroupCursor::decode(&place.text));
    let state = StreamState {
        store: api.store.clone(),
        groups: search_ahead(search),
        view,
        wanted: match request.limit {
            0 => i64::MAX,
            limit => limit.saturating_sub(place.count),
        },
        last: place.text,
        delivered: place.count,
        tokens,
        drain: api.drain.clone(),
        ended: false,
    };
    let next =
        |mut state: StreamState| async move { state.next().await.map(|message| (message, state)) };
    Ok(stream::unfold(state, next).boxed())
}

/// Searches until there is no more, or nobody wants it. None is the end.
fn search_ahead(mut search: Duplicates) -> mpsc::Receiver<Result<Option<Group>>> {
    let (sender, groups) = mpsc::channel(AHEAD);
    let searching = async move {
        loop {
            let group = tokio::select! {
                () = sender.closed() => return,
                group = search.next_group() => group,
            };
            let more = matches!(group, Ok(Some(_)));
            if sender.send(group).await.is_err() || !more {
                return;
            }
        }
    };
    tokio::spawn(searching.in_current_span());
    groups
}

/// What the tokens of one stream are bound to.
struct Tokens {
    key: [u8; 32],
    workspace_id: String,
    limit: String,
}

impl Tokens {
    fn binding(&self) -> [&str; 3] {
        ["StreamDuplicateContacts", &self.workspace_id, &self.limit]
    }
}

/// A stream under way.
struct StreamState {
    store: Store,
    groups: mpsc::Receiver<Result<Option<Group>>>,
    view: View,
    /// How many groups are still to be sent at most.
    wanted: i64,
    /// The place behind the group sent last; empty at the beginning.
    last: String,
    /// How many were sent, resumed parts included.
    delivered: i64,
    tokens: Tokens,
    drain: CancellationToken,
    ended: bool,
}

impl StreamState {
    async fn next(&mut self) -> Option<Result<v1::StreamDuplicateContactsResponse, Status>> {
        if self.ended {
            return None;
        }
        if self.wanted <= 0 {
            return Some(Ok(self.end(v1::StreamEndReason::Limit)));
        }
        let group = tokio::select! {
            biased;
            () = self.drain.cancelled() => {
                return Some(Ok(self.end(v1::StreamEndReason::ServerDrain)));
            }
            group = self.groups.recv() => group,
            () = tokio::time::sleep(HEARTBEAT) => {
                return Some(Ok(self.message(Event::Heartbeat(v1::Heartbeat {}))));
            }
        };
        match group.unwrap_or(Ok(None)) {
            Ok(Some(group)) => Some(self.group(group).map_err(Status::from)),
            Ok(None) => Some(Ok(self.end(v1::StreamEndReason::Complete))),
            Err(error) => {
                self.ended = true;
                Some(Err(error.into()))
            }
        }
    }

    fn group(&mut self, group: Group) -> Result<v1::StreamDuplicateContactsResponse> {
        let now = self.store.now();
        let mut bytes = 0;
        let mut contacts = Vec::with_capacity(group.contacts.len());
        for row in &group.contacts {
            bytes += row.record.len();
            // One alone would be no group.
            if bytes > MAX_BATCH_BYTES && contacts.len() > 1 {
                break;
            }
            contacts.push(contact::encode(row, self.view, now)?);
        }
        self.wanted -= 1;
        self.delivered += 1;
        self.last = group.place.encode();
        let reason = match group.likeness {
            DuplicateKey::Email => v1::DuplicateReason::SameEmail,
            DuplicateKey::NameAndNumber => v1::DuplicateReason::SameNameSimilarNumber,
        };
        Ok(self.message(Event::Group(v1::DuplicateGroup {
            reason: reason.into(),
            contacts,
            contact_count: i64::try_from(group.count).unwrap_or(i64::MAX),
        })))
    }

    fn end(&mut self, reason: v1::StreamEndReason) -> v1::StreamDuplicateContactsResponse {
        self.ended = true;
        let delivered_count = self.delivered;
        self.message(Event::End(v1::StreamEnd { delivered_count, reason: reason.into() }))
    }

    fn message(&self, event: Event) -> v1::StreamDuplicateContactsResponse {
        let place =
            token::Cursor { id: Uuid::nil(), text: self.last.clone(), count: self.delivered };
        let resume_token = token::seal(&self.tokens.key, &self.tokens.binding(), &place);
        v1::StreamDuplicateContactsResponse { event: Some(event), resume_token }
    }
}
