//! Connections that break in the middle of a stream.

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
async fn a_segment_survives_any_number_of_cuts(app: TestApp) {
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
async fn a_segment_that_is_cut_is_not_taken_for_a_complete_one(app: TestApp) {
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
async fn an_unread_segment_does_not_hold_up_checks(app: TestApp) {
    make_people(&app).await;
    app.make_opted_in("4915112345678").await;
    let mut segment = app.contacts().segment().batch_size(50).stream();
    segment.next().await.expect("a contact").expect("a contact");
    // On the same client, with the rest of the segment unread.
    let category = contacts_sdk::MessageCategory::Marketing;
    assert!(app.opt_in().may_send("4915112345678", category).await);
    let rest: Vec<_> = segment.try_collect().await.expect("the rest");
    assert_eq!(rest.len(), PEOPLE);
}
