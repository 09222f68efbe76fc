//! Rows 6 and 8: what is no message, and no method.

use bytes::Bytes;
use contacts_proto::v1::{CreateContactRequest, GetContactRequest};
use contacts_tests::{TestApp, apply, message, on_each_store, phone, raw_contact};
use prost::Message;
use tonic::Code;

/// Methods of every kind, whose decoders are all to survive.
const METHODS: [&str; 6] = [
    "ContactService/CreateContact",
    "ContactService/ListContacts",
    "ContactService/StreamContacts",
    "ContactService/ImportContacts",
    "OptInService/CheckOptIn",
    "OptInService/CheckOptInStream",
];

/// Groups of an unknown field, one in the other. No message of the API nests so deep by itself.
fn nested(depth: usize) -> Bytes {
    const BEGIN: [u8; 2] = [0xc3, 0x3e];
    const END: [u8; 2] = [0xc4, 0x3e];
    message(&[BEGIN.repeat(depth), END.repeat(depth)].concat())
}

#[apply(on_each_store!)]
async fn row_6_malformed_messages_are_no_panic(app: TestApp) {
    let wire = app.wire().await;
    let create =
        CreateContactRequest { contact: Some(raw_contact(phone(1))), ..Default::default() };
    let good = create.encode_to_vec();
    let malformed: [&[u8]; 8] = [
        // A tag of field 0, a wire type that does not exist, an end group without a beginning.
        &[0x00],
        &[0x0f],
        &[0x0c],
        // A varint without an end, and one of eleven bytes.
        &[0x08, 0xff],
        &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        // Text that is longer than the message, and text that is not UTF-8, in field 1.
        &[0x0a, 0x7f, b'x'],
        &[0x0a, 0x02, 0xc3, 0x28],
        // A surrogate.
        &[0x0a, 0x03, 0xed, 0xa0, 0x80],
    ];
    for method in METHODS {
        for bytes in malformed.into_iter().chain([&good[..good.len() - 1]]) {
            // A shorter message may be a good one of another method.
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
async fn row_6_nesting_has_an_end(app: TestApp) {
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
async fn row_6_a_frame_that_lies_about_its_length_is_refused(app: TestApp) {
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
    // No message at all, and two where one is expected.
    let none = wire.send("ContactService/GetContact", &[], Bytes::new()).await;
    assert_ne!(none.code(), Code::Ok, "{none:?}");
    let twice = [message(&request), message(&request)].concat();
    let twice = wire.send("ContactService/GetContact", &[], Bytes::from(twice)).await;
    assert_ne!(twice.code(), Code::Ok, "{twice:?}");
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_6_unknown_fields_are_passed_over(app: TestApp) {
    // A newer client's fields: not an error, and not kept.
    let create =
        CreateContactRequest { contact: Some(raw_contact(phone(1))), ..Default::default() };
    let mut bytes = create.encode_to_vec();
    bytes.extend([0xba, 0x3e, 0x03, b'n', b'e', b'w']);
    let answer = app.wire().await.send("ContactService/CreateContact", &[], message(&bytes)).await;
    assert_eq!(answer.code(), Code::Ok, "{answer:?}");
    app.contacts().get(phone(1)).await.expect("a contact");
}

#[apply(on_each_store!)]
async fn row_8_an_unknown_method_is_unimplemented(app: TestApp) {
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
async fn row_8_reflection_can_be_switched_off(app: TestApp) {
    let methods = ["v1", "v1alpha"]
        .map(|version| format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    // A request to list the services.
    let list = message(&[0x3a, 0x00]);
    for method in &methods {
        let answer = app.wire().await.send(method, &[], list.clone()).await;
        assert_eq!(answer.code(), Code::Ok, "{method}: {answer:?}");
    }
    app.restart_with(|config| config.listener.no_reflection = true).await;
    for method in &methods {
        let answer = app.wire().await.send(method, &[], list.clone()).await;
        assert_eq!(answer.code(), Code::Unimplemented, "{method}: {answer:?}");
    }
    app.assert_alive().await;
}
