//! RecordOptIn and RecordOptOut.

use std::time::{Duration, SystemTime};

use contacts_proto::v1;
use contacts_sdk::{CheckReason, Evidence, OptInSource, OptInStatus, Recipient, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, timestamp};

use super::{AUTHENTICATION, MARKETING, UTILITY, reason_of};

#[apply(on_each_store!)]
async fn opt_in_is_recorded_with_its_evidence(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    let evidence = Evidence::new()
        .wording("Send me offers on WhatsApp")
        .wording_version("signup-2026-03")
        .business_name("Acme")
        .url("https://example.com/signup")
        .message_id("wamid.HBgL")
        .actor("ana");
    let expires = SystemTime::now() + Duration::from_secs(86_400);
    let record = app
        .opt_in()
        .record_opt_in(phone(1), OptInSource::WebForm)
        .categories([UTILITY, MARKETING, UTILITY])
        .evidence(evidence.clone())
        .occurred_time(timestamp(5))
        .expire_time(expires);
    let recorded = record.await.expect("an opt-in");
    let event = &recorded.event;
    assert_eq!(event.contact_id.as_deref(), Some(&*contact.contact_id));
    assert_eq!((event.status, event.source), (OptInStatus::OptedIn, OptInSource::WebForm));
    assert_eq!((&event.categories[..], &event.evidence), (&[MARKETING, UTILITY][..], &evidence));
    assert_eq!(event.changed_categories, [MARKETING, UTILITY]);
    assert_eq!(event.occurred_time, Some(timestamp(5)));
    assert!(event.record_time > event.occurred_time && event.expire_time.is_some());
    assert_eq!(recorded.opt_in.marketing, OptInStatus::OptedIn);
    assert_eq!(recorded.opt_in.authentication, OptInStatus::NotAsked);

    let listed = app.opt_in().events(&contact).await.expect("events").items;
    assert_eq!(listed, [recorded.event]);
    let shown = app.contacts().get(&contact).await.expect("a contact");
    assert_eq!(shown.opt_in, recorded.opt_in);
    assert_eq!(shown.etag, contact.etag, "the etag is the profile's");
}

#[apply(on_each_store!)]
async fn opt_out_needs_only_a_phone_number(app: TestApp) {
    let recorded = app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    assert_eq!(recorded.event.contact_id, None);
    assert_eq!(recorded.event.source, OptInSource::Api);
    assert_eq!(recorded.event.categories, [MARKETING, UTILITY, AUTHENTICATION]);
    assert_eq!(recorded.event.occurred_time, recorded.event.record_time);
    assert_eq!(recorded.opt_in.utility, OptInStatus::OptedOut);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(app.contacts().count().await.expect("a count"), 0, "nobody was made a contact");

    let said = app.opt_in().record_opt_out(Recipient::whatsapp_user_id("US.1"));
    let said =
        said.source(OptInSource::InboundMessage).reason_text("STOP").await.expect("an opt-out");
    assert_eq!(
        (said.event.source, &*said.event.reason_text),
        (OptInSource::InboundMessage, "STOP")
    );
    let answer = reason_of(&app, Recipient::whatsapp_user_id("US.1")).await;
    assert_eq!(answer, CheckReason::OptedOut);
}

#[apply(on_each_store!)]
async fn opt_in_requires_a_contact(app: TestApp) {
    let record = |person: Recipient| app.opt_in().record_opt_in(person, OptInSource::WebForm).send();
    record(Recipient::phone(phone(1))).await.refused_for(reason::CONTACT_NOT_FOUND);
    // A non-contact who opted out is not a contact either.
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    record(Recipient::phone(phone(1))).await.refused_for(reason::CONTACT_NOT_FOUND);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    let unknown = Recipient::contact_id(uuid::Uuid::now_v7().to_string());
    record(unknown.clone()).await.refused_for(reason::CONTACT_NOT_FOUND);
    app.opt_in().record_opt_out(unknown).await.refused_for(reason::CONTACT_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn person_can_opt_in_again_after_an_opt_out(app: TestApp) {
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.make_contact(phone(1)).await;
    let agreed = app.opt_in().record_opt_in(phone(1), OptInSource::InboundMessage).await;
    let agreed = agreed.expect("an opt-in");
    assert_eq!(agreed.event.changed_categories.len(), 3);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
}

#[apply(on_each_store!)]
async fn opt_in_older_than_an_opt_out_is_recorded_without_effect(app: TestApp) {
    app.make_contact(phone(1)).await;
    let out =
        app.opt_in().record_opt_out(phone(1)).categories([MARKETING]).occurred_time(timestamp(20));
    let out = out.await.expect("an opt-out");
    let old = app.opt_in().record_opt_in(phone(1), OptInSource::Paper).occurred_time(timestamp(10));
    let old = old.await.expect("an opt-in");
    assert_eq!(old.event.changed_categories, [UTILITY, AUTHENTICATION]);
    assert_eq!(old.opt_in.marketing, OptInStatus::OptedOut);
    let older =
        app.opt_in().record_opt_in(phone(1), OptInSource::Paper).occurred_time(timestamp(5));
    assert!(older.await.expect("an opt-in").event.changed_categories.is_empty());
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(app.opt_in().events(phone(1)).await.expect("events").items.len(), 3);
    let check = app.opt_in().check(phone(1), MARKETING).await.expect("a check");
    assert_eq!(check.event_id, Some(out.event.event_id));
}

#[apply(on_each_store!)]
async fn statement_times_are_validated(app: TestApp) {
    app.make_contact(phone(1)).await;
    let after = |seconds| SystemTime::now() + Duration::from_secs(seconds);
    let opt_in = || app.opt_in().record_opt_in(phone(1), OptInSource::WebForm);
    let opt_out = || app.opt_in().record_opt_out(phone(1));
    let future = reason::INVALID_TIME;
    opt_in().occurred_time(after(400)).await.refused_at(future, "occurred_time");
    opt_out().occurred_time(after(400)).await.refused_at(future, "occurred_time");
    let past = timestamp(10);
    opt_in().occurred_time(past).expire_time(past).await.refused_at(future, "expire_time");
    opt_in().expire_time(timestamp(10)).await.refused_at(future, "expire_time");
    assert!(app.opt_in().events(phone(1)).await.expect("events").items.is_empty());
    // Times a few minutes in the future are accepted, because clocks differ.
    opt_in().occurred_time(after(200)).await.expect("an opt-in");

    let occurred_time = Some(contacts_proto::Timestamp { seconds: i64::MAX, nanos: 0 });
    let recipient = Some(v1::record_opt_out_request::Recipient::PhoneNumber(phone(1)));
    let odd = v1::RecordOptOutRequest { recipient, occurred_time, ..Default::default() };
    app.client().raw_opt_in().record_opt_out(odd).await.refused_at(future, "occurred_time");
}

#[apply(on_each_store!)]
async fn incomplete_and_invalid_statements_are_rejected(app: TestApp) {
    app.make_contact(phone(1)).await;
    let recipient = || Some(v1::record_opt_in_request::Recipient::PhoneNumber(phone(1)));
    let good =
        || v1::RecordOptInRequest { recipient: recipient(), source: 1, ..Default::default() };
    let mut raw = app.client().raw_opt_in();
    let evidence = |wording: &str| {
        Some(v1::OptInEvidence { wording: wording.to_owned(), ..Default::default() })
    };
    for (request, reason, field) in [
        (v1::RecordOptInRequest { source: 0, ..good() }, reason::REQUIRED_FIELD_MISSING, "source"),
        (v1::RecordOptInRequest { source: 99, ..good() }, reason::INVALID_ARGUMENT, "source"),
        (
            v1::RecordOptInRequest { recipient: None, ..good() },
            reason::REQUIRED_FIELD_MISSING,
            "phone_number",
        ),
        (
            v1::RecordOptInRequest { categories: vec![1, 0], ..good() },
            reason::INVALID_ARGUMENT,
            "categories",
        ),
        (
            v1::RecordOptInRequest { categories: vec![4], ..good() },
            reason::INVALID_ARGUMENT,
            "categories",
        ),
        (
            v1::RecordOptInRequest { evidence: evidence(&"x".repeat(1001)), ..good() },
            reason::LIMIT_EXCEEDED,
            "evidence.wording",
        ),
        (
            v1::RecordOptInRequest { evidence: evidence("a\0"), ..good() },
            reason::INVALID_TEXT,
            "evidence.wording",
        ),
    ] {
        raw.record_opt_in(request).await.refused_at(reason, field);
    }
    let long = app.opt_in().record_opt_out(phone(1)).reason_text("x".repeat(1001)).await;
    long.refused_at(reason::LIMIT_EXCEEDED, "reason_text");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::NotAsked);
}
