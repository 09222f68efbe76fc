//! WorkspaceService, and the isolation of workspaces.

#[cfg(debug_assertions)]
mod interrupted;

use std::collections::BTreeMap;

use contacts_proto::v1;
use contacts_sdk::{
    AttributeType, EvidenceField, ImportConsent, ImportRow, MessageCategory, NewContact,
    OptInPolicy, OptInSource, reason,
};
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
async fn settings_are_changed_one_by_one(app: TestApp) {
    let workspaces = app.workspaces();
    workspaces.create("acme").await.expect("a workspace");
    let words = [" STOP ", "stop!", "Não quero"];
    let updated = workspaces.update("acme").stop_words(words).await.expect("a workspace");
    assert_eq!(updated.stop_words, ["STOP", "Não quero"]);
    assert_eq!((&*updated.display_name, &updated.opt_in_policy), ("acme", &OptInPolicy::new()));

    let policy = OptInPolicy::new()
        .require(EvidenceField::Url)
        .require(EvidenceField::Wording)
        .require(EvidenceField::Url)
        .max_age_days(MessageCategory::Marketing, 730);
    let update = workspaces.update("acme").opt_in_policy(policy).display_name("Acme");
    let updated = update.await.expect("a workspace");
    assert_eq!(updated.stop_words, ["STOP", "Não quero"]);
    let fields = [EvidenceField::Wording, EvidenceField::Url];
    assert_eq!(updated.opt_in_policy.required_evidence, fields);
    assert_eq!(updated.opt_in_policy.max_age_days_of(MessageCategory::Marketing), Some(730));
    assert_eq!(updated.opt_in_policy.max_age_days_of(MessageCategory::Utility), None);
    assert_eq!(workspaces.get("acme").await.expect("a workspace"), updated);
    let listed = workspaces.list().await.expect("workspaces").items;
    assert_eq!(listed[0], updated);

    // An empty policy clears the policy only if the mask names it.
    let message = v1::Workspace {
        workspace_id: "acme".to_owned(),
        display_name: "Acme".to_owned(),
        settings: Some(v1::WorkspaceSettings {
            stop_words: vec!["PARAR".to_owned()],
            opt_in_policy: Some(v1::OptInPolicy::default()),
        }),
        create_time: None,
    };
    let request = v1::UpdateWorkspaceRequest { workspace: Some(message), update_mask: None };
    let sent_back = app.client().raw_workspaces().update_workspace(request).await;
    let settings = sent_back.expect("a workspace").into_inner().workspace.expect("it").settings;
    let settings = settings.expect("settings");
    assert_eq!(settings.stop_words, ["PARAR"]);
    assert_eq!(settings.opt_in_policy.expect("a policy").required_evidence.len(), 2);

    // The other workspace has its own.
    let other = workspaces.get("default").await.expect("a workspace");
    assert_eq!((other.stop_words, other.opt_in_policy), (vec![], OptInPolicy::new()));

    let cleared = workspaces.update("acme").stop_words([""; 0]).display_name("").await;
    let cleared = cleared.expect("a workspace");
    assert_eq!((&*cleared.display_name, &*cleared.stop_words), ("acme", &[][..]));
    assert_eq!(cleared.opt_in_policy, updated.opt_in_policy);
}

#[apply(on_each_store!)]
async fn policies_are_kept_with_the_time_each_began(app: TestApp) {
    let workspaces = app.workspaces();
    let made = workspaces.create("acme").await.expect("a workspace");
    let policy = |days| OptInPolicy::new().max_age_days(MessageCategory::Utility, days);
    for days in [1, 2, 2] {
        workspaces.update("acme").opt_in_policy(policy(days)).await.expect("a workspace");
    }
    workspaces.update("acme").stop_words(["STOP"]).await.expect("a workspace");
    let history = workspaces.opt_in_policies("acme").await.expect("policies");
    let policies: Vec<_> = history.iter().map(|period| period.policy.clone()).collect();
    assert_eq!(policies, [policy(2), policy(1), OptInPolicy::new()]);
    assert_eq!(history[2].begin_time, made.create_time);
    assert!(history.is_sorted_by(|newer, older| newer.begin_time > older.begin_time));

    // The oldest go when there are more than a hundred.
    for days in 3..=101 {
        workspaces.update("acme").opt_in_policy(policy(days)).await.expect("a workspace");
    }
    let history = workspaces.opt_in_policies("acme").await.expect("policies");
    let policies: Vec<_> = history.iter().map(|period| period.policy.clone()).collect();
    assert_eq!(policies, (2..=101).rev().map(policy).collect::<Vec<_>>());

    workspaces.delete("acme").confirm("acme").await.expect("a count");
    workspaces.create("acme").await.expect("a workspace");
    let history = workspaces.opt_in_policies("acme").await.expect("policies");
    assert_eq!(history.len(), 1);
}

#[apply(on_each_store!)]
async fn settings_out_of_bounds_are_refused(app: TestApp) {
    let update = || app.workspaces().update("default");
    let refused = update().stop_words(["STOP", " "]).await;
    refused.refused_at(reason::INVALID_TEXT, "workspace.settings.stop_words[1]");
    let refused = update().stop_words(["x".repeat(41)]).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "workspace.settings.stop_words[0]");
    let refused = update().stop_words((0..51).map(|n| n.to_string())).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "workspace.settings.stop_words");
    let policy = OptInPolicy::new().max_age_days(MessageCategory::Authentication, 36_501);
    let field = "workspace.settings.opt_in_policy.max_age_days.authentication";
    update().opt_in_policy(policy).await.refused_at(reason::LIMIT_EXCEEDED, field);
    let policy = OptInPolicy::new().require(EvidenceField::Unknown(7));
    let refused = update().opt_in_policy(policy).await;
    refused.refused_at(reason::INVALID_ARGUMENT, "workspace.settings.opt_in_policy");
    let refused = update().display_name("x".repeat(101)).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "workspace.display_name");
    let workspace = app.workspaces().get("default").await.expect("a workspace");
    assert_eq!((workspace.stop_words, workspace.opt_in_policy), (vec![], OptInPolicy::new()));
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
        lost.webhooks().ingest("{\"entry\": []}").await.refused(),
        app.workspaces().update("nowhere").display_name("x").await.refused(),
        app.workspaces().opt_in_policies("nowhere").await.refused(),
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
    let stop = serde_json::json!({"entry": [{"changes": [{"value": {"user_preferences": [
        {"wa_id": phone(1), "value": "stop", "timestamp": 1_767_225_600}]}}]}]});
    let ingest = async || {
        let report = acme.webhooks().ingest(stop.to_string()).await.expect("a webhook");
        report.counts.recorded
    };
    assert_eq!((ingest().await, ingest().await), (1, 0));

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
    assert_eq!(ingest().await, 1, "what the first one had applied is forgotten");
}

/// More than one transaction deletes.
const MANY: usize = 2500;

/// A workspace with something in every table that grows with its contacts.
async fn make_large_workspace(app: &TestApp) {
    app.workspaces().create("acme").await.expect("a workspace");
    let acme = app.client().with_workspace("acme");
    acme.tags().create("VIP").await.expect("a tag");
    let person = |n| NewContact::new().phone(phone(n)).first_name("Ana").tag("vip");
    let rows = (0..MANY).map(|n| ImportRow::new(person(n)).consent(ImportConsent::opted_in()));
    for chunk in rows.collect::<Vec<_>>().chunks(500) {
        let outcome = acme.contacts().batch_upsert(chunk.to_vec()).await.expect("an import");
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    }
    acme.opt_in().record_opt_out(phone(MANY)).await.expect("an opt-out of a non-contact");
}

#[apply(on_each_store!)]
async fn deleting_a_large_workspace_deletes_everything_in_it(app: TestApp) {
    app.make_contact(phone(1)).await;
    app.make_tags(&["regular"]).await;
    let before = app.database().rows().await;
    make_large_workspace(&app).await;
    let deleted = app.workspaces().delete("acme").confirm("acme").await;
    assert_eq!(deleted.expect("a count"), MANY as u64);
    let after = app.database().rows().await;
    assert_eq!(after.added_since(&before), BTreeMap::new());
    assert_eq!(app.workspaces().list().await.expect("workspaces").items.len(), 1);
}
