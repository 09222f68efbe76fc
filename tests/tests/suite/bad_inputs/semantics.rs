//! Rows 37 to 45: well-formed requests that cannot be executed.

use std::time::{Duration, SystemTime};

use contacts_proto::{FieldMask, v1};
use contacts_sdk::{
    CheckReason, ImportConsent, ImportOptions, MessageCategory, NewContact, OnConflict,
    OptInSource, Recipient, reason,
};
use contacts_tests::{
    Refused, TestApp, apply, on_each_store, phone, phones, raw_contact, timestamp,
};

const MARKETING: MessageCategory = MessageCategory::Marketing;

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

#[apply(on_each_store!)]
async fn row_37_request_id_cannot_be_reused_for_another_request(app: TestApp) {
    let id = uuid::Uuid::new_v4().to_string();
    let create =
        |n| app.contacts().create(NewContact::new().phone(phone(n))).request_id(&id).send();
    create(1).await.expect("a contact");
    create(2).await.refused_at(reason::REQUEST_ID_REUSED, "request_id");
    let long =
        app.contacts().create(NewContact::new().phone(phone(2))).request_id("x".repeat(256)).await;
    long.refused_at(reason::LIMIT_EXCEEDED, "request_id");
    let huge = app
        .contacts()
        .create(NewContact::new().phone(phone(2)))
        .request_id("x".repeat(900_000))
        .await;
    huge.refused_at(reason::LIMIT_EXCEEDED, "request_id");
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_38_change_with_a_stale_etag_is_rejected(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    for etag in ["v0", "v2", "x", "", " v1", "V1"] {
        let update = app.contacts().update(phone(1)).etag(etag).first_name("Changed").await;
        if etag.is_empty() {
            update.expect("no condition");
            app.contacts().delete(phone(1)).await.expect("a receipt");
            app.make_contact(phone(1)).await;
            continue;
        }
        assert!(update.refused_for(reason::ETAG_MISMATCH).is_aborted());
        app.contacts().delete(phone(1)).etag(etag).await.refused_for(reason::ETAG_MISMATCH);
    }
    let kept = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!((kept.first_name, kept.phone_number), (None, contact.phone_number));
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_39_update_cannot_change_phone_number_or_consent(app: TestApp) {
    let made = app.make_contact(phone(1)).await;
    let update = |contact: v1::Contact, paths: &[&str]| {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = (!paths.is_empty()).then_some(FieldMask { paths });
        let contact = Some(v1::Contact { contact_id: made.contact_id.clone(), ..contact });
        let request = v1::UpdateContactRequest { contact, update_mask, ..Default::default() };
        let mut raw = app.client().raw_contacts();
        async move { raw.update_contact(request).await }
    };
    for paths in [&[][..], &["phone_number"]] {
        let changed = update(raw_contact(phone(2)), paths).await;
        let error = changed.refused_at(reason::IMMUTABLE_FIELD, "contact.phone_number");
        assert!(error.message().contains("LinkIdentity"), "{error}");
    }
    let opt_in = || {
        let status = v1::OptInStatus::OptedIn.into();
        let opt_in = v1::OptInSummary { marketing: status, ..Default::default() };
        v1::Contact { opt_in: Some(opt_in), ..raw_contact("") }
    };
    for paths in [&[][..], &["opt_in"], &["opt_in.marketing"], &["first_name", "opt_in"]] {
        let error =
            update(opt_in(), paths).await.refused_at(reason::OUTPUT_ONLY_FIELD, "contact.opt_in");
        assert!(error.message().contains("RecordOptIn"), "{error}");
    }
    // A field that is not in the mask is ignored.
    update(opt_in(), &["first_name"]).await.expect("an update of the name");
    update(opt_in(), &["*"]).await.expect("an update of what can be updated");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::NotAsked);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_40_claimed_consent_fails_for_opted_out_rows_only(app: TestApp) {
    app.make_contact(phone(1)).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.make_contact(phone(2)).await;
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.contacts().delete(phone(2)).await.expect("a receipt");
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out");

    let options = || {
        let options = ImportOptions::new().on_conflict(OnConflict::Merge);
        options.consent(ImportConsent::opted_in().occurred_time(SystemTime::now()))
    };
    let rows = || phones(0..5).into_iter().map(|phone| NewContact::new().phone(phone));
    let upserted =
        app.contacts().batch_upsert(rows()).options(options()).await.expect("an outcome");
    let imported = app.contacts().import(options()).send(rows()).await.expect("an import");
    assert_eq!((upserted.created, imported.created), (2, 0));
    for failures in [upserted.failures, imported.failures] {
        let rows: Vec<_> = failures.iter().map(|failure| failure.row).collect();
        assert_eq!(rows, [1, 2, 3]);
        for failure in failures {
            failure.error.refused_for(reason::CONSENT_CONFLICT);
        }
    }
    for (n, expected) in
        [(0, CheckReason::OptedIn), (1, CheckReason::OptedOut), (4, CheckReason::OptedIn)]
    {
        assert_eq!(reason_of(&app, phone(n)).await, expected, "{n}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_41_old_statement_has_no_effect_and_a_future_opt_in_is_rejected(app: TestApp) {
    app.make_contact(phone(1)).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let old = app.opt_in().record_opt_in(phone(1), OptInSource::Paper).occurred_time(timestamp(0));
    assert!(old.await.expect("an opt-in").event.changed_categories.is_empty());
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(app.opt_in().events(phone(1)).await.expect("events").items.len(), 2);

    let future = SystemTime::now() + Duration::from_secs(6 * 60);
    let opt_in =
        app.opt_in().record_opt_in(phone(1), OptInSource::Paper).occurred_time(future).await;
    opt_in.refused_at(reason::INVALID_TIME, "occurred_time");
    // An objection is never rejected for its time.
    let opt_out = app.opt_in().record_opt_out(phone(1)).occurred_time(future).await;
    let event = opt_out.expect("an opt-out").event;
    assert_eq!(event.occurred_time, event.record_time);
    // In the consent block of an import and of a row.
    let claim = || ImportConsent::opted_in().occurred_time(future);
    let row = || NewContact::new().phone(phone(2));
    let all =
        app.contacts().batch_upsert([row()]).options(ImportOptions::new().consent(claim())).await;
    all.refused_at(reason::INVALID_TIME, "consent.occurred_time");
    let one =
        app.contacts().batch_upsert([contacts_sdk::ImportRow::new(row()).consent(claim())]).await;
    let failure = one.expect("an outcome").failures.remove(0);
    failure.error.refused_at(reason::INVALID_TIME, "consent.occurred_time");
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_42_opt_in_needs_a_source(app: TestApp) {
    app.make_contact(phone(1)).await;
    let recipient = Some(v1::record_opt_in_request::Recipient::PhoneNumber(phone(1)));
    let request = v1::RecordOptInRequest { recipient, ..Default::default() };
    let error = app.client().raw_opt_in().record_opt_in(request).await;
    let error = error.refused_at(reason::REQUIRED_FIELD_MISSING, "source");
    assert!(error.message().contains("OPT_IN_SOURCE_WEB_FORM"), "{error}");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::NotAsked);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_43_every_doubtful_check_is_denied_with_a_reason(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.contacts().delete(phone(1)).await.expect("a receipt");
    app.make_opted_in(phone(2)).await;
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.contacts().delete(phone(2)).await.expect("a receipt");
    app.make_contact(phone(3)).await;
    let hour = Duration::from_secs(3600);
    let expired = app.opt_in().record_opt_in(phone(3), OptInSource::Ivr);
    let expired =
        expired.occurred_time(SystemTime::now() - 2 * hour).expire_time(SystemTime::now() - hour);
    expired.await.expect("an opt-in");

    let numbers = [phone(0), phone(1), phone(2), phone(3), "nobody".to_owned()];
    let answers = app.opt_in().check_batch(&numbers, MARKETING).await.expect("answers");
    let reasons: Vec<_> = answers.iter().map(|answer| answer.reason).collect();
    let unknown = CheckReason::UnknownContact;
    let invalid = CheckReason::InvalidPhoneNumber;
    let erased = CheckReason::Erased;
    assert_eq!(reasons, [unknown, erased, CheckReason::OptedOut, CheckReason::Expired, invalid]);
    assert_eq!(answers.allowed_indexes().count(), 0);
    for (number, reason) in numbers.iter().zip(reasons).take(4) {
        assert_eq!(reason_of(&app, number).await, reason);
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_44_tag_edit_with_another_count_changes_nothing(app: TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_many(phones(0..5).into_iter().map(|phone| NewContact::new().phone(phone))).await;
    let edit = |expected_count: i64| {
        let request = v1::UpdateContactTagsRequest {
            filter: Some(String::new()),
            expected_count: Some(expected_count),
            add_tags: vec!["vip".to_owned()],
            ..Default::default()
        };
        let mut raw = app.client().raw_contacts();
        async move { raw.update_contact_tags(request).await }
    };
    for expected in [0, 4, 6, -1, i64::MAX, i64::MIN] {
        let error = edit(expected).await.refused_for(reason::COUNT_MISMATCH);
        assert_eq!(error.kind(), contacts_sdk::ErrorKind::FailedPrecondition);
        assert_eq!(error.metadata("count"), Some("5"));
        assert_eq!(error.metadata("expected_count"), Some(&*expected.to_string()));
    }
    assert_eq!(app.contacts().count().filter("tags:vip").await.expect("a count"), 0);
    edit(5).await.expect("an edit");
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_45_retried_deletion_happens_once(app: TestApp) {
    app.contacts().delete(phone(1)).await.refused_for(reason::CONTACT_NOT_FOUND);
    let contact = app.make_contact(phone(1)).await;
    let id = uuid::Uuid::new_v4().to_string();
    let delete = |person: Recipient| app.contacts().delete(person).request_id(&id).send();
    let receipt = delete(Recipient::from(&contact)).await.expect("a receipt");
    assert_eq!(delete(Recipient::from(&contact)).await.expect("the receipt again"), receipt);
    app.contacts().delete(&contact).await.refused_for(reason::CONTACT_NOT_FOUND);
    // The retry returns the receipt and does not delete the new contact.
    let next = app.make_contact(phone(1)).await;
    assert_eq!(delete(Recipient::from(&contact)).await.expect("the receipt again"), receipt);
    app.contacts().get(&next).await.expect("still there");
    app.assert_alive().await;
}
