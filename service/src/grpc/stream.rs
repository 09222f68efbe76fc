//! ContactService.StreamContacts: all contacts of a segment, resumable.
//!
//! A task reads pages ahead, this stream cuts them into messages. Rows are sent
//! as they are stored: decoding and encoding them again would be the largest
//! cost of a stream.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use contacts_proto::v1::stream_contacts_response::Event;
use contacts_proto::{ContactBatch, v1};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;
use uuid::Uuid;

use super::convert::contact;
use super::{Api, pages};
use crate::domain::contact::View;
use crate::domain::error::{Error, Result};
use crate::operations::contact_scan::ContactScan;
use crate::operations::read::{self, Query};
use crate::operations::token::{self, Cursor};
use crate::store::{ContactRow, PageCursor, Store, wire_contact};

const DEFAULT_BATCH: usize = 500;
const MAX_BATCH: usize = 1000;
/// A message ends here even when it could have more contacts: clients accept
/// 4 MiB.
pub(super) const MAX_BATCH_BYTES: usize = 1 << 20;
/// Pages read ahead.
const PAGES_AHEAD: usize = 2;
/// After so long without anything to send, a heartbeat is sent.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);

type Pages = mpsc::Receiver<Result<VecDeque<ContactRow>>>;

/// Checks the request and begins to read.
pub async fn open(
    api: &Api,
    request: v1::StreamContactsRequest,
) -> Result<BoxStream<'static, Result<v1::StreamContactsResponse, Status>>> {
    let view = contact::decode_view(request.view)?;
    let batch_size = match usize::try_from(request.max_batch_size) {
        Ok(0) => DEFAULT_BATCH,
        Ok(size) => size.min(MAX_BATCH),
        Err(_) => return Err(pages::negative("max_batch_size", "500")),
    };
    if request.limit < 0 {
        return Err(pages::negative("limit", "all"));
    }
    let v1::StreamContactsRequest { workspace_id, filter, query, limit, resume_token, .. } =
        request;
    let query = Query { workspace_id, filter, query };
    let mut session = api.store.read_stream().await?;
    let (workspace, selection) = read::select(&api.store, &mut *session, &query).await?;
    drop(session);

    let tokens = Tokens {
        key: workspace.token_key,
        workspace_id: workspace.workspace_id.clone(),
        query,
        limit: limit.to_string(),
    };
    let place = tokens.open(&resume_token)?.unwrap_or_default();
    let after =
        (!place.id.is_nil()).then(|| PageCursor { sort_key: String::new(), contact_id: place.id });
    let wanted = match limit {
        0 => i64::MAX,
        limit => limit.saturating_sub(place.count),
    };
    let segment = ContactScan::new(api.store.clone(), workspace, selection, after);
    let state = StreamState {
        store: api.store.clone(),
        pages: read_ahead(segment, wanted),
        page: VecDeque::new(),
        view,
        batch_size,
        wanted,
        last: place.id,
        delivered: place.count,
        tokens,
        drain: api.drain.clone(),
        ended: false,
    };
    let next =
        |mut state: StreamState| async move { state.next().await.map(|message| (message, state)) };
    Ok(stream::unfold(state, next).boxed())
}

/// Reads pages until there are no more, enough, or nobody wants them. The last
/// one is empty. Who waits for a slow client here holds no connection.
fn read_ahead(mut segment: ContactScan, mut wanted: i64) -> Pages {
    let (sender, pages) = mpsc::channel(PAGES_AHEAD);
    let reading = async move {
        while wanted > 0 {
            let page = tokio::select! {
                () = sender.closed() => return,
                page = segment.next_page() => page,
            };
            let rows = page.as_ref().map_or(0, VecDeque::len);
            wanted = wanted.saturating_sub_unsigned(rows as u64);
            if sender.send(page).await.is_err() || rows == 0 {
                return;
            }
        }
    };
    tokio::spawn(reading.in_current_span());
    pages
}

/// What the tokens of one stream are bound to.
struct Tokens {
    key: [u8; 32],
    workspace_id: String,
    query: Query,
    limit: String,
}

impl Tokens {
    fn binding(&self) -> [&str; 5] {
        let Query { filter, query, .. } = &self.query;
        ["StreamContacts", &self.workspace_id, filter, query, &self.limit]
    }

    fn open(&self, token: &str) -> Result<Option<Cursor>> {
        token::open_resume(&self.key, &self.binding(), token)
    }

    fn seal(&self, id: Uuid, count: i64) -> String {
        token::seal(&self.key, &self.binding(), &Cursor { id, text: String::new(), count })
    }
}

/// A stream under way.
struct StreamState {
    store: Store,
    pages: Pages,
    /// Rows read and not yet sent.
    page: VecDeque<ContactRow>,
    view: View,
    batch_size: usize,
    /// How many contacts are still to be sent at most.
    wanted: i64,
    /// The contact sent last.
    last: Uuid,
    /// How many were sent, resumed parts included.
    delivered: i64,
    tokens: Tokens,
    drain: CancellationToken,
    ended: bool,
}

impl StreamState {
    async fn next(&mut self) -> Option<Result<v1::StreamContactsResponse, Status>> {
        if self.ended {
            return None;
        }
        if self.wanted <= 0 {
            return Some(Ok(self.end(v1::StreamEndReason::Limit)));
        }
        if self.drain.is_cancelled() {
            return Some(Ok(self.end(v1::StreamEndReason::ServerDrain)));
        }
        if self.page.is_empty() {
            let page = tokio::select! {
                biased;
                () = self.drain.cancelled() => {
                    return Some(Ok(self.end(v1::StreamEndReason::ServerDrain)));
                }
                page = self.pages.recv() => page,
                () = tokio::time::sleep(HEARTBEAT) => {
                    return Some(Ok(self.message(Event::Heartbeat(v1::Heartbeat {}))));
                }
            };
            let gone = || Err(Error::internal("the reading task ended without an empty page"));
            match page.unwrap_or_else(gone) {
                Ok(page) if page.is_empty() => {
                    return Some(Ok(self.end(v1::StreamEndReason::Complete)));
                }
                Ok(page) => self.page = page,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.into()));
                }
            }
        }
        let contacts = self.batch();
        Some(Ok(self.message(Event::Batch(ContactBatch { contacts }))))
    }

    /// The next contacts of the page.
    fn batch(&mut self) -> Vec<Bytes> {
        let now = self.store.now();
        let mut contacts = Vec::with_capacity(self.batch_size.min(self.page.len()));
        let mut bytes = 0;
        while contacts.len() < self.batch_size && self.wanted > 0 {
            let Some(row) = self.page.front() else { break };
            let contact = wire_contact(row, self.view, now);
            bytes += contact.len();
            if bytes > MAX_BATCH_BYTES && !contacts.is_empty() {
                break;
            }
            self.last = row.contact_id;
            self.wanted -= 1;
            self.delivered += 1;
            self.page.pop_front();
            contacts.push(contact);
        }
        contacts
    }

    fn end(&mut self, reason: v1::StreamEndReason) -> v1::StreamContactsResponse {
        self.ended = true;
        let delivered_count = self.delivered;
        self.message(Event::End(v1::StreamEnd { delivered_count, reason: reason.into() }))
    }

    fn message(&self, event: Event) -> v1::StreamContactsResponse {
        let resume_token = self.tokens.seal(self.last, self.delivered);
        v1::StreamContactsResponse { event: Some(event), resume_token }
    }
}
