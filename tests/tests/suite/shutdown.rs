//! Graceful shutdown.

use std::time::Duration;

use contacts_proto::v1;
use contacts_proto::v1::contact_service_client::ContactServiceClient;
use contacts_proto::v1::stream_contacts_response::Event;
use contacts_proto::v1::{StreamContactsRequest, StreamEndReason};
use contacts_sdk::{ContactsClient, NewContact, OptInSource, reason};
use contacts_tests::{Proxy, Refused, TestApp, apply, on_each_store, phone, phones};
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;

const PEOPLE: usize = 3000;

/// Creates contacts that are too large together for any buffer.
async fn make_people(app: &TestApp) {
    let filler = "x".repeat(199);
    let person = |n| NewContact::new().phone(phone(n)).first_name(&filler).last_name(&filler);
    app.make_many((0..PEOPLE).map(person)).await;
}

#[apply(on_each_store!)]
async fn open_stream_is_asked_to_resume_elsewhere_on_shutdown(app: TestApp) {
    make_people(&app).await;
    let mut client = ContactServiceClient::new(app.narrow_channel().await);
    let request = StreamContactsRequest { max_batch_size: 20, ..Default::default() };
    let mut stream = client.stream_contacts(request.clone()).await.expect("a stream").into_inner();
    let mut last = stream.next().await.expect("a message").expect("a message");
    let (mut delivered, mut end) = (Vec::new(), None);

    let reading = async {
        loop {
            match last.event.take().expect("an event") {
                Event::Batch(batch) => {
                    let contacts =
                        batch.decode_contacts().map(|contact| contact.expect("a contact"));
                    delivered.extend(contacts.map(|contact| contact.phone_number));
                }
                Event::Heartbeat(_) => {}
                Event::End(told) => end = Some(told),
            }
            let Some(message) = stream.next().await else { break };
            last = message.expect("a message");
        }
    };
    // The server stops after the reader has received one message.
    futures::join!(app.stop(), reading);
    let end = end.expect("an end message");
    assert_eq!(end.reason(), StreamEndReason::ServerDrain);
    assert_eq!(end.delivered_count as usize, delivered.len());
    assert!(delivered.len() < PEOPLE, "everything was delivered before the server stopped");

    app.restart().await;
    let resumed = StreamContactsRequest { resume_token: last.resume_token, ..request };
    let mut client = app.client().raw_contacts();
    let rest = client.stream_contacts(resumed).await.expect("a stream").into_inner();
    let rest: Vec<_> = rest.try_collect().await.expect("messages");
    for message in rest {
        if let Some(Event::Batch(batch)) = message.event {
            let contacts = batch.decode_contacts().map(|contact| contact.expect("a contact"));
            delivered.extend(contacts.map(|contact| contact.phone_number));
        }
    }
    assert_eq!(delivered, phones(0..PEOPLE));
}

#[apply(on_each_store!)]
async fn sdk_resumes_a_segment_after_a_restart(app: TestApp) {
    make_people(&app).await;
    let proxy = Proxy::to(app.address()).await;
    let client = ContactsClient::builder(proxy.url()).connect().await.expect("a connection");
    // The proxy holds back the stream, so that the server stops in the middle of it.
    proxy.pause_after(100_000);
    let mut segment = client.contacts().segment().batch_size(20).stream();
    let mut delivered = Vec::new();
    for _ in 0..30 {
        delivered.extend(segment.next().await.expect("a contact").expect("a contact").phone_number);
    }
    proxy.paused().await;
    let before = proxy.connections();
    futures::join!(app.restart(), async { proxy.resume() });
    while let Some(contact) = segment.next().await {
        delivered.extend(contact.expect("a contact").phone_number);
    }
    assert_eq!(delivered, phones(0..PEOPLE));
    assert!(proxy.connections() > before, "the segment was not interrupted");
}

#[apply(on_each_store!)]
async fn open_streams_do_not_delay_shutdown(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let silence = || futures::stream::pending();
    let checks = app.client().raw_opt_in().check_opt_in_stream(silence()).await;
    let mut checks = checks.expect("a conversation").into_inner();
    let options = v1::import_contacts_request::Message::Options(v1::ImportOptions::default());
    let options = v1::ImportContactsRequest { message: Some(options), ..Default::default() };
    let requests = futures::stream::iter([options]).chain(futures::stream::pending());
    let import = app.client().raw_contacts().import_contacts(requests).await;
    let mut import = import.expect("an import").into_inner();

    let stopped = timeout(Duration::from_secs(20), app.stop());
    let (stopped, checks, import) = futures::join!(stopped, checks.next(), import.next());
    stopped.expect("it stops in time");
    for refused in [checks.map(|answer| answer.map(drop)), import.map(|answer| answer.map(drop))] {
        let error = refused.expect("an error").refused_for(reason::SHUTTING_DOWN);
        assert!(error.is_unavailable() && error.is_retryable());
    }
}

#[apply(on_each_store!)]
async fn sdk_check_stream_survives_a_restart(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let category = contacts_sdk::MessageCategory::Marketing;
    let (ask, batches) = futures::channel::mpsc::unbounded();
    let mut checked = app.opt_in().check_stream(category).send(batches);
    for _ in 0..3 {
        ask.unbounded_send(vec![phone(1)]).expect("asked");
        let answer = checked.next().await.expect("a batch").expect("answers");
        assert!(answer.results.allowed(0));
        app.restart().await;
    }
}

#[apply(on_each_store!)]
async fn changes_in_flight_are_finished_on_shutdown(app: TestApp) {
    app.make_contact(phone(1)).await;
    let rows: Vec<_> = (2..1002).map(|n| NewContact::new().phone(phone(n))).collect();
    let upsert = app.contacts().batch_upsert(rows).send();
    let opt_in = app.opt_in().record_opt_in(phone(1), OptInSource::Api).send();
    // Each change happens once, before the shutdown or retried after it.
    let restart = async {
        tokio::task::yield_now().await;
        app.restart().await;
    };
    let (upserted, opted_in, ()) = futures::join!(upsert, opt_in, restart);
    assert_eq!(upserted.expect("an outcome").created, 1000);
    opted_in.expect("an opt-in");
    assert_eq!(app.contacts().count().await.expect("a count"), 1001);
    assert_eq!(app.opt_in().events(phone(1)).await.expect("events").items.len(), 1);
}

#[apply(on_each_store!)]
async fn stopped_server_is_unavailable_and_allows_nobody(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let category = contacts_sdk::MessageCategory::Marketing;
    assert!(app.opt_in().may_send(phone(1), category).await);
    app.stop().await;
    let impatient = app.builder().check_deadline(Duration::from_millis(500)).connect_lazy();
    let impatient = impatient.expect("a client");
    let error = impatient.opt_in().check(phone(1), category).await.refused();
    assert!(error.is_unavailable() || error.is_deadline_exceeded(), "{error:?}");
    assert!(!impatient.opt_in().may_send(phone(1), category).await);
    app.restart().await;
    assert!(app.opt_in().may_send(phone(1), category).await);
}
