//! The messages of an import stream: options first, then chunks, each with a response.

use contacts_proto::v1::import_contacts_request::Message;
use contacts_proto::v1::{
    ImportChunk, ImportContactsRequest, ImportContactsResponse, ImportOptions, ImportRow,
    OnConflict,
};
use contacts_sdk::reason;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, raw_contact};
use futures::StreamExt;
use futures::channel::mpsc;
use tonic::{Code, Status, Streaming};

type Requests = mpsc::UnboundedSender<ImportContactsRequest>;

fn say(message: Message) -> ImportContactsRequest {
    ImportContactsRequest { workspace_id: String::new(), message: Some(message) }
}

fn options() -> ImportContactsRequest {
    say(Message::Options(ImportOptions::default()))
}

fn chunk(chunk_id: &str, rows: impl IntoIterator<Item = usize>) -> ImportContactsRequest {
    let row = |n| ImportRow { contact: Some(raw_contact(phone(n))), consent: None };
    let rows = rows.into_iter().map(row).collect();
    say(Message::Chunk(ImportChunk { chunk_id: chunk_id.to_owned(), rows }))
}

async fn open(app: &TestApp) -> (Requests, Streaming<ImportContactsResponse>) {
    let (requests, outgoing) = mpsc::unbounded();
    let import = app.client().raw_contacts().import_contacts(outgoing).await;
    (requests, import.expect("an import").into_inner())
}

/// Sends messages, closes the request stream, and returns all responses.
async fn send(
    app: &TestApp,
    messages: Vec<ImportContactsRequest>,
) -> Vec<Result<ImportContactsResponse, Status>> {
    let import = app.client().raw_contacts().import_contacts(futures::stream::iter(messages)).await;
    import.expect("an import").into_inner().collect().await
}

#[apply(on_each_store!)]
async fn chunk_is_answered_after_it_is_committed(app: TestApp) {
    let (requests, mut answers) = open(&app).await;
    requests.unbounded_send(options()).expect("sent");
    for (round, rows) in [0..3, 3..4, 4..4].into_iter().enumerate() {
        let expected = rows.len() as i32;
        let chunk_id = format!("é-{round}");
        requests.unbounded_send(chunk(&chunk_id, rows.clone())).expect("sent");
        let answer = answers.next().await.expect("an answer").expect("an answer");
        assert_eq!((answer.chunk_id, answer.created), (chunk_id, expected));
        // The stream is still open, and the rows are visible to other calls.
        assert_eq!(app.contacts().count().await.expect("a count"), rows.end as u64);
    }
    drop(requests);
    assert!(answers.next().await.is_none());
}

#[apply(on_each_store!)]
async fn chunks_are_answered_in_order(app: TestApp) {
    let mut messages = vec![options()];
    messages.extend((0..20).map(|n| chunk(&n.to_string(), n * 10..n * 10 + 10)));
    let answers = send(&app, messages).await;
    let ids: Vec<_> =
        answers.into_iter().map(|answer| answer.expect("an answer").chunk_id).collect();
    assert_eq!(ids, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[apply(on_each_store!)]
async fn import_messages_are_options_then_chunks(app: TestApp) {
    let empty = ImportContactsRequest::default;
    for (messages, answered, reason, field) in [
        (vec![chunk("a", 0..1)], 0, reason::REQUIRED_FIELD_MISSING, "options"),
        (vec![empty()], 0, reason::REQUIRED_FIELD_MISSING, "options"),
        (vec![], 0, reason::REQUIRED_FIELD_MISSING, "options"),
        (vec![options(), chunk("a", 0..1), options()], 1, reason::INVALID_ARGUMENT, "options"),
        (vec![options(), chunk("a", 1..2), empty()], 1, reason::INVALID_ARGUMENT, "chunk"),
        (vec![options(), chunk("a", 0..1001)], 0, reason::LIMIT_EXCEEDED, "chunk.rows"),
        (
            vec![options(), chunk(&"x".repeat(256), 0..1)],
            0,
            reason::LIMIT_EXCEEDED,
            "chunk.chunk_id",
        ),
    ] {
        let mut answers = send(&app, messages).await;
        let last = answers.pop().expect("an error");
        last.refused_at(reason, field);
        assert_eq!(answers.into_iter().flatten().count(), answered, "{field}");
    }
    // Chunks answered before the error are stored, and no others.
    assert_eq!(app.contacts().count().await.expect("a count"), 2);
}

#[apply(on_each_store!)]
async fn invalid_options_fail_immediately(app: TestApp) {
    let of = |options: ImportOptions| vec![say(Message::Options(options))];
    let conflict = ImportOptions { on_conflict: 99, ..ImportOptions::default() };
    let consent = contacts_proto::v1::ImportConsent { status: 1, ..Default::default() };
    let consent = ImportOptions { consent: Some(consent), ..ImportOptions::default() };
    for (options, field) in [(conflict, "options.on_conflict"), (consent, "options.consent.status")]
    {
        let answer = send(&app, of(options)).await.remove(0);
        answer.refused_at(reason::INVALID_ARGUMENT, field);
    }
    let lost = ImportContactsRequest { workspace_id: "nowhere".to_owned(), ..options() };
    send(&app, vec![lost]).await.remove(0).refused_for(reason::WORKSPACE_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn empty_import_succeeds(app: TestApp) {
    assert!(send(&app, vec![options()]).await.is_empty());
    let summary =
        app.contacts().import(super::merge()).send(Vec::<contacts_sdk::NewContact>::new()).await;
    assert_eq!(summary.expect("an import").rows, 0);
}

#[apply(on_each_store!)]
async fn invalid_raw_row_fails_alone(app: TestApp) {
    let rows = vec![
        ImportRow::default(),
        ImportRow { contact: Some(raw_contact(phone(1))), consent: Some(Default::default()) },
        ImportRow {
            contact: Some(contacts_proto::v1::Contact {
                contact_id: "x".to_owned(),
                ..raw_contact(phone(2))
            }),
            consent: None,
        },
        ImportRow { contact: Some(raw_contact(phone(3))), consent: None },
    ];
    let chunk = say(Message::Chunk(ImportChunk { chunk_id: String::new(), rows }));
    let mut options = ImportOptions::default();
    options.set_on_conflict(OnConflict::Fail);
    let answer = send(&app, vec![say(Message::Options(options)), chunk]).await.remove(0);
    let answer = answer.expect("an answer");
    assert_eq!(answer.created, 1);
    let codes: Vec<_> = answer
        .failures
        .iter()
        .map(|failure| (failure.row, failure.status.as_ref().expect("a status").code))
        .collect();
    let invalid = i32::from(Code::InvalidArgument);
    assert_eq!(codes, [(0, invalid), (1, invalid), (2, invalid)]);
}
