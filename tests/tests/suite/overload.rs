//! What a hostile or careless client takes from others: places, memory, connections. Each case is one
//! that took an earlier version down.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use contacts_proto::v1;
use contacts_sdk::{MessageCategory, NewContact, reason};
use contacts_tests::{Refused, TestApp, Wire, apply, message, on_each_store, phone};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use prost::Message;
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

/// A test that waits longer for what has to happen has failed.
const LONG: Duration = Duration::from_secs(60);
const STREAM: &str = "OptInService/CheckOptInStream";
const MARKETING: MessageCategory = MessageCategory::Marketing;

/// A batch of one check.
fn batch(workspace_id: &str) -> v1::CheckOptInStreamRequest {
    v1::CheckOptInStreamRequest {
        workspace_id: workspace_id.to_owned(),
        phone_numbers: vec![phone(1)],
        ..Default::default()
    }
}

/// The message of an opt-out.
fn opt_out(number: usize) -> Bytes {
    let recipient = Some(v1::record_opt_out_request::Recipient::PhoneNumber(phone(number)));
    message(&v1::RecordOptOutRequest { recipient, ..Default::default() }.encode_to_vec())
}

/// Checks that what matters most works.
async fn assert_checks_and_opt_outs_work(app: &TestApp) {
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let checked = app.opt_in().check(phone(1), MARKETING).await;
    assert!(!checked.expect("a check").is_allowed());
    assert_eq!(app.health().await, ServingStatus::Serving);
}

#[apply(on_each_store!)]
async fn idle_streams_take_no_places_of_checks_and_opt_outs(app: TestApp) {
    app.restart_with(|config| config.limits.max_workspace_bulk = 4096).await;
    let contact = app.make_contact(phone(1)).await;
    // Twice as many calls as there were places for all. Each has checked somebody.
    let check = message(&batch("").encode_to_vec());
    let (mut open, mut connections) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let wire = app.wire().await;
        for _ in 0..700 {
            let mut call = wire.open(STREAM, &[]).await;
            // Fails if the server has already refused it.
            drop(call.request.send_data(check.clone(), false));
            open.push(call.accepted());
        }
        connections.push(wire);
    }
    let count = open.len();
    let open = timeout(LONG, join_all(open)).await.expect("each is accepted or refused");
    let open: Vec<_> = open.into_iter().flatten().collect();
    assert!(!open.is_empty() && open.len() < count, "streams are limited");
    let another = connections[0].send(STREAM, &[], check.clone()).await;
    assert_ne!(another.code(), Code::Ok, "this connection has its part");
    // Those of a connection, before all places are taken.
    let newcomer = app.wire().await.send(STREAM, &[], check.clone()).await;
    assert_eq!(newcomer.code(), Code::Ok, "{newcomer:?}");
    assert_checks_and_opt_outs_work(&app).await;
    let by_id = app.opt_in().check(&contact, MARKETING).await;
    assert!(!by_id.expect("a check by contact id").is_allowed());
    drop(open);
}

#[apply(on_each_store!)]
async fn calls_that_do_not_arrive_leave_their_places_to_those_that_do(app: TestApp) {
    // As many connections as places, so that no place is left to others.
    const PLACES: usize = 20;
    const CALLS: usize = 10;
    app.restart_with(|config| config.limits.max_concurrent_requests = PLACES).await;
    let half = message(&v1::CheckOptInRequest::default().encode_to_vec()).slice(..4);
    let methods =
        ["OptInService/CheckOptIn", "OptInService/RecordOptOut", "ContactService/GetContact"];
    let (mut open, mut connections) = (FuturesUnordered::new(), Vec::new());
    for n in 0..PLACES {
        let wire = app.wire().await;
        for method in methods {
            for _ in 0..CALLS {
                let mut call = wire.open(method, &[]).await;
                if n % 3 > 0 {
                    // Fails if the server has already refused it.
                    drop(call.request.send_data(half.clone(), false));
                }
                open.push(call.response());
            }
        }
        connections.push(wire);
    }
    // All have come when this many gave way.
    let gave_way = open.by_ref().take(methods.len() * (PLACES * CALLS - PLACES));
    let gave_way: Vec<_> = timeout(LONG, gave_way.collect()).await.expect("room is made");
    for answer in gave_way {
        Err::<(), _>(answer.status).refused_for(reason::OVERLOADED);
    }
    for n in 0..20 {
        app.make_contact(phone(n)).await;
        assert_checks_and_opt_outs_work(&app).await;
    }
}

#[apply(on_each_store!)]
async fn answers_that_nobody_takes_hold_no_places(app: TestApp) {
    app.restart_with(|config| config.limits.max_concurrent_requests = 20).await;
    let recipient = Some(v1::check_opt_in_request::Recipient::PhoneNumber(phone(1)));
    let check = v1::CheckOptInRequest { recipient, ..Default::default() };
    let (check, opt_out) = (message(&check.encode_to_vec()), opt_out(2));
    let mut open = Vec::new();
    for _ in 0..8 {
        let wire = Wire::connect_with_windows(app.address(), 0, 1 << 20).await;
        for (method, request) in
            [("OptInService/CheckOptIn", &check), ("OptInService/RecordOptOut", &opt_out)]
        {
            for _ in 0..20 {
                let mut call = wire.open(method, &[]).await;
                call.request.send_data(request.clone(), true).expect("sent");
                open.push((call, None));
            }
        }
        open.push((wire.open("OptInService/CheckOptIn", &[]).await, Some(wire)));
    }
    for _ in 0..20 {
        assert_checks_and_opt_outs_work(&app).await;
    }
    drop(open);
}

#[apply(on_each_store!)]
async fn opt_outs_that_are_given_up_keep_their_places(app: TestApp) {
    app.restart_with(|config| config.limits.max_concurrent_requests = 20).await;
    let opt_out = opt_out(2);
    let wire = app.wire().await;
    let give_up = async {
        loop {
            let mut call = wire.open("OptInService/RecordOptOut", &[]).await;
            drop(call.request.send_data(opt_out.clone(), true));
            sleep(Duration::from_micros(100)).await;
            call.request.send_reset(h2::Reason::CANCEL);
        }
    };
    let good = async {
        for _ in 0..50 {
            assert_checks_and_opt_outs_work(&app).await;
        }
    };
    tokio::select! {
        () = give_up => unreachable!("it goes on"),
        () = good => {}
    }
    let free = async {
        while !app.metrics().await.contains("contacts_places_taken{class=\"opt_out\"} 0\n") {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, free).await.expect("every place comes back");
}

#[apply(on_each_store!)]
async fn one_workspace_leaves_room_for_others(app: TestApp) {
    app.restart_with(|config| config.limits.max_workspace_bulk = 2).await;
    app.workspaces().create("acme").await.expect("a workspace");
    let mut open = Vec::new();
    for _ in 0..2 {
        let (ask, requests) = futures::channel::mpsc::unbounded();
        ask.unbounded_send(batch("")).expect("asked");
        let stream = app.client().raw_opt_in().check_opt_in_stream(requests).await;
        let mut stream = stream.expect("a stream").into_inner();
        stream.next().await.expect("a response").expect("a response");
        open.push((ask, stream));
    }
    let mut raw = app.client().raw_contacts();
    let error = raw.count_contacts(v1::CountContactsRequest::default()).await;
    assert!(error.refused_for(reason::OVERLOADED).retry_delay().is_some());
    let mut refused = app.client().raw_opt_in();
    let stream = refused.check_opt_in_stream(futures::stream::iter([batch("")])).await;
    let response = stream.expect("a stream").into_inner().next().await.expect("an error");
    response.refused_for(reason::OVERLOADED);
    let of_the_past = |workspace_id: &str| v1::CheckOptInRequest {
        workspace_id: workspace_id.to_owned(),
        recipient: Some(v1::check_opt_in_request::Recipient::PhoneNumber(phone(1))),
        as_of_time: Some(prost_types::Timestamp::default()),
        ..Default::default()
    };
    let error = refused.check_opt_in(of_the_past("")).await;
    error.refused_for(reason::OVERLOADED);
    refused.check_opt_in(of_the_past("acme")).await.expect("another workspace's");

    let acme = v1::CountContactsRequest { workspace_id: "acme".to_owned(), ..Default::default() };
    raw.count_contacts(acme).await.expect("a count");
    assert_checks_and_opt_outs_work(&app).await;
    drop(open);
    app.contacts().count().await.expect("a count");
}

#[apply(on_each_store!)]
async fn idle_stream_of_checks_is_ended(app: TestApp) {
    app.restart_with(|config| config.timeouts.idle_timeout = Duration::from_millis(300)).await;
    let wire = app.wire().await;
    let silent = wire.open(STREAM, &[]).await;
    let mut once = wire.open(STREAM, &[]).await;
    once.request.send_data(message(&batch("").encode_to_vec()), false).expect("sent");
    for call in [silent, once] {
        let answer = timeout(LONG, call.response()).await.expect("it is ended");
        let error = Err::<(), _>(answer.status).refused_for(reason::STREAM_IDLE);
        assert!(error.is_aborted() && error.metadata("idle_seconds").is_some());
    }
    // The SDK goes on with another stream.
    let (ask, batches) = futures::channel::mpsc::unbounded();
    let mut checked = app.opt_in().check_stream(MARKETING).send(batches);
    for _ in 0..2 {
        ask.unbounded_send(vec![phone(1)]).expect("asked");
        checked.next().await.expect("a batch").expect("results");
        let silence = timeout(Duration::from_millis(700), checked.next()).await;
        assert!(silence.is_err(), "nothing to check is no error");
    }
}

#[apply(on_each_store!)]
async fn unfinished_message_is_cut(app: TestApp) {
    app.restart_with(|config| config.timeouts.message_timeout = Duration::from_millis(300)).await;
    let wire = app.wire().await;
    let mut calls = Vec::new();
    for method in [
        "OptInService/CheckOptIn",
        "ContactService/BatchUpsertContacts",
        "ContactService/StreamContacts",
        "ContactService/ImportContacts",
        STREAM,
        "/grpc.health.v1.Health/Check",
    ] {
        let mut call = wire.open(method, &[]).await;
        call.request.send_data(message(&[0; 100]).slice(..50), false).expect("sent");
        calls.push((method, call));
    }
    for (method, call) in calls {
        let answer = timeout(LONG, call.response()).await.expect("it is cut");
        assert_eq!(answer.code(), Code::DeadlineExceeded, "{method}: {answer:?}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn requests_under_way_have_a_budget_of_memory(app: TestApp) {
    app.restart_with(|config| {
        config.limits.max_request_memory = "1MiB".parse().expect("a size");
        config.timeouts.message_timeout = LONG;
    })
    .await;
    // Each of another connection sends half a message.
    let half = message(&vec![0; 600_000]).slice(..300_000);
    let mut open = Vec::new();
    for _ in 0..5 {
        let wire = app.wire().await;
        let mut call = wire.open("ContactService/BatchUpsertContacts", &[]).await;
        call.request.send_data(half.clone(), false).expect("sent");
        // Which of them is refused depends on what arrives first.
        open.push((wire, Box::pin(call.response())));
    }
    let answers = open.iter_mut().map(|(_, response)| response);
    let (first, ..) = timeout(LONG, futures::future::select_all(answers)).await.expect("refused");
    let error = Err::<(), _>(first.status).refused_for(reason::OVERLOADED);
    assert!(error.retry_delay().is_some());
    assert_checks_and_opt_outs_work(&app).await;
    drop(open);
    timeout(LONG, async {
        while app.contacts().batch_upsert(vec![NewContact::new().phone(phone(2))]).await.is_err() {}
    })
    .await
    .expect("the memory is given back");
}

#[apply(on_each_store!)]
async fn elements_are_counted_before_they_are_decoded(app: TestApp) {
    let one = v1::BatchUpsertContactsRequest {
        rows: vec![v1::ImportRow::default()],
        ..Default::default()
    };
    // 2 bytes each, which become more than 2 GB.
    let rows = one.encode_to_vec().repeat(2_000_000);
    let wire = app.wire().await;
    let upsert = "ContactService/BatchUpsertContacts";
    let plain = wire.send(upsert, &[], message(&rows)).await;
    Err::<(), _>(plain.status).refused_at(reason::LIMIT_EXCEEDED, "rows");

    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&rows).expect("compressed");
    let mut compressed = message(&encoder.finish().expect("compressed")).to_vec();
    assert!(compressed.len() < 10_000, "{}", compressed.len());
    compressed[0] = 1;
    let gzip = [("grpc-encoding", "gzip")];
    let bomb = wire.send(upsert, &gzip, compressed.into()).await;
    assert_eq!(bomb.code(), Code::ResourceExhausted);
    let error = Err::<(), _>(bomb.status).refused_for(reason::MESSAGE_TOO_LARGE);
    assert!(!error.is_retryable(), "{error:?}");
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn compressed_requests_work(app: TestApp) {
    let mut raw =
        app.client().raw_contacts().send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let rows = (0..1000).map(|n| v1::ImportRow {
        contact: Some(contacts_tests::raw_contact(phone(n))),
        consent: None,
    });
    let upsert = v1::BatchUpsertContactsRequest { rows: rows.collect(), ..Default::default() };
    let upserted = raw.batch_upsert_contacts(upsert).await.expect("an outcome").into_inner();
    assert_eq!(upserted.created, 1000);
    let mut checks =
        app.client().raw_opt_in().send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let stream = checks.check_opt_in_stream(futures::stream::iter([batch(""), batch("")])).await;
    let responses: Vec<_> = stream.expect("a stream").into_inner().collect().await;
    assert_eq!(responses.len(), 2);
    assert!(responses.iter().all(Result::is_ok), "{responses:?}");
}

#[apply(on_each_store!)]
async fn health_answers_beside_many_watches(app: TestApp) {
    // Those that are accepted do not end.
    const ACCEPTED: usize = 128;
    let (mut watches, mut connections) = (FuturesUnordered::new(), Vec::new());
    for _ in 0..3 {
        let wire = app.wire().await;
        for _ in 0..700 {
            let mut watch = wire.open("/grpc.health.v1.Health/Watch", &[]).await;
            drop(watch.request.send_data(message(&[]), true));
            watches.push(watch.response());
        }
        connections.push(wire);
    }
    let refused = watches.by_ref().take(3 * 700 - ACCEPTED);
    let refused: Vec<_> = timeout(LONG, refused.collect()).await.expect("watches are limited");
    assert!(refused.iter().all(|answer| answer.code() == Code::ResourceExhausted));
    assert_checks_and_opt_outs_work(&app).await;
}

/// A connection on which streams stall, because their own windows are small.
async fn wire_with_small_windows(address: SocketAddr) -> Wire {
    Wire::connect_with_windows(address, 65_535, 64 << 20).await
}

#[apply(on_each_store!)]
async fn stalled_streams_end_although_their_connection_moves(app: TestApp) {
    app.restart_with(|config| config.timeouts.idle_timeout = Duration::from_millis(500)).await;
    let filler = "x".repeat(199);
    let person = |n| NewContact::new().phone(phone(n)).first_name(&filler).last_name(&filler);
    app.make_many((0..3000).map(person)).await;

    let wire = wire_with_small_windows(app.address()).await;
    let mut stalled = Vec::new();
    for _ in 0..10 {
        let mut call = wire.open("ContactService/StreamContacts", &[]).await;
        call.request.send_data(message(&[]), true).expect("sent");
        stalled.push(tokio::spawn(call.read_without_acknowledging()));
    }
    let count = message(&v1::CountContactsRequest::default().encode_to_vec());
    let moving = async {
        loop {
            let answer = wire.send("ContactService/CountContacts", &[], count.clone()).await;
            assert_eq!(answer.code(), Code::Ok, "{answer:?}");
            sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = async {
        for stream in stalled {
            let error = stream.await.expect("no panic").expect_err("a reset");
            assert!(error.is_reset(), "{error:?}");
        }
    };
    tokio::select! {
        () = moving => unreachable!("it does not end"),
        ended = timeout(LONG, ended) => ended.expect("stalled streams are ended"),
    }
    // The connection itself goes on.
    let answer = wire.send("ContactService/CountContacts", &[], count).await;
    assert_eq!(answer.code(), Code::Ok, "{answer:?}");
}

#[apply(on_each_store!)]
async fn further_connections_are_closed_and_the_others_work(app: TestApp) {
    app.restart_with(|config| config.limits.max_connections = 4).await;
    let request = || message(&v1::CountContactsRequest::default().encode_to_vec());
    let first = app.wire().await;
    assert_eq!(first.send("ContactService/CountContacts", &[], request()).await.code(), Code::Ok);
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(tokio::net::TcpStream::connect(app.address()).await.expect("a connection"));
    }
    // Those that are accepted are greeted with the settings of HTTP/2, the others closed.
    let greeted = others.iter_mut().map(async |other| other.read(&mut [0]).await.unwrap_or(0));
    let greeted = timeout(LONG, join_all(greeted)).await.expect("an answer");
    let accepted = greeted.iter().filter(|bytes| **bytes > 0).count();
    assert!(accepted < 4, "{accepted} beside the first");
    assert_eq!(first.send("ContactService/CountContacts", &[], request()).await.code(), Code::Ok);
    drop((others, first));
    timeout(LONG, async { while app.contacts().count().await.is_err() {} }).await.expect("room");
}

#[apply(on_each_store!)]
async fn nothing_is_kept_of_messages_over_the_limit(app: TestApp) {
    let wire = app.wire().await;
    // Row 1: the prefix alone is refused.
    for (method, length) in [
        ("OptInService/CheckOptIn", 65_537_u32),
        ("ContactService/CreateContact", (1 << 20) + 1),
        ("ContactService/BatchUpsertContacts", (4 << 20) + 1),
        (STREAM, u32::MAX),
    ] {
        let prefix: Bytes = [&[0][..], &length.to_be_bytes()].concat().into();
        let answer = wire.send(method, &[], prefix).await;
        Err::<(), _>(answer.status).refused_for(reason::MESSAGE_TOO_LARGE);
    }
    app.assert_alive().await;
}
