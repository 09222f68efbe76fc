//! Resuming a stream at any message, with changes in between.

use std::collections::BTreeSet;
use std::time::Duration;

use contacts_proto::v1::{StreamContactsRequest, StreamEndReason};
use contacts_sdk::{ContactView, NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};
use futures::StreamExt;

use super::{Message, make_people, open, phones_of, read};

fn request(resume_token: &str) -> StreamContactsRequest {
    let resume_token = resume_token.to_owned();
    StreamContactsRequest { max_batch_size: 4, resume_token, ..Default::default() }
}

#[apply(on_each_store!)]
async fn stream_resumes_after_every_message(app: TestApp) {
    make_people(&app, 42).await;
    let (messages, _) = read(&app, request("")).await;
    assert!(messages.len() > 10);
    for (index, message) in messages.iter().enumerate() {
        let (rest, end) = read(&app, request(&message.token)).await;
        let delivered = [&messages[..=index], &rest].map(phones_of).concat();
        assert_eq!(delivered, phones(0..42));
        assert_eq!((end.delivered_count, end.reason()), (42, StreamEndReason::Complete));
    }
}

#[apply(on_each_store!)]
async fn finished_stream_resumes_empty_until_a_contact_is_added(app: TestApp) {
    make_people(&app, 3).await;
    let mut messages: Vec<_> = open(&app, request("")).await.map(Message::of).collect().await;
    let token = messages.pop().expect("an end").token;
    let (rest, end) = read(&app, request(&token)).await;
    assert_eq!((rest.len(), end.delivered_count), (0, 3));
    app.make_contact(phone(3)).await;
    let (rest, end) = read(&app, request(&token)).await;
    assert_eq!((phones_of(&rest), end.delivered_count), (phones(3..4), 4));
}

#[apply(on_each_store!)]
async fn stream_resumes_while_contacts_are_created_and_deleted(app: TestApp) {
    make_people(&app, 60).await;
    let mut delivered = Vec::new();
    let (mut gone, mut added) = (BTreeSet::new(), 60);
    let mut token = String::new();
    loop {
        let mut stream = open(&app, request(&token)).await;
        let message = Message::of(stream.next().await.expect("a message"));
        drop(stream);
        token.clone_from(&message.token);
        if message.end.is_some() {
            break;
        }
        delivered.extend(message.phones);
        // The last delivered contact and one not yet delivered are deleted, and one is created.
        let round = delivered.len() / 4;
        let victims = [delivered.last().cloned(), Some(phone(59 - 2 * round))];
        for victim in victims.into_iter().flatten() {
            if app.contacts().delete(&victim).await.is_ok() {
                gone.insert(victim);
            }
        }
        if added < 80 {
            app.make_contact(phone(added)).await;
            added += 1;
        }
    }
    let unique: BTreeSet<_> = delivered.iter().cloned().collect();
    assert_eq!(unique.len(), delivered.len(), "a duplicate");
    for stayed in phones(0..added).into_iter().filter(|phone| !gone.contains(phone)) {
        assert!(unique.contains(&stayed), "a gap: {stayed}");
    }
}

/// `now` is that of the first request, on every page and after a resumption.
#[apply(on_each_store!)]
async fn relative_times_stay_the_same_on_all_pages(app: TestApp) {
    make_people(&app, 42).await;
    let filter = "create_time > now-3s";
    let request = |token: &str| StreamContactsRequest { filter: filter.into(), ..request(token) };
    let mut stream = open(&app, request("")).await;
    let first = Message::of(stream.next().await.expect("a message"));
    drop(stream);
    let list = app.contacts().list().filter(filter).page_size(4);
    let page = list.clone().await.expect("a page");
    tokio::time::sleep(Duration::from_secs(4)).await;

    let (rest, end) = read(&app, request(&first.token)).await;
    assert_eq!(end.delivered_count, 42);
    // The token of a resumed stream has it too.
    let (later, _) = read(&app, request(&rest[2].token)).await;
    assert_eq!([phones_of(&rest[..3]), phones_of(&later)].concat(), phones(4..42));
    let next = list.clone().page_token(page.next_page_token.expect("a token")).page_size(1000);
    assert_eq!(next.await.expect("a page").items.len(), 38);
    // A new request has its own.
    assert_eq!(list.await.expect("a page").items.len(), 0);
}

#[apply(on_each_store!)]
async fn changed_contact_is_delivered_once(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let people = phones(0..40).into_iter();
    app.make_many(people.map(|phone| NewContact::new().phone(phone).tag("vip"))).await;
    let mut batches = app.contacts().segment().filter("tags:vip").batch_size(1).batches();
    let mut delivered = Vec::new();
    while let Some(batch) = batches.next().await {
        for contact in batch.expect("a batch").contacts() {
            delivered.extend(contact.expect("a contact").phone_number);
        }
        if delivered.len() == 5 {
            // Delivered contacts change; none of them may be delivered again.
            let early = app.contacts().update_tags().recipients(phones(0..5)).remove("vip");
            early.await.expect("an edit");
            app.contacts()
                .update_tags()
                .recipients(phones(0..5))
                .add("vip")
                .await
                .expect("an edit");
        }
    }
    assert_eq!(delivered, phones(0..40));
}

#[apply(on_each_store!)]
async fn resume_token_allows_another_view_and_size_only(app: TestApp) {
    app.make_tags(&["vip"]).await;
    make_people(&app, 12).await;
    let (messages, _) = read(&app, request("")).await;
    let token = &messages[0].token;
    let basic = StreamContactsRequest {
        view: contacts_proto::v1::ContactView::Basic.into(),
        max_batch_size: 1,
        ..request(token)
    };
    assert_eq!(phones_of(&read(&app, basic).await.0), phones(4..12));

    app.workspaces().create("acme").await.expect("a workspace");
    for other in [
        StreamContactsRequest { filter: "NOT tags:vip".to_owned(), ..request(token) },
        StreamContactsRequest { query: "ana".to_owned(), ..request(token) },
        StreamContactsRequest { limit: 100, ..request(token) },
        StreamContactsRequest { workspace_id: "acme".to_owned(), ..request(token) },
        request(&format!("{token}A")),
        request(&token[1..]),
        request("x"),
    ] {
        let stream = app.client().raw_contacts().stream_contacts(other).await;
        stream.refused_at(reason::INVALID_RESUME_TOKEN, "resume_token");
    }
}

#[apply(on_each_store!)]
async fn resume_token_survives_a_restart(app: TestApp) {
    make_people(&app, 30).await;
    let segment = || app.contacts().segment().batch_size(7).view(ContactView::Basic);
    let mut batches = segment().batches();
    let batch = batches.next().await.expect("a batch").expect("a batch");
    let stored = batch.resume_token().to_string();
    drop(batches);
    app.restart().await;
    let mut rest = segment().resume_from(stored).stream();
    let mut delivered = Vec::new();
    while let Some(contact) = rest.next().await {
        delivered.extend(contact.expect("a contact").phone_number);
    }
    assert_eq!(delivered, phones(batch.len()..30));
}
