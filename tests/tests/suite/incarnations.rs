//! A workspace that is deleted and made again is another one: what began in the first ends with it.

use contacts_proto::v1;
use contacts_proto::v1::import_contacts_request::Message;
use contacts_sdk::{NewContact, reason};
use contacts_service::domain::error::Reason;
use contacts_service::operations::contact_scan::ContactScan;
use contacts_service::operations::read::{self, Query};
use contacts_service::operations::workspaces;
use contacts_service::store::sqlite::Access;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, raw_contact};
use futures::StreamExt;
use futures::channel::mpsc;

async fn make_again(app: &TestApp) {
    app.workspaces().delete("default").confirm("default").await.expect("erased");
    app.workspaces().create("default").await.expect("a workspace");
}

/// Case 12 of the review of consent.
#[apply(on_each_store!)]
async fn import_ends_with_the_workspace_it_began_in(app: TestApp) {
    let say =
        |message| v1::ImportContactsRequest { workspace_id: String::new(), message: Some(message) };
    let chunk = |n: usize| {
        let consent = v1::ImportConsent {
            status: v1::OptInStatus::OptedIn.into(),
            ..v1::ImportConsent::default()
        };
        let contact = Some(raw_contact(phone(n)));
        let rows = vec![v1::ImportRow { contact, consent: Some(consent) }];
        say(Message::Chunk(v1::ImportChunk { chunk_id: n.to_string(), rows }))
    };
    let (requests, outgoing) = mpsc::unbounded();
    let import = app.client().raw_contacts().import_contacts(outgoing).await;
    let mut answers = import.expect("an import").into_inner();
    requests.unbounded_send(say(Message::Options(v1::ImportOptions::default()))).expect("sent");
    requests.unbounded_send(chunk(0)).expect("sent");
    let answer = answers.next().await.expect("an answer").expect("an answer");
    assert_eq!(answer.created, 1);

    make_again(&app).await;
    requests.unbounded_send(chunk(1)).expect("sent");
    let ended = answers.next().await.expect("an answer").map(drop);
    ended.refused_for(reason::WORKSPACE_NOT_FOUND);
    assert_eq!(
        app.contacts().count().await.expect("a count"),
        0,
        "nothing of it is in the new one"
    );
}

#[apply(on_each_store!)]
async fn check_stream_ends_with_each_workspace_it_began_in(app: TestApp) {
    app.workspaces().create("other").await.expect("another workspace");
    let batch = |workspace_id: &str| v1::CheckOptInStreamRequest {
        workspace_id: workspace_id.to_owned(),
        phone_numbers: vec![phone(0)],
        ..v1::CheckOptInStreamRequest::default()
    };
    let (requests, outgoing) = mpsc::unbounded();
    let stream = app.client().raw_opt_in().check_opt_in_stream(outgoing).await;
    let mut answers = stream.expect("a stream").into_inner();
    for workspace_id in ["", "default", "other"] {
        requests.unbounded_send(batch(workspace_id)).expect("sent");
        answers.next().await.expect("an answer").expect("an answer");
    }
    make_again(&app).await;
    requests.unbounded_send(batch("other")).expect("sent");
    answers.next().await.expect("an answer").expect("that one is the same");
    requests.unbounded_send(batch("")).expect("sent");
    let ended = answers.next().await.expect("an answer").map(drop);
    ended.refused_for(reason::WORKSPACE_NOT_FOUND);
}

/// At the level of operations: the server reads several pages ahead of its client.
#[apply(on_each_store!)]
async fn stream_ends_with_the_workspace_it_began_in(app: TestApp) {
    // More than the first page.
    const PEOPLE: usize = 600;
    let people = |from: usize| (from..from + PEOPLE).map(|n| NewContact::new().phone(phone(n)));
    app.make_many(people(0)).await;
    let store = app.open_store(Access::Read).await;
    let mut db = store.read().await.expect("a connection");
    let workspace = workspaces::get(&store, "").await.expect("a workspace");
    let everybody = Query::default();
    let selection = read::select(&store, &mut *db, &workspace, &everybody, store.now()).await;
    let selection = selection.expect("all contacts");
    drop(db);
    let mut scan = ContactScan::new(store.clone(), workspace, selection, None);
    assert!(!scan.next_page().await.expect("a page").is_empty());

    make_again(&app).await;
    app.make_many(people(PEOPLE)).await;
    let error = scan.next_page().await.expect_err("another workspace");
    assert_eq!(error.reason(), Reason::WorkspaceNotFound);
}
