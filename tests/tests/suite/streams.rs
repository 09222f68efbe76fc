//! StreamContacts: delivers every contact of a segment exactly once.

mod broken;
mod end;
mod heartbeat;
mod resume;
mod slow_reader;

use contacts_proto::v1::stream_contacts_response::Event;
use contacts_proto::v1::{StreamContactsRequest, StreamContactsResponse, StreamEnd};
use contacts_sdk::NewContact;
use contacts_tests::{TestApp, phones};
use futures::StreamExt;
use tonic::Streaming;

/// Creates contacts that differ only in their phone number.
async fn make_people(app: &TestApp, count: usize) {
    let people = phones(0..count).into_iter();
    app.make_many(people.map(|phone| NewContact::new().phone(phone).first_name("Ana"))).await;
}

/// Opens a stream without the SDK.
async fn open(app: &TestApp, request: StreamContactsRequest) -> Streaming<StreamContactsResponse> {
    let stream = app.client().raw_contacts().stream_contacts(request).await;
    stream.expect("a stream").into_inner()
}

/// Reads a stream to its end and checks the order of its messages.
async fn read(app: &TestApp, request: StreamContactsRequest) -> (Vec<Message>, StreamEnd) {
    let mut messages: Vec<_> = open(app, request).await.map(Message::of).collect().await;
    let last = messages.pop().expect("an end message");
    assert!(messages.iter().all(|message| message.end.is_none()), "an end in the middle");
    (messages, last.end.expect("an end message"))
}

/// One message, with its contacts decoded.
#[derive(Debug)]
struct Message {
    phones: Vec<String>,
    is_heartbeat: bool,
    end: Option<StreamEnd>,
    token: String,
}

impl Message {
    fn of(received: Result<StreamContactsResponse, tonic::Status>) -> Self {
        let StreamContactsResponse { event, resume_token: token } = received.expect("a message");
        assert!((1..=512).contains(&token.len()), "a token of {} bytes", token.len());
        let mut message = Self { phones: Vec::new(), is_heartbeat: false, end: None, token };
        match event.expect("an event") {
            Event::Batch(batch) => {
                let contacts = batch.decode_contacts().map(|contact| contact.expect("a contact"));
                message.phones = contacts.map(|contact| contact.phone_number).collect();
                assert!(!message.phones.is_empty(), "an empty batch");
            }
            Event::Heartbeat(_) => message.is_heartbeat = true,
            Event::End(end) => message.end = Some(end),
        }
        message
    }
}

/// The phone numbers of some messages.
fn phones_of(messages: &[Message]) -> Vec<String> {
    messages.iter().flat_map(|message| message.phones.iter().cloned()).collect()
}
