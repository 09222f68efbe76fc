//! BatchUpsertContacts: an import of one chunk as a unary call, idempotent by request_id.

use contacts_proto::v1;
use contacts_sdk::{ImportConsent, ImportOptions, ImportRow, NewContact, OnConflict, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, raw_contact};

fn merge() -> ImportOptions {
    ImportOptions::new().on_conflict(OnConflict::Merge)
}

#[apply(on_each_store!)]
async fn rows_are_created_merged_and_failed(app: TestApp) {
    app.make_contact(phone(1)).await;
    let rows = vec![
        NewContact::new().phone(phone(1)).first_name("Ana"),
        NewContact::new().phone("12"),
        NewContact::new().phone(phone(2)).tag("new"),
    ];
    let upsert =
        app.contacts().batch_upsert(rows).options(merge().create_missing_tags(true).add_tag("all"));
    let outcome = upsert.await.expect("an outcome");
    assert_eq!((outcome.created, outcome.updated, outcome.unchanged), (1, 1, 0));
    assert_eq!((outcome.failures.len(), outcome.failures[0].row), (1, 1));
    outcome.failures[0].error.clone().refused_for(reason::INVALID_PHONE_NUMBER);
    assert_eq!(app.contacts().get(phone(2)).await.expect("a contact").tags, ["all", "new"]);
    assert_eq!(
        app.contacts().get(phone(1)).await.expect("a contact").first_name.as_deref(),
        Some("Ana")
    );
}

#[apply(on_each_store!)]
async fn existing_contacts_are_skipped_by_default(app: TestApp) {
    app.make_contact(phone(1)).await;
    let rows = vec![NewContact::new().phone(phone(1)).first_name("Ana")];
    let outcome = app.contacts().batch_upsert(rows).await.expect("an outcome");
    assert_eq!((outcome.updated, outcome.unchanged), (0, 1));
    assert_eq!(app.contacts().get(phone(1)).await.expect("a contact").first_name, None);
}

#[apply(on_each_store!)]
async fn retried_upsert_returns_the_first_outcome(app: TestApp) {
    let id = uuid::Uuid::new_v4().to_string();
    let rows = || vec![NewContact::new().phone(phone(1)), NewContact::new().phone("12")];
    let upsert = || app.contacts().batch_upsert(rows()).request_id(&id).send();
    for _ in 0..3 {
        // A second execution would report the row as unchanged.
        let outcome = upsert().await.expect("an outcome");
        assert_eq!((outcome.created, outcome.unchanged, outcome.failures.len()), (1, 0, 1));
        outcome.failures[0].error.clone().refused_for(reason::INVALID_PHONE_NUMBER);
    }
    app.contacts().delete(phone(1)).await.expect("a receipt");
    assert_eq!(upsert().await.expect("an outcome").created, 1);
    assert_eq!(app.contacts().count().await.expect("a count"), 0, "the replay made nobody");
    let other = app.contacts().batch_upsert(rows()).options(merge()).request_id(&id).await;
    other.refused_at(reason::REQUEST_ID_REUSED, "request_id");
}

#[apply(on_each_store!)]
async fn consent_is_recorded_as_in_an_import(app: TestApp) {
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let rows = vec![
        ImportRow::new(NewContact::new().phone(phone(1))),
        ImportRow::new(NewContact::new().phone(phone(2))),
        ImportRow::new(NewContact::new().phone(phone(3))).consent(ImportConsent::opted_out()),
    ];
    let upsert =
        app.contacts().batch_upsert(rows).options(merge().consent(ImportConsent::opted_in()));
    let outcome = upsert.await.expect("an outcome");
    assert_eq!((outcome.created, outcome.failures.len()), (2, 1));
    outcome.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
    let numbers = [phone(1), phone(2), phone(3)];
    let category = contacts_sdk::MessageCategory::Marketing;
    let answers = app.opt_in().check_batch(&numbers, category).await.expect("answers");
    assert_eq!(answers.allowed_indexes().collect::<Vec<_>>(), [1]);
}

#[apply(on_each_store!)]
async fn rows_of_a_call_are_limited(app: TestApp) {
    let row = |n| v1::ImportRow { contact: Some(raw_contact(phone(n))), consent: None };
    let request = |count, on_conflict| v1::BatchUpsertContactsRequest {
        rows: (0..count).map(row).collect(),
        on_conflict,
        ..Default::default()
    };
    let mut raw = app.client().raw_contacts();
    let many = raw.batch_upsert_contacts(request(1001, 0)).await;
    let error = many.refused_at(reason::LIMIT_EXCEEDED, "rows");
    assert_eq!((error.metadata("limit"), error.metadata("actual")), (Some("1000"), Some("1001")));
    let odd = raw.batch_upsert_contacts(request(1, 99)).await;
    odd.refused_at(reason::INVALID_ARGUMENT, "on_conflict");
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
    let most = raw.batch_upsert_contacts(request(1000, 0)).await.expect("an outcome").into_inner();
    assert_eq!(most.created, 1000);

    // Each id may be another contact's, and others wait for all of them.
    let many_ids = |n: usize| {
        let ids = (0..20).map(|id| format!("US.{n}{id:02}"));
        ids.fold(NewContact::new(), NewContact::whatsapp_user_id)
    };
    let refused = app.contacts().batch_upsert((0..101).map(many_ids)).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "rows");
    let outcome = app.contacts().batch_upsert((0..100).map(many_ids)).await.expect("an outcome");
    assert_eq!(outcome.created, 100);
}
