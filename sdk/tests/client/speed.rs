//! Whether the client keeps up with the server. Meant for optimised builds:
//! `cargo test --release -p contacts-sdk -- --ignored`.

use std::time::Instant;

use bytes::Bytes;
use contacts_proto::v1::attribute_value::Value;
use contacts_proto::v1::stream_contacts_response::Event;
use contacts_proto::{ContactBatch, Timestamp, v1};
use futures::{StreamExt, stream};
use prost::Message;
use tonic::Request;

use crate::fake::{Fake, Messages};

const CONTACTS: usize = 500_000;
const BATCH: usize = 500;

/// About 190 bytes, as in the measurements of the service.
fn contact() -> Bytes {
    let time = Some(Timestamp { seconds: 1_769_851_800, nanos: 250_000_000 });
    let text = |text: &str| v1::AttributeValue { value: Some(Value::String(text.to_owned())) };
    let contact = v1::Contact {
        contact_id: "0190a5e0-7b3c-7d2e-9f10-0242ac120002".to_owned(),
        phone_number: "5511987654321".to_owned(),
        first_name: "Maria".to_owned(),
        last_name: "Silva".to_owned(),
        email: "maria.silva@example.com".to_owned(),
        tags: vec!["event_attendee".to_owned(), "vip".to_owned()],
        attributes: [("city".to_owned(), text("São Paulo")), ("tier".to_owned(), text("Gold"))]
            .into(),
        create_time: time,
        update_time: time,
        opt_in: Some(v1::OptInSummary { marketing: 2, update_time: time, ..Default::default() }),
        etag: "1".to_owned(),
        ..v1::Contact::default()
    };
    contact.encode_to_vec().into()
}

/// Generation and transport of the scripted server are in the time too.
#[tokio::test]
#[ignore = "measures speed, which needs an optimised build and a quiet machine"]
async fn a_segment_is_decoded_at_150_000_contacts_a_second() {
    let fake = Fake::default().on(|_: Request<v1::StreamContactsRequest>| async {
        let batch = ContactBatch { contacts: vec![contact(); BATCH] };
        let batches = stream::iter(1..=CONTACTS / BATCH).map(move |n| {
            let event = Some(Event::Batch(batch.clone()));
            Ok(v1::StreamContactsResponse { event, resume_token: n.to_string() })
        });
        let delivered_count = i64::try_from(CONTACTS).expect("a count");
        let end = v1::StreamEnd { delivered_count, reason: v1::StreamEndReason::Complete.into() };
        let event = Some(Event::End(end));
        let end = Ok(v1::StreamContactsResponse { event, resume_token: "end".to_owned() });
        let messages: Messages<_> = batches.chain(stream::iter([end])).boxed();
        Ok(messages)
    });
    let client = fake.client().await;
    let began = Instant::now();
    let mut contacts = client.contacts().segment().stream();
    let mut count = 0;
    while let Some(contact) = contacts.next().await {
        contact.expect("a contact");
        count += 1;
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    assert!(rate > 150_000.0, "{rate:.0} contacts a second");
}
