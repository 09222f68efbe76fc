//! ContactService.StreamContacts: all contacts of a segment, resumable.
//!
//! Rows are sent as they are stored: decoding and encoding them again would be
//! the largest cost of a stream.

use std::collections::VecDeque;

use bytes::Bytes;
use contacts_proto::v1::stream_contacts_response::Event as ContactsEvent;
use contacts_proto::{ContactBatch, v1};
use futures::stream::BoxStream;
use tonic::Status;
use uuid::Uuid;

use super::api::Api;
use super::convert::contact;
use super::pages;
use super::resumable::{self, Encoder, Event, MAX_MESSAGE_BYTES, Progress, Source};
use super::tokens::Tokens;
use crate::domain::contact::View;
use crate::domain::error::Result;
use crate::operations::contact_scan::ContactScan;
use crate::operations::read::{self, Query};
use crate::operations::token::Cursor;
use crate::operations::workspace;
use crate::store::{ContactRow, PageCursor, Store, wire_contact};

const DEFAULT_BATCH: usize = 500;
const MAX_BATCH: usize = 1000;

/// Validates the request and begins to read.
pub(super) async fn open(
    api: &Api,
    request: v1::StreamContactsRequest,
) -> Result<BoxStream<'static, Result<v1::StreamContactsResponse, Status>>> {
    let place = api.places.enter(&request.workspace_id)?;
    let view = contact::decode_view(request.view)?;
    let batch_size = match usize::try_from(request.max_batch_size) {
        Ok(0) => DEFAULT_BATCH,
        Ok(size) => size.min(MAX_BATCH),
        Err(_) => return Err(pages::negative("max_batch_size", "500")),
    };
    let max_contacts = resumable::decode_limit(request.limit)?;
    let v1::StreamContactsRequest { workspace_id, filter, query, limit, resume_token, .. } =
        request;
    let query = Query { workspace_id, filter, query };
    let mut session = api.store.read_stream().await?;
    let workspace = workspace(&mut *session, &query.workspace_id).await?;
    let parts = [query.filter.as_str(), query.query.as_str(), &limit.to_string()];
    let tokens = Tokens::of::<v1::StreamContactsRequest>(&workspace, &parts);
    let progress = Progress::resume(tokens, &resume_token, max_contacts, api.store.now())?;
    let asked_at = progress.cursor().asked_at;
    let selection = read::select(&api.store, &mut *session, &workspace, &query, asked_at).await?;
    drop(session);
    let after = match progress.cursor().id {
        id if id.is_nil() => None,
        id => Some(PageCursor { sort_key: String::new(), contact_id: id }),
    };
    let pages = Pages {
        scan: ContactScan::new(api.store.clone(), workspace, selection, after),
        wanted: progress.remaining(),
    };
    let batches =
        Batches { store: api.store.clone(), view, size: batch_size, page: VecDeque::new() };
    Ok(resumable::stream(pages, batches, progress, place, api.drain.clone()))
}

/// Reads pages of rows, as many as are wanted.
struct Pages {
    scan: ContactScan,
    wanted: i64,
}

impl Source for Pages {
    type Part = VecDeque<ContactRow>;

    const READ_AHEAD: usize = 1;

    async fn next_part(&mut self) -> Result<Option<VecDeque<ContactRow>>> {
        if self.wanted <= 0 {
            return Ok(None);
        }
        let page = self.scan.next_page().await?;
        self.wanted = self.wanted.saturating_sub_unsigned(page.len() as u64);
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}

/// Cuts pages into the batches that are sent.
struct Batches {
    store: Store,
    view: View,
    /// Most contacts of a batch.
    size: usize,
    /// Rows not sent yet.
    page: VecDeque<ContactRow>,
}

impl Encoder for Batches {
    type Part = VecDeque<ContactRow>;
    type Items = ContactBatch;
    type Response = v1::StreamContactsResponse;

    fn push(&mut self, page: VecDeque<ContactRow>) {
        self.page = page;
    }

    fn next_items(&mut self, limit: i64) -> Result<Option<(ContactBatch, Cursor)>> {
        let now = self.store.now_for_expiry();
        let size = self.size.min(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut contacts: Vec<Bytes> = Vec::with_capacity(size.min(self.page.len()));
        let mut last = Uuid::nil();
        let mut bytes = 0;
        while contacts.len() < size {
            let Some(row) = self.page.front() else { break };
            let contact = wire_contact(row, self.view, now);
            bytes += contact.len();
            if bytes > MAX_MESSAGE_BYTES && !contacts.is_empty() {
                break;
            }
            last = row.contact_id;
            self.page.pop_front();
            contacts.push(contact);
        }
        if contacts.is_empty() {
            return Ok(None);
        }
        let cursor = Cursor { id: last, count: contacts.len() as i64, ..Cursor::default() };
        Ok(Some((ContactBatch { contacts }, cursor)))
    }

    fn response(event: Event<ContactBatch>, resume_token: String) -> v1::StreamContactsResponse {
        let event = match event {
            Event::Items(batch) => ContactsEvent::Batch(batch),
            Event::Heartbeat(heartbeat) => ContactsEvent::Heartbeat(heartbeat),
            Event::End(end) => ContactsEvent::End(end),
        };
        v1::StreamContactsResponse { event: Some(event), resume_token }
    }
}
