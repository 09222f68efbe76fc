//! Imports with a broken or an idle connection.

use std::time::Duration;

use bytes::Bytes;
use contacts_proto::v1::import_contacts_request::Message as Say;
use contacts_proto::v1::{ImportChunk, ImportContactsRequest, ImportOptions, ImportRow};
use contacts_sdk::{ContactsClient, reason};
use contacts_tests::{
    Proxy, Refused, TestApp, apply, message, on_each_store, phone, phones, raw_contact,
};
use prost::Message;

use super::{fail, merge, row};

fn encoded(say: Say) -> Bytes {
    let request = ImportContactsRequest { workspace_id: String::new(), message: Some(say) };
    message(&request.encode_to_vec())
}

fn chunk(rows: std::ops::Range<usize>) -> Bytes {
    let row = |n| ImportRow { contact: Some(raw_contact(phone(n))), consent: None };
    encoded(Say::Chunk(ImportChunk { chunk_id: "c".to_owned(), rows: rows.map(row).collect() }))
}

#[apply(on_each_store!)]
async fn chunks_before_a_broken_connection_are_stored(app: TestApp) {
    let wire = app.wire().await;
    let mut call = wire.open("ContactService/ImportContacts", &[]).await;
    call.request.send_data(encoded(Say::Options(ImportOptions::default())), false).expect("sent");
    call.request.send_data(chunk(0..10), false).expect("sent");
    let second = chunk(10..20);
    call.request.send_data(second.slice(..second.len() - 1), false).expect("sent");
    // The first response has arrived, so half of the second chunk has reached the server.
    let (_answers, _first) = call.first_part().await;
    drop(wire);

    app.assert_alive().await;
    assert_eq!(app.contacts().count().await.expect("a count"), 10);
    // Sending the whole import again completes it.
    let summary = app.contacts().import(merge()).send(phones(0..20).into_iter().map(row)).await;
    let summary = summary.expect("an import");
    assert_eq!((summary.created, summary.unchanged), (10, 10));
}

#[apply(on_each_store!)]
async fn import_survives_broken_connections(app: TestApp) {
    let proxy = Proxy::to(app.address()).await;
    let client = ContactsClient::builder(proxy.url()).connect().await.expect("a connection");
    let before = proxy.connections();
    let mut answered = 0;
    // One chunk at a time: a chunk sent after a cut needs another connection.
    let import = client.contacts().import(merge()).chunk_size(50).max_in_flight(1);
    let mut chunks = import.chunks(futures::stream::iter(phones(0..1000).into_iter().map(row)));
    while let Some(chunk) = chunks.next().await {
        answered += chunk.expect("an answer").row_count;
        if answered % 100 == 0 {
            proxy.cut();
        }
    }
    assert_eq!(answered, 1000);
    assert!(proxy.connections() > before + 2, "{} connections", proxy.connections());
    assert_eq!(app.contacts().count().await.expect("a count"), 1000);
}

#[apply(on_each_store!)]
async fn import_without_retries_reports_rows_in_doubt(app: TestApp) {
    let proxy = Proxy::to(app.address()).await;
    let client = ContactsClient::builder(proxy.url()).connect().await.expect("a connection");
    let import = client.contacts().import(fail()).chunk_size(10).max_in_flight(3);
    let mut chunks = import.chunks(futures::stream::iter(phones(0..1000).into_iter().map(row)));
    let first = chunks.next().await.expect("a chunk").expect("a chunk");
    assert_eq!((first.first_row, first.created), (0, 10));
    proxy.pause();
    proxy.cut();
    let mut answered = 10;
    let error = loop {
        match chunks.next().await.expect("an error before the end") {
            Ok(chunk) => answered += chunk.row_count,
            Err(error) => break error,
        }
    };
    assert!(error.is_incomplete(), "{error:?}");
    let doubtful = error.unacknowledged_rows();
    assert_eq!(doubtful.len(), 1, "{doubtful:?}");
    assert_eq!(doubtful[0].start, answered);
    // All answered rows are stored, and some of the rows in doubt.
    app.assert_alive().await;
    let stored = app.contacts().count().await.expect("a count");
    assert!((answered..=doubtful[0].end).contains(&stored), "{stored}: {doubtful:?}");
}

#[apply(on_each_store!)]
async fn idle_import_is_ended(app: TestApp) {
    app.restart_with(|config| config.timeouts.idle_timeout = Duration::from_millis(300)).await;
    let wire = app.wire().await;
    let mut call = wire.open("ContactService/ImportContacts", &[]).await;
    call.request.send_data(encoded(Say::Options(ImportOptions::default())), false).expect("sent");
    call.request.send_data(chunk(0..3), false).expect("sent");
    let answer = call.response().await;
    let error = Err::<(), _>(answer.status).refused_for(reason::STREAM_IDLE);
    assert!(error.is_aborted());
    assert!(error.metadata("idle_seconds").is_some());
    assert_eq!(app.contacts().count().await.expect("a count"), 3, "the answered chunk stays");

    // The SDK opens a new connection when there is something to resend.
    let (rows, input) = futures::channel::mpsc::unbounded();
    let mut chunks = app.contacts().import(merge()).chunk_size(1).chunks(input);
    rows.unbounded_send(row(phone(3))).expect("sent");
    chunks.next().await.expect("a chunk").expect("a chunk");
    let silence = tokio::time::timeout(Duration::from_millis(700), chunks.next()).await;
    assert!(silence.is_err(), "nothing to say is no error");
    rows.unbounded_send(row(phone(4))).expect("sent");
    let second = chunks.next().await.expect("a chunk").expect("a chunk");
    assert_eq!(second.created, 1);
}
