//! Deadlines sent in the `grpc-timeout` header, which the server enforces (row 15 of the bad inputs).

use std::time::{Duration, Instant};

use bytes::Bytes;
use contacts_proto::v1;
use contacts_sdk::{NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, message, on_each_store, phone};
use prost::Message;
use tonic::Code;

const EXPIRED: [&str; 3] = ["0n", "1n", "0H"];

fn encoded(request: &impl Message) -> Bytes {
    message(&request.encode_to_vec())
}

#[apply(on_each_store!)]
async fn row_15_every_kind_of_call_reports_an_expired_deadline(app: TestApp) {
    app.make_contact(phone(1)).await;
    let recipient = Some(v1::get_contact_request::Recipient::PhoneNumber(phone(1)));
    let get = v1::GetContactRequest { recipient, ..Default::default() };
    let wire = app.wire().await;
    for timeout in EXPIRED {
        for (method, body) in [
            ("ContactService/GetContact", encoded(&get)),
            ("ContactService/StreamContacts", encoded(&v1::StreamContactsRequest::default())),
            ("ContactService/ImportContacts", encoded(&v1::ImportContactsRequest::default())),
            ("OptInService/CheckOptInStream", encoded(&v1::CheckOptInStreamRequest::default())),
        ] {
            let answer = wire.send(method, &[("grpc-timeout", timeout)], body).await;
            assert_eq!(answer.code(), Code::DeadlineExceeded, "{method} {timeout}: {answer:?}");
            assert!(answer.messages.is_empty(), "{method} {timeout}");
            Err::<(), _>(answer.status).refused_for(reason::DEADLINE_EXCEEDED);
        }
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_15_streams_end_at_their_deadline(app: TestApp) {
    let wire = app.wire().await;
    for method in ["OptInService/CheckOptInStream", "ContactService/ImportContacts"] {
        let began = Instant::now();
        // An open stream on which nothing is sent.
        let call = wire.open(method, &[("grpc-timeout", "200m")]).await;
        let answer = call.response().await;
        Err::<(), _>(answer.status).refused_for(reason::DEADLINE_EXCEEDED);
        let took = began.elapsed();
        assert!((Duration::from_millis(200)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_15_change_past_its_deadline_happens_at_most_once(app: TestApp) {
    // The caller does not know whether the change happened, and finds out by retrying with the
    // request_id.
    let wire = app.wire().await;
    for (n, timeout) in ["1n", "100u", "1m", "3m", "5m", "10m"].into_iter().enumerate() {
        let request_id = uuid::Uuid::new_v4().to_string();
        let contact = Some(contacts_tests::raw_contact(phone(n)));
        let create = v1::CreateContactRequest {
            contact,
            request_id: request_id.clone(),
            ..Default::default()
        };
        let method = "ContactService/CreateContact";
        let answer = wire.send(method, &[("grpc-timeout", timeout)], encoded(&create)).await;
        assert!(matches!(answer.code(), Code::Ok | Code::DeadlineExceeded), "{answer:?}");
        let made = app.contacts().create(NewContact::new().phone(phone(n))).request_id(request_id);
        made.await.expect("made now, or before");
        assert_eq!(app.contacts().count().await.expect("a count"), n as u64 + 1);
    }
}

#[apply(on_each_store!)]
async fn row_15_malformed_deadline_is_rejected(app: TestApp) {
    let wire = app.wire().await;
    for timeout in ["", "5", "S", "5s", "-5S", "1.5S", "123456789S", "soon"] {
        for method in ["ContactService/CountContacts", "ContactService/StreamContacts"] {
            let body = encoded(&v1::CountContactsRequest::default());
            let answer = wire.send(method, &[("grpc-timeout", timeout)], body).await;
            Err::<(), _>(answer.status).refused_at(reason::INVALID_ARGUMENT, "grpc-timeout");
        }
    }
    let longest = [("grpc-timeout", "99999999H")];
    let body = encoded(&v1::CountContactsRequest::default());
    let answer = wire.send("ContactService/CountContacts", &longest, body).await;
    assert_eq!(answer.code(), Code::Ok);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn sdk_enforces_its_deadline(app: TestApp) {
    let tiny = app.contacts().count().deadline(Duration::from_nanos(1)).await.refused();
    assert!(tiny.is_deadline_exceeded(), "{tiny:?}");
    let create = app.contacts().create(NewContact::new().phone(phone(1)));
    let error = create.deadline(Duration::ZERO).await.refused();
    assert!(error.is_deadline_exceeded() && error.request_id().is_some(), "{error:?}");
    app.contacts().count().deadline(Duration::MAX).await.expect("a count");
}
