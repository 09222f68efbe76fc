//! The evidence that a policy requires.

use contacts_sdk::{
    CheckReason, Evidence, EvidenceField, ImportConsent, ImportOptions, ImportRow, NewContact,
    OnConflict, OptInPolicy, OptInSource, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

use super::{MARKETING, set};

fn wording_and_url() -> OptInPolicy {
    OptInPolicy::new().require(EvidenceField::Wording).require(EvidenceField::Url)
}

async fn reason_of(app: &TestApp, phone: String) -> CheckReason {
    app.opt_in().check(phone, MARKETING).await.expect("a check").reason
}

#[apply(on_each_store!)]
async fn opt_in_without_required_evidence_is_refused_and_names_the_fields(app: TestApp) {
    for n in 0..2 {
        app.make_contact(phone(n)).await;
    }
    let before = app.opt_in().record_opt_in(phone(0), OptInSource::WebForm);
    before.await.expect("an opt-in before the policy");
    set(&app, wording_and_url()).await;
    for source in [OptInSource::WebForm, OptInSource::Api, OptInSource::Operator] {
        let record = || app.opt_in().record_opt_in(phone(1), source);
        let error = record().await.refused_for(reason::EVIDENCE_REQUIRED);
        assert_eq!(error.metadata("field"), Some("evidence.wording"));
        assert_eq!(error.metadata("fields"), Some("wording,url"));
        assert!(error.message().contains("wording, url"), "{error}");
        let evidence = Evidence::new().wording("Yes").actor("form");
        let error = record().evidence(evidence).await.refused_for(reason::EVIDENCE_REQUIRED);
        assert_eq!(error.metadata("field"), Some("evidence.url"));
        let blank = Evidence::new().wording(" \n").url("https://acme.example");
        let error = record().evidence(blank).await.refused_for(reason::EVIDENCE_REQUIRED);
        assert_eq!(error.metadata("fields"), Some("wording"));
    }
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::NotAsked);
    assert!(app.opt_in().events(phone(1)).await.expect("events").items.is_empty());
    // What was recorded before counts.
    assert_eq!(reason_of(&app, phone(0)).await, CheckReason::OptedIn);

    let evidence = Evidence::new().wording("Yes").url("https://acme.example");
    let record = app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).evidence(evidence);
    record.await.expect("an opt-in with evidence");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
}

#[apply(on_each_store!)]
async fn objection_is_never_refused_for_its_evidence(app: TestApp) {
    set(&app, wording_and_url()).await;
    app.make_contact(phone(1)).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out of a non-contact");
    let row = ImportRow::from(NewContact::new().phone(phone(3)));
    let rows = [row.consent(ImportConsent::opted_out())];
    let outcome = app.contacts().batch_upsert(rows).await.expect("an import");
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    for n in 1..=3 {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut);
    }
}

#[apply(on_each_store!)]
async fn import_rows_without_required_evidence_fail_one_by_one(app: TestApp) {
    set(&app, wording_and_url()).await;
    let shown = || Evidence::new().wording("Yes").url("https://acme.example");
    let agreed = ImportConsent::opted_in;
    let row = |n| ImportRow::from(NewContact::new().phone(phone(n)));
    let rows = [
        // The consent block of the import has the wording only.
        row(0),
        row(1).consent(agreed().evidence(shown())),
        row(2).consent(agreed()),
        row(3).consent(ImportConsent::opted_out()),
    ];
    let block = agreed().evidence(Evidence::new().wording("Yes"));
    let options = ImportOptions::new().on_conflict(OnConflict::Merge).consent(block);
    let outcome = app.contacts().batch_upsert(rows).options(options).await.expect("an import");
    let failed: Vec<_> = outcome.failures.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, [0, 2]);
    for (failure, fields) in outcome.failures.iter().zip(["url", "wording,url"]) {
        assert_eq!(failure.error.reason(), Some(reason::EVIDENCE_REQUIRED));
        assert_eq!(failure.error.metadata("fields"), Some(fields));
        let field = failure.error.metadata("field").expect("a field");
        assert!(field.starts_with("consent.evidence."), "{field}");
    }
    for (n, expected) in [
        (0, CheckReason::UnknownContact),
        (1, CheckReason::OptedIn),
        (2, CheckReason::UnknownContact),
        (3, CheckReason::OptedOut),
    ] {
        assert_eq!(reason_of(&app, phone(n)).await, expected, "{n}");
    }
}
