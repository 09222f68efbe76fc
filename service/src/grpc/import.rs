//! ContactService.ImportContacts: chunks of rows, each answered after its
//! commit.
//!
//! Chunks are committed in the order in which they came. While some are being
//! committed the next are received and decoded; what has come by then is the
//! next commit. A database that can write in parallel is given a second commit
//! while it works on one, if both are about different people: in what order
//! those happen makes no difference.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use contacts_proto::v1;
use contacts_proto::v1::import_contacts_request::Message;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, FuturesOrdered, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::Instrument;

use super::convert::import::{self as convert, Rows};
use super::{Api, shutting_down};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::import::ImportOptions;
use crate::domain::phone::MatchKey;
use crate::operations::import::{ImportChunks, ROWS_PER_TRANSACTION};
use crate::operations::workspaces;
use crate::store::Store;

const MAX_CHUNK_ID: usize = 255;
/// Most chunks of one commit: those that fail as a whole hold no rows.
const MAX_CHUNKS: usize = 64;

type EncodedResponse = Result<v1::ImportContactsResponse, Status>;
type Answers = Result<Vec<v1::ImportContactsResponse>, Status>;

/// Begins an import. Nothing is waited for: some clients send their first
/// message only when they were answered with headers.
pub fn open(
    api: &Api,
    requests: Streaming<v1::ImportContactsRequest>,
) -> BoxStream<'static, EncodedResponse> {
    let (answers, received) = mpsc::channel(1);
    let import = Import {
        store: api.store.clone(),
        requests,
        answers,
        drain: api.drain.clone(),
        idle_timeout: api.idle_timeout,
    };
    tokio::spawn(import.run().in_current_span());
    ReceiverStream::new(received).boxed()
}

/// An import under way.
struct Import {
    store: Store,
    requests: Streaming<v1::ImportContactsRequest>,
    answers: mpsc::Sender<EncodedResponse>,
    drain: CancellationToken,
    idle_timeout: Duration,
}

/// How the chunks of an import are stored.
struct Target {
    store: Store,
    workspace_id: String,
    options: ImportOptions,
}

/// A chunk that was decoded.
struct Chunk {
    chunk_id: String,
    rows: Rows,
}

impl Chunk {
    fn len(&self) -> usize {
        self.rows.readable.len()
    }
}

/// Commits under way, answered in the order in which they began.
struct Commits {
    running: FuturesOrdered<BoxFuture<'static, Answers>>,
    /// Whom each is about.
    people: VecDeque<HashSet<MatchKey>>,
}

impl Commits {
    /// Begins to commit these chunks, unless they have to wait for others. A
    /// commit beside another is a full one: many small ones cost more.
    fn begin(&mut self, target: &Target, decoded: &mut Vec<Chunk>) {
        let rows: usize = decoded.iter().map(Chunk::len).sum();
        let allowed = match rows < ROWS_PER_TRANSACTION && decoded.len() < MAX_CHUNKS {
            true => 1,
            false => target.store.parallel_writes(),
        };
        if decoded.is_empty() || self.running.len() >= allowed {
            return;
        }
        let readable = decoded.iter().flat_map(|chunk| &chunk.rows.readable);
        let people: HashSet<_> = readable.flat_map(|(_, row)| row.profile.match_keys()).collect();
        if self.people.iter().all(|others| others.is_disjoint(&people)) {
            self.running.push_back(target.commit(std::mem::take(decoded)).boxed());
            self.people.push_back(people);
        }
    }

    /// The answers to the first. Waits forever if there is none.
    async fn next(&mut self) -> Answers {
        let Some(answers) = self.running.next().await else { return std::future::pending().await };
        self.people.pop_front();
        answers
    }
}

impl Import {
    async fn run(mut self) {
        if let Err(status) = self.import().await {
            // Who went away needs no answer.
            drop(self.answers.send(Err(status)).await);
        }
    }

    async fn import(&mut self) -> Result<(), Status> {
        let Some(target) = self.begin().await? else { return Ok(()) };
        let mut commits = Commits { running: FuturesOrdered::new(), people: VecDeque::new() };
        let mut decoded: Vec<Chunk> = Vec::new();
        // Set when nothing more is received. What was received before is still
        // committed and answered.
        let mut ending: Option<Result<(), Status>> = None;
        loop {
            commits.begin(&target, &mut decoded);
            if commits.running.is_empty()
                && let Some(end) = ending.take()
            {
                return end;
            }
            let is_idle = commits.running.is_empty() && ending.is_none();
            let rows: usize = decoded.iter().map(Chunk::len).sum();
            let has_room = rows < ROWS_PER_TRANSACTION && decoded.len() < MAX_CHUNKS;
            tokio::select! {
                answers = commits.next() => {
                    for answer in answers? {
                        if self.answers.send(Ok(answer)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                request = self.requests.message(), if has_room && ending.is_none() => {
                    match decode_chunk(request) {
                        Ok(Some(chunk)) => decoded.push(chunk),
                        Ok(None) => ending = Some(Ok(())),
                        Err(status) => ending = Some(Err(status)),
                    }
                }
                () = self.drain.cancelled(), if ending.is_none() => {
                    decoded.clear();
                    ending = Some(Err(shutting_down().into()));
                }
                () = tokio::time::sleep(self.idle_timeout), if is_idle => {
                    ending = Some(Err(self.idle().into()));
                }
                () = self.answers.closed() => return Ok(()),
            }
        }
    }

    /// Reads the first message. None if the client went away.
    async fn begin(&mut self) -> Result<Option<Target>, Status> {
        let first = tokio::select! {
            first = self.requests.message() => first?,
            () = self.drain.cancelled() => return Err(shutting_down().into()),
            () = tokio::time::sleep(self.idle_timeout) => return Err(self.idle().into()),
            () = self.answers.closed() => return Ok(None),
        };
        let first = first.unwrap_or_default();
        let Some(Message::Options(options)) = first.message else {
            let message = "the first message of an import has to be options";
            return Err(Error::invalid(Reason::RequiredFieldMissing, "options", message).into());
        };
        let options =
            convert::decode_options(options).map_err(|error| error.in_parent("options"))?;
        // Told at once, and not with the first chunk.
        let workspace = workspaces::get(&self.store, &first.workspace_id).await?;
        let store = self.store.clone();
        Ok(Some(Target { store, workspace_id: workspace.workspace_id, options }))
    }

    fn idle(&self) -> Error {
        let seconds = self.idle_timeout.as_secs();
        let message = format!(
            "nothing arrived for {seconds} s; answered chunks are stored: send the others in a \
             new import"
        );
        Error::new(Reason::ImportIdle, message).with_metadata("idle_seconds", seconds.to_string())
    }
}

impl Target {
    /// Stores chunks. They are stored to the end when the client goes away.
    fn commit(&self, chunks: Vec<Chunk>) -> impl Future<Output = Answers> + Send + use<> {
        let store = self.store.clone();
        let mut unanswered = Vec::with_capacity(chunks.len());
        let mut readable = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            unanswered.push((chunk.chunk_id, chunk.rows.failures));
            readable.push(chunk.rows.readable);
        }
        let operation = ImportChunks {
            workspace_id: self.workspace_id.clone(),
            options: self.options.clone(),
            chunks: readable,
        };
        async move {
            let outcomes = store.write(operation).await?;
            let answer = |(outcome, (chunk_id, failures))| {
                let written = convert::encode(&outcome, failures);
                v1::ImportContactsResponse {
                    chunk_id,
                    created: written.created,
                    updated: written.updated,
                    unchanged: written.unchanged,
                    failures: written.failures,
                }
            };
            Ok(outcomes.into_iter().zip(unanswered).map(answer).collect())
        }
    }
}

/// Decodes a message that has to be a chunk. None at the end.
fn decode_chunk(
    request: Result<Option<v1::ImportContactsRequest>, Status>,
) -> Result<Option<Chunk>, Status> {
    let invalid = |field: &str, message: &str| {
        Err(Error::invalid(Reason::InvalidArgument, field, message).into())
    };
    let Some(request) = request? else { return Ok(None) };
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
    Ok(Some(Chunk { chunk_id, rows: convert::decode_rows("chunk.rows", rows)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_options_come_chunks() {
        let read = |message| {
            let request = v1::ImportContactsRequest { message, ..Default::default() };
            decode_chunk(Ok(Some(request))).map_err(|status| status.message().to_owned())
        };
        assert!(read(Some(Message::Chunk(v1::ImportChunk::default()))).is_ok());
        assert!(read(Some(Message::Options(v1::ImportOptions::default()))).is_err());
        assert!(read(None).is_err());
        let chunk_id = "x".repeat(256);
        let error = read(Some(Message::Chunk(v1::ImportChunk { chunk_id, rows: vec![] })));
        assert!(error.err().expect("too long").contains("255"));
        assert!(matches!(decode_chunk(Ok(None)), Ok(None)));
    }
}
