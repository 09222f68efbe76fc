//! ContactService.ImportContacts: chunks of rows, with a response to each chunk
//! after its commit.
//!
//! Chunks are committed in the order in which they arrive. While some are being
//! committed, the next ones are received and decoded; together they make the next
//! commit: as many rows as one transaction may write ([`Store::rows_of`]), or several
//! transactions if the first chunk has more. On a database that can write in parallel a second commit runs beside
//! the first, but only if the two are about different people, so that their order
//! does not matter.

mod transactions;

use std::collections::{HashSet, VecDeque};

use contacts_proto::v1;
use contacts_proto::v1::import_contacts_request::Message;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, FuturesOrdered, StreamExt};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use super::access::Messages;
use super::api::{Api, ImportRows, shutting_down};
use super::convert::import::{self as convert, Rows};
use super::workspace_places::{WorkspacePlace, WorkspacePlaces};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::import::ImportOptions;
use crate::domain::phone::MatchKey;
use crate::operations::workspaces;
use crate::runtime::off_worker;
use crate::store::{LongWork, Store, Workspace};
use crate::telemetry::call;

const MAX_CHUNK_ID: usize = 255;
/// Most chunks of one commit: those that fail as a whole hold no rows.
const MAX_CHUNKS: usize = 64;

/// Bytes of messages after which no more join a commit. Rows have 200 bytes on average.
const BYTES_PER_TRANSACTION: usize = 8 << 20;

/// The response to one chunk.
type ChunkResponse = Result<v1::ImportContactsResponse, Status>;
/// The responses to the chunks of one commit.
type CommitResponses = Result<Vec<v1::ImportContactsResponse>, Status>;

/// Begins an import, and returns before the first message arrives: some clients
/// send it only after they received the response's headers.
pub(super) fn open(
    api: &Api,
    requests: Messages<v1::ImportContactsRequest>,
) -> BoxStream<'static, ChunkResponse> {
    let (responses, received) = mpsc::channel(1);
    let import = Import {
        store: api.store.clone(),
        requests,
        responses,
        drain: api.drain.clone(),
        places: api.places.clone(),
        counted: api.import_rows.clone(),
    };
    // Converting rows takes milliseconds at a time.
    tokio::spawn(call::carried(off_worker(import.run())).in_current_span());
    ReceiverStream::new(received).boxed()
}

/// An import under way.
struct Import {
    store: Store,
    requests: Messages<v1::ImportContactsRequest>,
    responses: mpsc::Sender<ChunkResponse>,
    drain: CancellationToken,
    places: WorkspacePlaces,
    counted: ImportRows,
}

/// Where and how the chunks of an import are stored.
struct Target {
    store: Store,
    workspace: Workspace,
    options: ImportOptions,
    counted: ImportRows,
    _place: WorkspacePlace,
}

/// A decoded chunk.
struct Chunk {
    chunk_id: String,
    rows: Rows,
    /// Of the message.
    bytes: usize,
}

impl Chunk {
    fn len(&self) -> usize {
        self.rows.valid.len()
    }
}

/// Commits under way. Their responses are sent in the order in which they began.
struct Commits {
    running: FuturesOrdered<BoxFuture<'static, CommitResponses>>,
    /// The people each of them is about.
    people: VecDeque<HashSet<MatchKey>>,
}

impl Commits {
    /// Begins to commit the decoded chunks, unless they have to wait. A second
    /// commit begins only when it is full, since many small ones cost more.
    fn begin(&mut self, target: &Target, decoded: &mut Vec<Chunk>) {
        let rows: usize = decoded.iter().map(Chunk::len).sum();
        let bytes: usize = decoded.iter().map(|chunk| chunk.bytes).sum();
        let limit = target.store.rows_of(LongWork::Import);
        let is_full =
            rows >= limit || decoded.len() >= MAX_CHUNKS || bytes >= BYTES_PER_TRANSACTION;
        let allowed = match !is_full {
            true => 1,
            false => target.store.parallel_writes(),
        };
        if decoded.is_empty() || self.running.len() >= allowed {
            return;
        }
        // Whole chunks: a part of the last one would be a transaction of few rows.
        let mut rows = 0;
        let fits = |chunk: &&Chunk| {
            rows += chunk.len();
            rows <= limit
        };
        let fitting = decoded.iter().take_while(fits).count().max(1);
        let readable = decoded[..fitting].iter().flat_map(|chunk| &chunk.rows.valid);
        let people: HashSet<_> = match target.store.parallel_writes() {
            1 => HashSet::new(),
            _ => readable.flat_map(|(_, row)| row.profile.match_keys()).collect(),
        };
        if self.people.iter().all(|others| others.is_disjoint(&people)) {
            let rest = decoded.split_off(fitting);
            let chunks = std::mem::replace(decoded, rest);
            self.running.push_back(target.commit(chunks).boxed());
            self.people.push_back(people);
        }
    }

    /// The responses of the oldest commit. Waits forever if there is none.
    async fn next(&mut self) -> CommitResponses {
        let Some(responses) = self.running.next().await else {
            return std::future::pending().await;
        };
        self.people.pop_front();
        responses
    }
}

impl Import {
    async fn run(mut self) {
        if let Err(status) = self.import().await {
            // The send fails if the client went away.
            drop(self.responses.send(Err(status)).await);
        }
    }

    async fn import(&mut self) -> Result<(), Status> {
        let Some(target) = self.begin().await? else { return Ok(()) };
        let mut commits = Commits { running: FuturesOrdered::new(), people: VecDeque::new() };
        let mut decoded: Vec<Chunk> = Vec::new();
        // Set when nothing more is received. Chunks received before are still
        // committed and responded to.
        let mut ending: Option<Result<(), Status>> = None;
        let mut unsent: VecDeque<v1::ImportContactsResponse> = VecDeque::new();
        // Of a commit. What was committed before is responded to all the same.
        let mut failed: Option<Status> = None;
        loop {
            if unsent.is_empty()
                && let Some(status) = failed.take()
            {
                return Err(status);
            }
            // Whoever does not read responses gets no more commits.
            if failed.is_none() && unsent.len() < MAX_CHUNKS {
                commits.begin(&target, &mut decoded);
            }
            if commits.running.is_empty()
                && unsent.is_empty()
                && let Some(end) = ending.take()
            {
                return end;
            }
            let rows: usize = decoded.iter().map(Chunk::len).sum();
            let bytes: usize = decoded.iter().map(|chunk| chunk.bytes).sum();
            let has_room = rows < self.store.rows_of(LongWork::Import)
                && decoded.len() < MAX_CHUNKS
                && bytes < BYTES_PER_TRANSACTION;
            let receives = has_room && ending.is_none() && failed.is_none();
            tokio::select! {
                committed = commits.next(), if failed.is_none() => match committed {
                    Ok(responses) => unsent.extend(responses),
                    Err(status) => failed = Some(status),
                },
                // The next commit goes on while these are sent.
                permit = self.responses.reserve(), if !unsent.is_empty() => {
                    let (Ok(permit), Some(response)) = (permit, unsent.pop_front()) else {
                        return Ok(());
                    };
                    permit.send(Ok(response));
                }
                request = self.requests.message(), if receives => {
                    match decode_chunk(request, &target.workspace.workspace_id) {
                        Ok(Some(chunk)) => decoded.push(chunk),
                        Ok(None) => ending = Some(Ok(())),
                        Err(status) => ending = Some(Err(status)),
                    }
                }
                () = self.drain.cancelled(), if ending.is_none() => {
                    decoded.clear();
                    ending = Some(Err(shutting_down().into()));
                }
                () = self.responses.closed() => return Ok(()),
            }
        }
    }

    /// Receives the first message, the options. None if the client went away.
    async fn begin(&mut self) -> Result<Option<Target>, Status> {
        let first = tokio::select! {
            first = self.requests.message() => first?,
            () = self.drain.cancelled() => return Err(shutting_down().into()),
            () = self.responses.closed() => return Ok(None),
        };
        let first = first.unwrap_or_default();
        let Some(Message::Options(options)) = first.message else {
            let message = "the first message of an import has to be options";
            return Err(Error::invalid(Reason::RequiredFieldMissing, "options", message).into());
        };
        let options =
            convert::decode_options(options).map_err(|error| error.in_parent("options"))?;
        let place = self.places.enter(&first.workspace_id)?;
        // So that an unknown workspace is reported before the first chunk arrives.
        let workspace = workspaces::get(&self.store, &first.workspace_id).await?;
        let (store, counted) = (self.store.clone(), self.counted.clone());
        Ok(Some(Target { store, workspace, options, counted, _place: place }))
    }
}

impl Target {
    /// Stores chunks. The commit goes on when the client goes away.
    fn commit(&self, chunks: Vec<Chunk>) -> impl Future<Output = CommitResponses> + Send + use<> {
        let (store, counted) = (self.store.clone(), self.counted.clone());
        let mut pending = Vec::with_capacity(chunks.len());
        let mut valid = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            pending.push((chunk.chunk_id, chunk.rows.failures));
            valid.push(chunk.rows.valid);
        }
        let (workspace, options) = (self.workspace.clone(), self.options.clone());
        async move {
            let outcomes = transactions::write(&store, &workspace, &options, valid).await?;
            let response = |(outcome, (chunk_id, failures))| {
                let encoded = convert::encode(&outcome, failures);
                counted.count(&encoded);
                v1::ImportContactsResponse {
                    chunk_id,
                    created: encoded.created,
                    updated: encoded.updated,
                    unchanged: encoded.unchanged,
                    failures: encoded.failures,
                }
            };
            Ok(outcomes.into_iter().zip(pending).map(response).collect())
        }
    }
}

/// Decodes a message that has to be a chunk for this workspace. None at the end.
fn decode_chunk(
    request: Result<Option<v1::ImportContactsRequest>, Status>,
    workspace_id: &str,
) -> Result<Option<Chunk>, Status> {
    let invalid = |field: &str, message: &str| {
        Err(Error::invalid(Reason::InvalidArgument, field, message).into())
    };
    let Some(request) = request? else { return Ok(None) };
    if !["", workspace_id].contains(&request.workspace_id.as_str()) {
        return invalid(
            "workspace_id",
            "rows go to the workspace of the first message; for another one, begin another import",
        );
    }
    let bytes = request.encoded_len();
    let v1::ImportChunk { chunk_id, rows } = match request.message {
        Some(Message::Chunk(chunk)) => chunk,
        Some(Message::Options(_)) => {
            return invalid("options", "options are the first message only; send a chunk");
        }
        None => return invalid("chunk", "the message is empty; send a chunk"),
    };
    if chunk_id.len() > MAX_CHUNK_ID {
        return Err(Error::limit("chunk.chunk_id", MAX_CHUNK_ID, chunk_id.len()).into());
    }
    Ok(Some(Chunk { chunk_id, rows: convert::decode_rows("chunk.rows", rows)?, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunks_follow_the_options() {
        let decode = |message| {
            let request = v1::ImportContactsRequest { message, ..Default::default() };
            decode_chunk(Ok(Some(request)), "acme").map_err(|status| status.message().to_owned())
        };
        assert!(decode(Some(Message::Chunk(v1::ImportChunk::default()))).is_ok());
        assert!(decode(Some(Message::Options(v1::ImportOptions::default()))).is_err());
        assert!(decode(None).is_err());
        let chunk_id = "x".repeat(256);
        let error = decode(Some(Message::Chunk(v1::ImportChunk { chunk_id, rows: vec![] })));
        assert!(error.err().expect("too long").contains("255"));
        assert!(matches!(decode_chunk(Ok(None), "acme"), Ok(None)));
        for (workspace_id, is_decoded) in [("", true), ("acme", true), ("default", false)] {
            let message = Some(Message::Chunk(v1::ImportChunk::default()));
            let request =
                v1::ImportContactsRequest { workspace_id: workspace_id.to_owned(), message };
            let decoded = decode_chunk(Ok(Some(request)), "acme");
            assert_eq!(decoded.is_ok(), is_decoded, "{workspace_id}");
        }
    }
}
