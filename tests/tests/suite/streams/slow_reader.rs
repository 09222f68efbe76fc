//! Slow readers do not affect other calls.

use contacts_proto::v1::StreamContactsRequest;
use contacts_proto::v1::contact_service_client::ContactServiceClient;
use contacts_sdk::NewContact;
use contacts_tests::{TestApp, apply, on_each_store, phone, phones};
use futures::{StreamExt, TryStreamExt};

use super::Message;

const PEOPLE: usize = 3000;
/// More than the server's connection pool for streams.
const READERS: usize = 12;

#[apply(on_each_store!)]
async fn slow_reader_holds_no_database_connection(app: TestApp) {
    let filler = "x".repeat(190);
    let person = |n| NewContact::new().phone(phone(n)).first_name(&filler).last_name(&filler);
    app.make_many((0..PEOPLE).map(person)).await;

    let mut streams = Vec::new();
    for _ in 0..READERS {
        let mut client = ContactServiceClient::new(app.narrow_channel().await);
        let request = StreamContactsRequest { max_batch_size: 20, ..Default::default() };
        let mut stream = client.stream_contacts(request).await.expect("a stream").into_inner();
        let first = Message::of(stream.next().await.expect("a message"));
        streams.push((first, stream));
    }

    // None of the streams is read. Other calls work, including another stream.
    app.assert_alive().await;
    app.make_contact("4915112345678").await;
    let everybody: Vec<_> = app.contacts().segment().stream().try_collect().await.expect("all");
    assert_eq!(everybody.len(), PEOPLE + 1);

    let mut read_on = streams.into_iter().map(|(first, stream)| async move {
        let rest: Vec<_> = stream.map(Message::of).collect().await;
        let mut delivered = first.phones;
        delivered.extend(super::phones_of(&rest));
        assert!(rest.last().is_some_and(|last| last.end.is_some()), "no end");
        delivered
    });
    // Read one stream after the other, so that the last ones have waited longest.
    for reading in &mut read_on {
        assert_eq!(reading.await[..PEOPLE], phones(0..PEOPLE));
    }
}
