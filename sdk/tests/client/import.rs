//! Imports: every row is stored once, or reported as unacknowledged.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contacts_proto::v1::{self, import_contacts_request::Message};
use contacts_sdk::{ImportOptions, ImportSummary, NewContact, OnConflict, reason};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use crate::fake::{Fake, Messages, refusal, unavailable};

fn row(n: usize) -> NewContact {
    NewContact::new().phone(n.to_string())
}

/// What the server stored, and the requests that it received.
#[derive(Default)]
struct Stored {
    phones: BTreeSet<String>,
    options: Vec<v1::ImportOptions>,
    chunks: Vec<(String, usize)>,
}

/// A server that stores rows and rejects `bad`. Each connection ends after its number of chunks; the last
/// of them is stored without a response.
fn importing(ends: &'static [usize], end: fn() -> Option<Status>) -> (Fake, Arc<Mutex<Stored>>) {
    let stored = Arc::new(Mutex::new(Stored::default()));
    let (state, connections) = (stored.clone(), AtomicUsize::new(0));
    let fake = Fake::default().on(move |request: Request<Streaming<v1::ImportContactsRequest>>| {
        let connection = connections.fetch_add(1, Ordering::SeqCst);
        let limit = ends.get(connection).copied().unwrap_or(usize::MAX);
        let state = state.clone();
        async move {
            let mut messages = request.into_inner();
            let (answers, outgoing) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                for received in 0.. {
                    if received > limit {
                        if let Some(status) = end() {
                            let _ = answers.send(Err(status));
                        }
                        return;
                    }
                    let Ok(Some(message)) = messages.message().await else { return };
                    if let Some(answer) = state.lock().expect("state").take(message)
                        && received < limit
                    {
                        let _ = answers.send(Ok(answer));
                    }
                }
            });
            let outgoing: Messages<_> = UnboundedReceiverStream::new(outgoing).boxed();
            Ok(outgoing)
        }
    });
    (fake, stored)
}

impl Stored {
    fn take(&mut self, request: v1::ImportContactsRequest) -> Option<v1::ImportContactsResponse> {
        let chunk = match request.message? {
            Message::Options(options) => {
                self.options.push(options);
                return None;
            }
            Message::Chunk(chunk) => chunk,
        };
        self.chunks.push((chunk.chunk_id.clone(), chunk.rows.len()));
        let mut answer =
            v1::ImportContactsResponse { chunk_id: chunk.chunk_id, ..Default::default() };
        for (index, row) in chunk.rows.into_iter().enumerate() {
            let phone = row.contact.unwrap_or_default().phone_number;
            if phone == "bad" {
                let status = contacts_proto::rpc::Status {
                    code: 3,
                    ..contacts_proto::rpc::Status::default()
                };
                let row = i32::try_from(index).expect("an index");
                answer.failures.push(v1::RowFailure { row, status: Some(status) });
            } else if self.phones.insert(phone) {
                answer.created += 1;
            } else {
                answer.unchanged += 1;
            }
        }
        Some(answer)
    }
}

fn totals(summary: &ImportSummary) -> (u64, u64, u64, u64) {
    (summary.rows, summary.created, summary.unchanged, summary.failed)
}

#[tokio::test]
async fn failures_have_the_index_in_the_whole_input() {
    let (fake, stored) = importing(&[], || None);
    let client = fake.client().await;
    let rows = (0..25).map(|n| if n == 17 { NewContact::new().phone("bad") } else { row(n) });
    let reports = Arc::new(AtomicUsize::new(0));
    let seen = reports.clone();
    let summary = client
        .contacts()
        .import(ImportOptions::new().on_conflict(OnConflict::Merge).add_tag("trade_fair"))
        .chunk_size(10)
        .on_progress(move |so_far| seen.store(so_far.rows as usize, Ordering::SeqCst))
        .send(rows)
        .await
        .expect("imported");
    assert_eq!(totals(&summary), (25, 24, 0, 1));
    assert_eq!(summary.failures[0].row, 17);
    assert!(summary.failures[0].error.is_invalid_argument());
    assert_eq!(reports.load(Ordering::SeqCst), 25);

    let stored = stored.lock().expect("state");
    assert_eq!(stored.options.len(), 1);
    assert_eq!(stored.options[0].on_conflict(), v1::OnConflict::Merge);
    assert_eq!(stored.options[0].add_tags, ["trade_fair"]);
    assert_eq!(stored.chunks.iter().map(|chunk| chunk.1).collect::<Vec<_>>(), [10, 10, 5]);
}

#[tokio::test]
async fn an_import_without_rows_makes_no_call() {
    let client = Fake::default().client().await;
    let import = client.contacts().import(ImportOptions::new());
    let summary = import.send(Vec::<NewContact>::new()).await.expect("nothing to do");
    assert_eq!(totals(&summary), (0, 0, 0, 0));
}

#[tokio::test]
async fn chunks_without_a_response_are_sent_again() {
    for end in [(|| Some(unavailable())) as fn() -> Option<Status>, || None] {
        let (fake, stored) = importing(&[2, 3, 1], end);
        let client = fake.client().await;
        let import = client.contacts().import(ImportOptions::new()).chunk_size(10);
        let summary = import.send((0..100).map(row)).await.expect("imported");
        assert_eq!((summary.rows, summary.failed), (100, 0));
        assert_eq!(summary.created + summary.unchanged, 100);
        assert!(summary.unchanged > 0, "a stored chunk was sent again");
        let stored = stored.lock().expect("state");
        assert_eq!(stored.phones.len(), 100);
        assert_eq!(stored.options.len(), 4, "every connection begins with the options");
    }
}

#[tokio::test]
async fn an_import_that_cannot_resume_lists_unacknowledged_rows() {
    let (fake, stored) = importing(&[3], || Some(unavailable()));
    let client = fake.client().await;
    let mut chunks = client
        .contacts()
        .import(ImportOptions::new().on_conflict(OnConflict::Fail))
        .chunk_size(10)
        .max_in_flight(2)
        .chunks(stream::iter((0..100).map(row)));
    let mut answered = 0;
    let error = loop {
        match chunks.next().await.expect("an end") {
            Ok(chunk) => answered += chunk.row_count,
            Err(error) => break error,
        }
    };
    assert_eq!(answered, 20);
    assert!(error.is_incomplete() && error.is_unavailable(), "{error}");
    let unknown = error.unacknowledged_rows();
    assert_eq!((unknown.len(), unknown[0].start), (1, 20));
    assert!((30..=40).contains(&unknown[0].end), "{unknown:?}");
    assert!(chunks.next().await.is_none());
    assert_eq!(stored.lock().expect("state").options.len(), 1);
}

#[tokio::test]
async fn an_invalid_option_ends_the_import() {
    let unknown_tag = || Some(refusal(Code::InvalidArgument, reason::UNKNOWN_TAG, &[]));
    let (fake, stored) = importing(&[1], unknown_tag);
    let client = fake.client().await;
    let import = client.contacts().import(ImportOptions::new().add_tag("vpi"));
    let error = import.send([row(1)]).await.expect_err("refused");
    assert_eq!(error.reason(), Some(reason::UNKNOWN_TAG));
    let [unknown] = error.unacknowledged_rows() else { panic!("one range") };
    assert_eq!(*unknown, 0..1);
    assert_eq!(stored.lock().expect("state").options.len(), 1);
}

#[tokio::test]
async fn a_connection_that_ends_while_idle_loses_nothing() {
    let connections = Arc::new(AtomicUsize::new(0));
    let opened = connections.clone();
    let fake = Fake::default().on(move |request: Request<Streaming<v1::ImportContactsRequest>>| {
        opened.fetch_add(1, Ordering::SeqCst);
        async {
            let answers = request.into_inner().take(2).filter_map(async |message| {
                let Some(Message::Chunk(chunk)) = message.ok()?.message else { return None };
                let chunk_id = chunk.chunk_id;
                Some(Ok(v1::ImportContactsResponse { chunk_id, ..Default::default() }))
            });
            let idle = Err(refusal(Code::Aborted, reason::STREAM_IDLE, &[]));
            let answers: Messages<_> = answers.chain(stream::iter([idle])).boxed();
            Ok(answers)
        }
    });
    let client = fake.client().await;
    let (rows, input) = mpsc::unbounded_channel();
    let mut chunks = client
        .contacts()
        .import(ImportOptions::new().on_conflict(OnConflict::Fail))
        .chunk_size(1)
        .chunks(UnboundedReceiverStream::new(input));
    for n in 0..3 {
        rows.send(row(n)).expect("the import");
        assert_eq!(chunks.next().await.expect("a chunk").expect("stored").first_row, n as u64);
        let waiting = tokio::time::timeout(Duration::from_millis(300), chunks.next()).await;
        assert!(waiting.is_err(), "there is nothing to answer");
    }
    drop(rows);
    assert!(chunks.next().await.is_none());
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn rows_are_read_no_faster_than_they_are_stored() {
    let answers = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = answers.clone();
    let fake = Fake::default().on(move |request: Request<Streaming<v1::ImportContactsRequest>>| {
        let gate = gate.clone();
        async move {
            let replies = request.into_inner().filter_map(move |message| {
                let gate = gate.clone();
                async move {
                    let Some(Message::Chunk(chunk)) = message.ok()?.message else { return None };
                    gate.acquire().await.expect("open").forget();
                    let chunk_id = chunk.chunk_id;
                    Some(Ok(v1::ImportContactsResponse { chunk_id, ..Default::default() }))
                }
            });
            let replies: Messages<_> = replies.boxed();
            Ok(replies)
        }
    });
    let client = fake.client().await;
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    let rows = stream::iter(0..1000).inspect(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let mut chunks = client
        .contacts()
        .import(ImportOptions::new())
        .chunk_size(10)
        .max_in_flight(3)
        .response_timeout(Duration::from_secs(30))
        .chunks(rows.map(row));
    for expected in [30, 40, 50] {
        let ahead = async {
            while read.load(Ordering::SeqCst) < expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            _ = chunks.next() => panic!("nothing is answered"),
            () = ahead => assert_eq!(read.load(Ordering::SeqCst), expected),
        }
        answers.add_permits(1);
        chunks.next().await.expect("a chunk").expect("stored");
    }
    answers.add_permits(1000);
    let rest = chunks.count().await;
    assert_eq!(rest, 97);
}

#[tokio::test]
async fn large_rows_make_small_chunks() {
    let (fake, stored) = importing(&[], || None);
    let client = fake.client().await;
    let wide = |n| row(n).attribute("notes", "x".repeat(1 << 20));
    // Megabytes take a debug build on a busy machine longer than the fake's idle timeout.
    let import = client.contacts().import(ImportOptions::new());
    let import = import.response_timeout(Duration::from_secs(30));
    let summary = import.send((0..7).map(wide)).await.expect("imported");
    assert_eq!(summary.created, 7);
    let stored = stored.lock().expect("state");
    assert_eq!(stored.chunks.iter().map(|chunk| chunk.1).collect::<Vec<_>>(), [2, 2, 2, 1]);
}
