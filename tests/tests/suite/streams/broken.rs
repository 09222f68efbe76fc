//! Connections that break during a stream.

use std::collections::BTreeSet;

use contacts_sdk::{Contact, Error, NewContact, RetryPolicy};
use contacts_tests::{Proxy, TestApp, apply, on_each_store, phone, phones};
use futures::TryStreamExt;

const PEOPLE: usize = 1500;

async fn make_people(app: &TestApp) {
    let filler = "x".repeat(150);
    let person = |n| NewContact::new().phone(phone(n)).first_name(&filler);
    app.make_many((0..PEOPLE).map(person)).await;
}

fn phones_of(contacts: Vec<Contact>) -> Vec<String> {
    contacts.into_iter().filter_map(|contact| contact.phone_number).collect()
}

#[apply(on_each_store!)]
async fn segment_survives_any_number_of_broken_connections(app: TestApp) {
    make_people(&app).await;
    let proxy = Proxy::to(app.address()).await;
    proxy.cut_after(60_000);
    let client = contacts_sdk::ContactsClient::builder(proxy.url()).connect().await;
    let client = client.expect("a connection");
    let segment = client.contacts().segment().batch_size(50).stream();
    let delivered = segment.try_collect().await.expect("everybody");
    assert_eq!(phones_of(delivered), phones(0..PEOPLE));
    assert!(proxy.connections() > 5, "only {} connections", proxy.connections());
}

#[apply(on_each_store!)]
async fn cut_segment_is_not_taken_for_complete(app: TestApp) {
    make_people(&app).await;
    let proxy = Proxy::to(app.address()).await;
    let client = contacts_sdk::ContactsClient::builder(proxy.url());
    let client = client.stream_retry_policy(RetryPolicy::never()).connect().await;
    let client = client.expect("a connection");
    proxy.cut_after(60_000);
    let mut segment = client.contacts().segment().batch_size(50).stream();
    let mut delivered = 0;
    let error: Error = loop {
        match segment.next().await.expect("an error before the end") {
            Ok(_) => delivered += 1,
            Err(error) => break error,
        }
    };
    assert!((1..PEOPLE).contains(&delivered), "{delivered}");
    assert!(error.is_incomplete() && error.is_unavailable(), "{error:?}");
    assert!(segment.next().await.is_none(), "it ends after its error");
}

#[apply(on_each_store!)]
async fn unread_segment_does_not_delay_checks(app: TestApp) {
    make_people(&app).await;
    app.make_opted_in("4915112345678").await;
    let mut segment = app.contacts().segment().batch_size(50).stream();
    segment.next().await.expect("a contact").expect("a contact");
    // On the same client, while the rest of the segment is unread.
    let category = contacts_sdk::MessageCategory::Marketing;
    assert!(app.opt_in().may_send("4915112345678", category).await);
    let rest: Vec<_> = segment.try_collect().await.expect("the rest");
    assert_eq!(rest.len(), PEOPLE);
}

#[apply(on_each_store!)]
async fn remaining_contacts_are_delivered_once_despite_changes_and_broken_connections(
    app: TestApp,
) {
    make_people(&app).await;
    let proxy = Proxy::to(app.address()).await;
    proxy.cut_after(40_000);
    let client = contacts_sdk::ContactsClient::builder(proxy.url()).connect().await;
    let client = client.expect("a connection");

    // Every fifth contact is deleted, before or after the stream's position, and others are created.
    let (done, mut stop) = tokio::sync::oneshot::channel::<()>();
    let churn = tokio::spawn({
        let app = app.clone();
        async move {
            let mut changes = 0;
            for n in (0..PEOPLE).step_by(5) {
                let leaver = phone((n * 7) % PEOPLE);
                app.contacts().delete(&leaver).await.expect("a receipt");
                app.make_contact(phone(10_000 + n)).await;
                app.contacts().update(phone(n + 1)).last_name("Changed").await.expect("a contact");
                changes += 1;
                if stop.try_recv().is_ok() {
                    break;
                }
            }
            changes
        }
    });
    let segment = client.contacts().segment().batch_size(20).stream();
    let delivered: Vec<Contact> = segment.try_collect().await.expect("everybody");
    // The changes may be finished by then.
    let _ = done.send(());
    let changes = churn.await.expect("the changes");
    assert!(changes > 2, "only {changes} changes came during the stream");

    let delivered = phones_of(delivered);
    let unique: BTreeSet<_> = delivered.iter().collect();
    assert_eq!(unique.len(), delivered.len(), "somebody came twice");
    let gone: BTreeSet<_> = (0..PEOPLE).step_by(5).map(|n| phone((n * 7) % PEOPLE)).collect();
    for stayed in phones(0..PEOPLE).into_iter().filter(|phone| !gone.contains(phone)) {
        assert!(unique.contains(&stayed), "{stayed} was left out");
    }
}
