//! Rows 3 to 9: frames, messages, methods and metadata that are not as they should be.

use std::time::Duration;

use bytes::Bytes;
use contacts_proto::v1::{CountContactsRequest, CreateContactRequest, GetContactRequest};
use contacts_service::config::Switch;
use contacts_tests::{TestApp, apply, message, on_each_store, phone, raw_contact};
use prost::Message;
use tonic::Code;

/// One method of each kind of call.
const METHODS: [&str; 6] = [
    "ContactService/CreateContact",
    "ContactService/ListContacts",
    "ContactService/StreamContacts",
    "ContactService/ImportContacts",
    "OptInService/CheckOptIn",
    "OptInService/CheckOptInStream",
];

/// Nested groups of an unknown field. No message of the API nests this deep.
fn nested(depth: usize) -> Bytes {
    const BEGIN: [u8; 2] = [0xc3, 0x3e];
    const END: [u8; 2] = [0xc4, 0x3e];
    message(&[BEGIN.repeat(depth), END.repeat(depth)].concat())
}

#[apply(on_each_store!)]
async fn rows_3_to_5_message_flags_are_validated(app: TestApp) {
    let wire = app.wire().await;
    let encoded = GetContactRequest::default().encode_to_vec();
    let framed = |flag: u8| {
        let mut framed = message(&encoded).to_vec();
        framed[0] = flag;
        Bytes::from(framed)
    };
    let gzip = [("grpc-encoding", "gzip")];
    let unknown = [("grpc-encoding", "br")];
    for method in ["ContactService/GetContact", "ContactService/StreamContacts"] {
        let answer = wire.send(method, &[], framed(1)).await;
        assert_eq!(
            answer.code(),
            Code::Internal,
            "{method}, compressed as nobody said: {answer:?}"
        );
        let answer = wire.send(method, &unknown, framed(1)).await;
        assert_eq!(answer.code(), Code::Unimplemented, "{method}, unknown: {answer:?}");
        for headers in [&[][..], &gzip] {
            for flag in [2, 7, 255] {
                let answer = wire.send(method, headers, framed(flag)).await;
                assert_eq!(answer.code(), Code::Internal, "{method}, flag {flag}: {answer:?}");
            }
        }
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_7_announced_messages_that_do_not_come_are_cut(app: TestApp) {
    app.restart_with(|config| config.timeouts.message_timeout = Duration::from_millis(500)).await;
    let wire = app.wire().await;
    let mut calls = Vec::new();
    for (method, length) in [
        ("OptInService/CheckOptIn", 64_u32 << 10),
        ("ContactService/ImportContacts", 4 << 20),
        ("ContactService/BatchUpsertContacts", 4 << 20),
    ] {
        for _ in 0..70 {
            let mut call = wire.open(method, &[]).await;
            let prefix: Bytes = [&[0][..], &length.to_be_bytes()].concat().into();
            drop(call.request.send_data(prefix, false));
            calls.push(call.response());
        }
    }
    let answers = futures::future::join_all(calls);
    let answers =
        tokio::time::timeout(Duration::from_secs(60), answers).await.expect("all are cut");
    for answer in &answers {
        // Some find no place, as the others keep theirs until they are cut.
        let code = answer.code();
        assert!(matches!(code, Code::DeadlineExceeded | Code::ResourceExhausted), "{answer:?}");
    }
    let cut = answers.iter().filter(|answer| answer.code() == Code::DeadlineExceeded).count();
    assert!(cut >= 70, "{cut}");
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_9_too_much_metadata_is_refused_and_the_connection_lives(app: TestApp) {
    let wire = app.wire().await;
    let count = message(&CountContactsRequest::default().encode_to_vec());
    let long = "x".repeat(20 << 10);
    let long = [("x-long", long.as_str())];
    let answer = wire.send("ContactService/CountContacts", &long, count.clone()).await;
    assert_ne!(answer.code(), Code::Ok, "{answer:?}");
    let many: Vec<_> = (0..1000).map(|n| format!("x-header-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "value")).collect();
    let answer = wire.send("ContactService/CountContacts", &many, count.clone()).await;
    assert_ne!(answer.code(), Code::Ok, "{answer:?}");
    let answer = wire.send("ContactService/CountContacts", &[("x-short", "x")], count).await;
    assert_eq!(answer.code(), Code::Ok, "{answer:?}");
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_6_malformed_messages_do_not_panic(app: TestApp) {
    let wire = app.wire().await;
    let create =
        CreateContactRequest { contact: Some(raw_contact(phone(1))), ..Default::default() };
    let good = create.encode_to_vec();
    let malformed: [&[u8]; 8] = [
        // A tag of field 0, a wire type that does not exist, an end group without a beginning.
        &[0x00],
        &[0x0f],
        &[0x0c],
        // An unterminated varint, and one of eleven bytes.
        &[0x08, 0xff],
        &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        // In field 1, text longer than the message and text that is not UTF-8.
        &[0x0a, 0x7f, b'x'],
        &[0x0a, 0x02, 0xc3, 0x28],
        // A surrogate.
        &[0x0a, 0x03, 0xed, 0xa0, 0x80],
    ];
    for method in METHODS {
        for bytes in malformed.into_iter().chain([&good[..good.len() - 1]]) {
            // A truncated message may be valid for another method.
            if bytes.len() > 20 && method != METHODS[0] {
                continue;
            }
            let answer = wire.send(method, &[], message(bytes)).await;
            assert_eq!(answer.code(), Code::Internal, "{method} {bytes:x?}: {answer:?}");
        }
    }
    app.assert_alive().await;
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
}

#[apply(on_each_store!)]
async fn row_6_message_nesting_is_limited(app: TestApp) {
    let wire = app.wire().await;
    let count = "ContactService/CountContacts";
    let shallow = wire.send(count, &[], nested(50)).await;
    assert_eq!(shallow.code(), Code::Ok, "{shallow:?}");
    for depth in [102, 1_000, 1_000_000] {
        for method in [count, "ContactService/StreamContacts", "ContactService/ImportContacts"] {
            let answer = wire.send(method, &[], nested(depth)).await;
            assert_eq!(answer.code(), Code::Internal, "{method} {depth}: {answer:?}");
        }
        app.assert_alive().await;
    }
}

#[apply(on_each_store!)]
async fn row_6_frame_with_a_wrong_length_is_rejected(app: TestApp) {
    let wire = app.wire().await;
    let request = GetContactRequest::default().encode_to_vec();
    let mut short = message(&request).to_vec();
    short[4] = 9;
    let mut cut = message(b"\x0a\x01x").to_vec();
    cut.truncate(3);
    for body in [short, cut] {
        let answer = wire.send("ContactService/GetContact", &[], Bytes::from(body)).await;
        assert_eq!(answer.code(), Code::Internal, "{answer:?}");
    }
    // No message, and two messages where one is expected.
    let none = wire.send("ContactService/GetContact", &[], Bytes::new()).await;
    assert_ne!(none.code(), Code::Ok, "{none:?}");
    let twice = [message(&request), message(&request)].concat();
    let twice = wire.send("ContactService/GetContact", &[], Bytes::from(twice)).await;
    assert_ne!(twice.code(), Code::Ok, "{twice:?}");
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_6_unknown_fields_are_ignored(app: TestApp) {
    // Fields of a newer client are neither an error nor stored.
    let create =
        CreateContactRequest { contact: Some(raw_contact(phone(1))), ..Default::default() };
    let mut bytes = create.encode_to_vec();
    bytes.extend([0xba, 0x3e, 0x03, b'n', b'e', b'w']);
    let answer = app.wire().await.send("ContactService/CreateContact", &[], message(&bytes)).await;
    assert_eq!(answer.code(), Code::Ok, "{answer:?}");
    app.contacts().get(phone(1)).await.expect("a contact");
}

#[apply(on_each_store!)]
async fn row_8_unknown_method_is_unimplemented(app: TestApp) {
    let wire = app.wire().await;
    for method in [
        "/whatatalk.contacts.v1.ContactService/Guess",
        "/whatatalk.contacts.v1.NoService/GetContact",
        "/whatatalk.contacts.v2.ContactService/GetContact",
        "/",
        "/x",
        "/whatatalk.contacts.v1.ContactService/",
        "/../../etc/passwd",
        "/%00",
    ] {
        let answer = wire.send(method, &[], message(&[])).await;
        assert_eq!(answer.code(), Code::Unimplemented, "{method}: {answer:?}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_8_reflection_can_be_disabled(app: TestApp) {
    let methods = ["v1", "v1alpha"]
        .map(|version| format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    // A request to list the services.
    let list = message(&[0x3a, 0x00]);
    for method in &methods {
        let answer = app.wire().await.send(method, &[], list.clone()).await;
        assert_eq!(answer.code(), Code::Ok, "{method}: {answer:?}");
    }
    app.restart_with(|config| config.listener.reflection = Switch::Off).await;
    for method in &methods {
        let answer = app.wire().await.send(method, &[], list.clone()).await;
        assert_eq!(answer.code(), Code::Unimplemented, "{method}: {answer:?}");
    }
    app.assert_alive().await;
}
