//! WorkspaceService, and the isolation of workspaces.

use contacts_sdk::{AttributeType, MessageCategory, NewContact, OptInSource, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

#[apply(on_each_store!)]
async fn new_server_has_the_default_workspace(app: TestApp) {
    let named = app.workspaces().get("default").await.expect("a workspace");
    let unnamed = app.workspaces().get("").await.expect("a workspace");
    assert_eq!(named, unnamed);
    assert!(named.create_time.is_some());
}

#[apply(on_each_store!)]
async fn created_workspace_can_be_read(app: TestApp) {
    let made = app.workspaces().create("acme-eu").display_name("Acme Europe").await;
    let made = made.expect("a workspace");
    assert_eq!((&*made.workspace_id, &*made.display_name), ("acme-eu", "Acme Europe"));
    assert_eq!(app.workspaces().get("acme-eu").await.expect("a workspace"), made);

    let derived = app.workspaces().create("").display_name("Café Zoë").await.expect("a workspace");
    assert_eq!(derived.workspace_id, "cafe_zoe");
}

#[apply(on_each_store!)]
async fn workspace_id_is_unique(app: TestApp) {
    app.workspaces().create("acme").await.expect("a workspace");
    let error = app.workspaces().create("acme").await.refused_for(reason::WORKSPACE_ALREADY_EXISTS);
    assert!(error.is_already_exists());
    assert_eq!(error.metadata("workspace_id"), Some("acme"));
    assert_eq!(error.resource().expect("a resource").resource_type, "workspace");
}

#[apply(on_each_store!)]
async fn invalid_workspace_id_is_rejected(app: TestApp) {
    for id in ["Acme", "1acme", "_acme", "a b", "é", &"a".repeat(64)] {
        let made = app.workspaces().create(id).await;
        made.refused_at(reason::INVALID_ID, "workspace.workspace_id");
    }
    let unnamed = app.workspaces().create("").await;
    unnamed.refused_at(reason::REQUIRED_FIELD_MISSING, "workspace.workspace_id");
    let long = app.workspaces().create("ok").display_name("x".repeat(101)).await;
    long.refused_at(reason::LIMIT_EXCEEDED, "workspace.display_name");
}

#[apply(on_each_store!)]
async fn workspaces_are_listed_by_id_in_pages(app: TestApp) {
    for id in ["zeta", "acme", "mid"] {
        app.workspaces().create(id).await.expect("a workspace");
    }
    let mut listed = Vec::new();
    let mut pages = app.workspaces().list().page_size(3).pages();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        listed.push(page.items.into_iter().map(|w| w.workspace_id).collect::<Vec<_>>());
    }
    assert_eq!(listed, [vec!["acme", "default", "mid"], vec!["zeta"]]);
}

#[apply(on_each_store!)]
async fn every_call_rejects_an_unknown_workspace(app: TestApp) {
    let lost = app.client().with_workspace("nowhere");
    let errors = [
        lost.contacts().get(phone(1)).await.refused(),
        lost.contacts().create(NewContact::new().phone(phone(1))).await.refused(),
        lost.contacts().count().await.refused(),
        lost.contacts().segment().stream().next().await.expect("an error").refused(),
        lost.tags().list().await.refused(),
        lost.tags().create("VIP").await.refused(),
        lost.attributes().create("City", AttributeType::String).await.refused(),
        lost.opt_in().check(phone(1), MessageCategory::Marketing).await.refused(),
        lost.opt_in().check_batch(&[phone(1)], MessageCategory::Marketing).await.refused(),
        lost.opt_in().record_opt_out(phone(1)).await.refused(),
        lost.opt_in().events(phone(1)).await.refused(),
        app.workspaces().delete("nowhere").confirm("nowhere").await.refused(),
    ];
    for error in errors {
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(error.reason(), Some(reason::WORKSPACE_NOT_FOUND));
        assert_eq!(error.metadata("workspace_id"), Some("nowhere"));
    }
}

#[apply(on_each_store!)]
async fn workspaces_share_nothing(app: TestApp) {
    app.workspaces().create("acme").await.expect("a workspace");
    let acme = app.client().with_workspace("acme");
    app.make_tags(&["vip"]).await;
    app.make_attributes().await;
    let ours = app.make_opted_in(phone(1)).await;

    assert!(acme.contacts().get(&ours).await.refused().is_not_found());
    assert!(acme.contacts().get(phone(1)).await.refused().is_not_found());
    assert!(acme.tags().get("vip").await.refused().is_not_found());
    assert!(acme.attributes().get("city").await.refused().is_not_found());
    assert_eq!(acme.contacts().count().await.expect("a count"), 0);

    // The same number can be a contact in both, with separate consent.
    let theirs = acme.contacts().create(NewContact::new().phone(phone(1))).await;
    let theirs = theirs.expect("a contact");
    assert_ne!(theirs.contact_id, ours.contact_id);
    assert!(!acme.opt_in().may_send(phone(1), MessageCategory::Marketing).await);
    acme.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    assert!(app.opt_in().may_send(phone(1), MessageCategory::Marketing).await);
    let events = acme.opt_in().events(phone(1)).await.expect("events").items;
    assert_eq!(events.len(), 1);
}

#[apply(on_each_store!)]
async fn deleting_a_workspace_deletes_everything_in_it(app: TestApp) {
    app.workspaces().create("acme").await.expect("a workspace");
    let acme = app.client().with_workspace("acme");
    acme.tags().create("VIP").await.expect("a tag");
    for n in 0..3 {
        let contact = NewContact::new().phone(phone(n)).tag("vip");
        let contact = acme.contacts().create(contact).await.expect("a contact");
        let opt_in = acme.opt_in().record_opt_in(&contact, OptInSource::Paper);
        opt_in.await.expect("an opt-in");
    }
    app.make_contact(phone(1)).await;

    let unconfirmed = app.workspaces().delete("acme").await;
    unconfirmed.refused_at(reason::INVALID_ARGUMENT, "confirm_workspace_id");
    let unnamed = app.workspaces().delete("").confirm("").await;
    unnamed.refused_at(reason::REQUIRED_FIELD_MISSING, "workspace_id");
    assert_eq!(acme.contacts().count().await.expect("a count"), 3);

    let deleted = app.workspaces().delete("acme").confirm("acme").await;
    assert_eq!(deleted.expect("a count"), 3);
    assert!(app.workspaces().get("acme").await.refused().is_not_found());
    assert_eq!(app.contacts().count().await.expect("a count"), 1);

    // Created again, it is empty.
    app.workspaces().create("acme").await.expect("a workspace");
    assert_eq!(acme.contacts().count().await.expect("a count"), 0);
    assert!(acme.tags().list().await.expect("tags").items.is_empty());
    assert!(acme.opt_in().events(phone(1)).await.expect("events").items.is_empty());
}
