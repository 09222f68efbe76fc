//! request_id: a retried change is applied once.

use std::fmt::Debug;

use contacts_sdk::{
    AttributeType, Contact, Error, MessageCategory, NewContact, OptInSource, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};
use futures::future::join_all;
use uuid::Uuid;

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// Sends a change three times and checks that the responses are equal.
async fn repeated<T: PartialEq + Debug, F>(mut send: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, Error>>,
{
    let first = send().await.expect("a first answer");
    for _ in 0..2 {
        assert_eq!(send().await.expect("the same answer"), first);
    }
    first
}

#[apply(on_each_store!)]
async fn retried_change_returns_the_first_response(app: TestApp) {
    let id = new_id();
    repeated(|| app.tags().create("VIP").request_id(&id).send()).await;
    let id = new_id();
    repeated(|| app.tags().update("vip").color("#000000").request_id(&id).send()).await;
    let id = new_id();
    repeated(|| app.attributes().create("City", AttributeType::String).request_id(&id).send())
        .await;
    let id = new_id();
    repeated(|| app.attributes().update("city").description("x").request_id(&id).send()).await;
    let id = new_id();
    let ana = || NewContact::new().phone(phone(1)).tag("vip").attribute("city", "Lisboa");
    let made = repeated(|| app.contacts().create(ana()).request_id(&id).send()).await;
    let id = new_id();
    let update = || app.contacts().update(&made).etag(&made.etag).first_name("Ana");
    let updated = repeated(|| update().request_id(&id).send()).await;
    let id = new_id();
    repeated(|| app.opt_in().record_opt_in(&made, OptInSource::Api).request_id(&id).send()).await;
    let id = new_id();
    repeated(|| app.opt_in().record_opt_out(&made).request_id(&id).send()).await;
    assert_eq!(app.opt_in().events(&made).await.expect("events").items.len(), 2);
    assert_eq!(app.contacts().get(&made).await.expect("a contact").etag, updated.etag);
    let id = new_id();
    repeated(|| app.contacts().delete(&made).request_id(&id).send()).await;
    let id = new_id();
    repeated(|| app.tags().delete("vip").request_id(&id).send()).await;
    let id = new_id();
    repeated(|| app.attributes().delete("city").request_id(&id).send()).await;
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
}

#[apply(on_each_store!)]
async fn stored_response_survives_a_restart(app: TestApp) {
    let id = new_id();
    let create = || app.contacts().create(NewContact::new().phone(phone(1))).request_id(&id).send();
    let made = create().await.expect("a contact");
    app.restart().await;
    assert_eq!(create().await.expect("the same contact"), made);
}

#[apply(on_each_store!)]
async fn retry_after_a_later_change_does_not_undo_it(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    let id = new_id();
    let opt_in = || app.opt_in().record_opt_in(&contact, OptInSource::Api).request_id(&id).send();
    opt_in().await.expect("an opt-in");
    app.opt_in().record_opt_out(&contact).await.expect("an opt-out");
    opt_in().await.expect("the first answer");
    assert!(!app.opt_in().may_send(&contact, MessageCategory::Marketing).await);
}

#[apply(on_each_store!)]
async fn another_request_with_the_same_id_is_rejected(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let id = new_id();
    let create = |name: &str| {
        let contact = NewContact::new().phone(phone(1)).first_name(name);
        app.contacts().create(contact).request_id(&id).send()
    };
    create("Ana").await.expect("a contact");
    let refused = [
        create("Bo").await.refused(),
        app.contacts().update(phone(1)).first_name("Bo").request_id(&id).await.refused(),
        app.contacts().delete(phone(1)).request_id(&id).await.refused(),
        app.tags().delete("vip").request_id(&id).await.refused(),
        app.contacts()
            .update_tags()
            .recipients([phone(1)])
            .add("vip")
            .request_id(&id)
            .await
            .refused(),
    ];
    for error in refused {
        error.refused_at(reason::REQUEST_ID_REUSED, "request_id");
    }
    let kept = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!((kept.first_name.as_deref(), kept.tags.len()), (Some("Ana"), 0));
    assert!(app.opt_in().events(phone(1)).await.expect("events").items.is_empty());
    // Only an objection is recorded all the same: it is never refused for what comes with it.
    app.opt_in().record_opt_out(phone(1)).request_id(&id).await.expect("an opt-out");
    assert_eq!(app.opt_in().events(phone(1)).await.expect("events").items.len(), 1);

    // Ids are scoped by workspace and case-insensitive.
    app.workspaces().create("acme").await.expect("a workspace");
    let elsewhere = app.client().with_workspace("acme");
    let there = elsewhere.contacts().create(NewContact::new().phone(phone(1)));
    there.request_id(&id).await.expect("a contact");
    let shouted = app.contacts().create(NewContact::new().phone(phone(2)));
    shouted.request_id(id.to_uppercase()).await.refused_at(reason::REQUEST_ID_REUSED, "request_id");
}

#[apply(on_each_store!)]
async fn failed_change_can_be_retried_with_the_same_id(app: TestApp) {
    let id = new_id();
    let opt_in = || app.opt_in().record_opt_in(phone(1), OptInSource::Api).request_id(&id).send();
    opt_in().await.refused_for(reason::CONTACT_NOT_FOUND);
    app.make_contact(phone(1)).await;
    opt_in().await.expect("an opt-in");
}

#[apply(on_each_store!)]
async fn concurrent_retries_are_applied_once(app: TestApp) {
    let id = new_id();
    let send = |_| app.contacts().create(NewContact::new().phone(phone(1))).request_id(&id).send();
    // The SDK retries while the first request is in flight.
    let outcomes = join_all((0..24).map(send)).await;
    let contacts: Vec<Contact> =
        outcomes.into_iter().map(|made| made.expect("a contact")).collect();
    assert!(contacts.iter().all(|contact| *contact == contacts[0]));
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
}

#[apply(on_each_store!)]
async fn request_in_flight_is_reported(app: TestApp) {
    // The second request arrives while the first, which is slow, is being processed.
    let once = app.builder().retry_policy(contacts_sdk::RetryPolicy::never()).connect().await;
    let once = once.expect("a connection");
    let rows = |round: usize| phones(round * 1000..round * 1000 + 1000).into_iter();
    for round in 0..20 {
        let id = new_id();
        let rows: Vec<_> = rows(round).map(|phone| NewContact::new().phone(phone)).collect();
        let send = || once.contacts().batch_upsert(rows.clone()).request_id(&id).send();
        let (one, other) = futures::join!(send(), send());
        let (done, refused): (Vec<_>, Vec<_>) = [one, other].into_iter().partition(Result::is_ok);
        for outcome in done {
            assert_eq!(outcome.expect("an outcome").created, 1000);
        }
        let Some(refused) = refused.into_iter().next() else { continue };
        let error = refused.refused_for(reason::REQUEST_IN_FLIGHT);
        assert!(error.is_aborted() && error.is_retryable() && error.retry_delay().is_some());
        assert_eq!(send().await.expect("the first outcome").created, 1000);
        return;
    }
    panic!("twenty times the second call came after the first was done");
}

#[apply(on_each_store!)]
async fn malformed_request_id_is_rejected_before_the_change(app: TestApp) {
    let create =
        |id: &str| app.contacts().create(NewContact::new().phone(phone(1))).request_id(id).send();
    for id in ["42", "not-a-uuid", "2b1e1e0c6f0a4d0e9a550c7c3f2f8a1", "\0", &"4".repeat(255)] {
        create(id).await.refused_at(reason::INVALID_ARGUMENT, "request_id");
    }
    let error = create(&"4".repeat(256)).await.refused_at(reason::LIMIT_EXCEEDED, "request_id");
    assert_eq!(error.metadata("limit"), Some("255"));
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
    let edit = app
        .contacts()
        .update_tags()
        .recipients([Recipient::phone(phone(1))])
        .add("x")
        .request_id("42");
    edit.await.refused_at(reason::INVALID_ARGUMENT, "request_id");
}
