//! The cases that an outside review turned into wrong answers: a yes belongs to the identity it was
//! given under, a no to the person. After each, `audit verify` has to agree with every row.

mod found_by_attack;
mod late_objections;
mod merges;
mod rows_of_many;
mod rows_of_two;

use std::time::{Duration, SystemTime};

use contacts_sdk::{
    CheckReason, ImportConsent, ImportOptions, ImportRow, MessageCategory, NewContact, OnConflict,
    OptInEventKind, OptInSource, PlatformPreference, Recipient, reason,
};
use contacts_service::operations::audit_states::{self, Difference};
use contacts_service::store::sqlite::Access;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

/// So many minutes ago.
fn ago(minutes: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(60 * minutes)
}

async fn check(app: &TestApp, recipient: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(recipient, MARKETING).await.expect("a check").reason
}

async fn check_from(app: &TestApp, recipient: impl Into<Recipient>, sender: &str) -> CheckReason {
    let check = app.opt_in().check(recipient, MARKETING).sender_phone_number_id(sender);
    check.await.expect("a check").reason
}

async fn yes(app: &TestApp, recipient: impl Into<Recipient>, minutes: u64) {
    let record = app.opt_in().record_opt_in(recipient, OptInSource::WebForm);
    record.occurred_time(ago(minutes)).await.expect("an opt-in");
}

async fn no(app: &TestApp, recipient: impl Into<Recipient>, minutes: u64) {
    let record = app.opt_in().record_opt_out(recipient);
    record.occurred_time(ago(minutes)).await.expect("an opt-out");
}

async fn platform(
    app: &TestApp,
    recipient: impl Into<Recipient>,
    preference: PlatformPreference,
    sender: &str,
    minutes: u64,
) {
    let record = app.opt_in().record_platform_preference(recipient, preference);
    let record = record.sender_phone_number_id(sender).occurred_time(ago(minutes));
    record.await.expect("a preference");
}

/// Imports one row and returns its error, if it failed.
async fn import(app: &TestApp, row: ImportRow) -> Option<String> {
    let options = ImportOptions::new().on_conflict(OnConflict::Merge);
    let summary = app.contacts().import(options).send([row]).await.expect("an import");
    summary.failures.first().map(|failure| failure.error.reason().unwrap_or_default().to_owned())
}

/// The rows that checks read are what the ledger amounts to.
async fn audited(app: &TestApp) {
    let store = app.open_store(Access::Read).await;
    let found = audit_states::verify_states(&store, "default").await.expect("an audit");
    store.close().await;
    assert_eq!(found, []);
}

#[apply(on_each_store!)]
async fn case_1_a_resume_of_one_identity_lifts_no_stop_of_another(app: TestApp) {
    let a = app.make_contact(phone(1)).await;
    let b = app.make_contact(phone(2)).await;
    yes(&app, phone(1), 50).await;
    yes(&app, phone(2), 50).await;
    platform(&app, phone(1), PlatformPreference::Stop, "1", 40).await;
    platform(&app, phone(2), PlatformPreference::Resume, "", 30).await;
    app.contacts().merge(&a, &b).await.expect("merged");
    assert_eq!(check_from(&app, phone(1), "1").await, CheckReason::PlatformOptedOut);
    assert_eq!(check_from(&app, phone(1), "2").await, CheckReason::OptedIn);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_2_what_was_said_before_an_erasure_is_over(app: TestApp) {
    app.make_contact(phone(1)).await;
    no(&app, phone(1), 60).await;
    app.contacts().delete(phone(1)).await.expect("erased");
    app.make_contact(phone(1)).await;
    yes(&app, phone(1), 30).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    app.make_contact(phone(2)).await;
    app.contacts().delete(phone(2)).await.expect("erased");
    app.make_contact(phone(2)).await;
    yes(&app, phone(2), 30).await;
    let checked = app.opt_in().check(phone(2), MARKETING).await.expect("a check");
    assert_eq!(checked.reason, CheckReason::Erased);
    let events = app.opt_in().events(phone(2)).await.expect("events").items;
    let erased = events.iter().find(|event| event.kind == OptInEventKind::Erased);
    assert_eq!(erased.map(|event| &event.event_id), checked.event_id.as_ref(), "it is listed");
    app.opt_in().record_opt_in(phone(2), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedIn);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_3_an_old_yes_delivered_again_lifts_nothing(app: TestApp) {
    let a = app.make_contact(phone(1)).await;
    let b = app.make_contact(phone(2)).await;
    yes(&app, phone(1), 60).await;
    no(&app, phone(2), 50).await;
    app.contacts().merge(&a, &b).await.expect("merged");
    yes(&app, phone(1), 40).await;
    for number in [phone(1), phone(2)] {
        assert_eq!(check(&app, number).await, CheckReason::OptedOut);
    }
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_4_a_merge_widens_no_permission(app: TestApp) {
    let a = app.make_contact(phone(1)).await;
    let b = app.contacts().create(NewContact::new().whatsapp_user_id("US.2")).await;
    let b = b.expect("a contact");
    yes(&app, phone(1), 60).await;
    app.contacts().merge(&a, &b).await.expect("merged");
    let row = || {
        let consent = ImportConsent::opted_in().occurred_time(ago(60));
        ImportRow::new(NewContact::new().phone(phone(1))).consent(consent)
    };
    import(&app, row()).await;
    yes(&app, phone(1), 30).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    let user = Recipient::whatsapp_user_id("US.2");
    assert_eq!(check(&app, user.clone()).await, CheckReason::NotAsked);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check(&app, user).await, CheckReason::OptedIn);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_5_a_new_number_was_not_asked_unless_the_opt_in_is_carried(app: TestApp) {
    app.make_contact(phone(1)).await;
    yes(&app, phone(1), 60).await;
    app.contacts().link_identity(phone(1)).phone(phone(2)).await.expect("linked");
    assert_eq!(check(&app, phone(2)).await, CheckReason::NotAsked);
    assert_eq!(check(&app, phone(1)).await, CheckReason::FormerIdentity);

    app.make_contact(phone(3)).await;
    yes(&app, phone(3), 60).await;
    let link = app.contacts().link_identity(phone(3)).phone(phone(4));
    link.carry_opt_in(OptInSource::Platform, Default::default()).await.expect("linked");
    assert_eq!(check(&app, phone(4)).await, CheckReason::OptedIn);
    let link = app.contacts().link_identity(phone(4)).phone(phone(5));
    let refused = link.carry_opt_in(OptInSource::Operator, Default::default()).await;
    assert!(refused.expect_err("others cannot say so").to_string().contains("PLATFORM"));

    let user = Recipient::whatsapp_user_id("US.9");
    app.contacts().create(NewContact::new().whatsapp_user_id("US.9")).await.expect("a contact");
    yes(&app, user.clone(), 60).await;
    let row = ImportRow::new(NewContact::new().phone(phone(6)).whatsapp_user_id("US.9"));
    assert_eq!(import(&app, row).await, None);
    assert_eq!(check(&app, phone(6)).await, CheckReason::NotAsked);
    assert_eq!(check(&app, user).await, CheckReason::OptedIn);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_6_nothing_is_done_under_a_former_number_but_objecting(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    app.contacts().link_identity(phone(1)).phone(phone(2)).await.expect("linked");
    let former = phone(1);
    let opt_in = app.opt_in().record_opt_in(former.clone(), OptInSource::WebForm).await;
    let erased = app.contacts().delete(former.clone()).await.map(drop);
    let export = app.contacts().export_data(former.clone()).await.map(drop);
    for refused in [opt_in.map(drop), erased, export] {
        let error = refused.expect_err("refused");
        assert_eq!(error.reason(), Some(reason::FORMER_IDENTITY));
        assert!(error.to_string().contains(&contact.contact_id), "{error}");
    }
    let row = ImportRow::new(NewContact::new().phone(phone(1)).first_name("Somebody else"));
    assert_eq!(import(&app, row).await.as_deref(), Some(reason::FORMER_IDENTITY));
    let found = app.contacts().get(former.clone()).await.expect("found");
    assert_eq!((found.contact_id, found.first_name), (contact.contact_id, contact.first_name));
    no(&app, former, 0).await;
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_7_two_clocks_are_not_compared_to_the_second(app: TestApp) {
    app.make_contact(phone(1)).await;
    let ahead = SystemTime::now() + Duration::from_secs(240);
    let record = app.opt_in().record_opt_in(phone(1), OptInSource::WebForm);
    record.occurred_time(ahead).await.expect("an opt-in");
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);

    app.make_contact(phone(2)).await;
    app.opt_in().record_opt_in(phone(2), OptInSource::WebForm).await.expect("an opt-in");
    let whole = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(whole - 1);
    app.opt_in().record_opt_out(phone(2)).occurred_time(second).await.expect("an opt-out");
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_8_an_objection_stands_against_every_id_it_names(app: TestApp) {
    let user = || Recipient::whatsapp_user_id("US.8");
    app.contacts().create(NewContact::new().whatsapp_user_id("US.8")).await.expect("a contact");
    yes(&app, user(), 60).await;
    app.opt_in().record_opt_out(phone(8)).also(user()).await.expect("an opt-out");
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    assert_eq!(check(&app, phone(8)).await, CheckReason::OptedOut);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_10_objections_are_never_refused_for_their_trimmings(app: TestApp) {
    app.make_contact(phone(1)).await;
    yes(&app, phone(1), 60).await;
    let record = app.opt_in().record_opt_out(phone(1)).reason_text("x".repeat(4000));
    let recorded = record.occurred_time(SystemTime::now() + Duration::from_secs(360)).await;
    let event = recorded.expect("recorded").event;
    assert!(event.reason_text.ends_with(" […]") && event.reason_text.len() < 1100);
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    app.make_contact(phone(2)).await;
    yes(&app, phone(2), 60).await;
    let evidence = contacts_sdk::Evidence::new().wording("x".repeat(4000));
    let consent = ImportConsent::opted_out().evidence(evidence);
    let row = ImportRow::new(NewContact::new().phone(phone(2))).consent(consent);
    import(&app, row).await;
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut);
    let stop = app.opt_in().record_platform_preference(phone(2), PlatformPreference::Stop);
    stop.sender_phone_number_id("no id at all ".repeat(9)).await.expect("a stop");
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_11_an_old_objection_is_history(app: TestApp) {
    app.make_contact(phone(1)).await;
    yes(&app, phone(1), 30).await;
    let consent = ImportConsent::opted_out().occurred_time(ago(60));
    let row = ImportRow::new(NewContact::new().phone(phone(1))).consent(consent);
    assert_eq!(import(&app, row).await, None);
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    let events = app.opt_in().events(phone(1)).await.expect("events").items;
    assert_eq!(events[0].kind, OptInEventKind::OptOut);
    assert!(events[0].changed_categories.is_empty(), "without effect");
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn case_14_flipped_lost_and_moved_rows_are_named(app: TestApp) {
    for n in 0..20 {
        app.make_contact(phone(n)).await;
        match n % 2 {
            0 => yes(&app, phone(n), 30).await,
            _ => no(&app, phone(n), 30).await,
        }
    }
    audited(&app).await;
    let mismatches = async |sql: &'static str| {
        app.run_sql(sql).await;
        let store = app.open_store(Access::Read).await;
        let found = audit_states::verify_states(&store, "default").await.expect("an audit");
        store.close().await;
        found.into_iter().map(|mismatch| mismatch.difference).collect::<Vec<_>>()
    };
    let flipped = mismatches(
        "UPDATE consent SET consent = (SELECT c.consent FROM consent AS c
             WHERE c.match_key LIKE 'p%' ORDER BY c.match_key LIMIT 1)
         WHERE match_key LIKE 'p%'
             AND match_key <> (SELECT min(match_key) FROM consent WHERE match_key LIKE 'p%')",
    );
    let flipped = flipped.await;
    let consent = flipped.iter().filter(|difference| **difference == Difference::Consent);
    assert_eq!(consent.count(), 19, "each has another event");
    let lost = "DELETE FROM consent WHERE match_key = (SELECT max(match_key) FROM consent)";
    assert!(mismatches(lost).await.contains(&Difference::Missing));
}

/// Filters and lists read what contacts repeat of their consent.
#[apply(on_each_store!)]
async fn every_column_that_filters_read_is_audited(app: TestApp) {
    for n in 0..3 {
        app.make_contact(phone(n)).await;
        yes(&app, phone(n), 30).await;
    }
    audited(&app).await;
    for (sql, undo) in [
        (
            "UPDATE contact SET opt_in_marketing = opt_in_marketing + 1",
            "UPDATE contact SET opt_in_marketing = opt_in_marketing - 1",
        ),
        (
            "UPDATE contact SET opt_in_utility = opt_in_utility + 8",
            "UPDATE contact SET opt_in_utility = opt_in_utility - 8",
        ),
        (
            "UPDATE contact SET marketing_time = marketing_time + 1",
            "UPDATE contact SET marketing_time = marketing_time - 1",
        ),
        (
            "UPDATE contact SET marketing_counted_from = marketing_time + 1",
            "UPDATE contact SET marketing_counted_from = NULL",
        ),
        (
            "UPDATE contact SET marketing_expire_time = 1",
            "UPDATE contact SET marketing_expire_time = NULL",
        ),
    ] {
        app.run_sql(sql).await;
        let store = app.open_store(Access::Read).await;
        let found = audit_states::verify_states(&store, "default").await.expect("an audit");
        store.close().await;
        let found: Vec<_> = found.into_iter().map(|mismatch| mismatch.difference).collect();
        assert_eq!(found, [Difference::Summary; 3], "{sql}");
        app.run_sql(undo).await;
        audited(&app).await;
    }
}

#[apply(on_each_store!)]
async fn case_15_what_others_report_extends_and_revives_nothing(app: TestApp) {
    let soon = SystemTime::now() + Duration::from_secs(3600);
    let past = ago(10);
    for (number, expire) in [(phone(1), soon), (phone(2), past)] {
        app.make_contact(number.clone()).await;
        let record = app.opt_in().record_opt_in(number, OptInSource::WebForm);
        record.occurred_time(ago(60)).expire_time(expire).await.expect("an opt-in");
    }
    for consent in [ImportConsent::opted_in().occurred_time(ago(5)), ImportConsent::opted_in()] {
        for number in [phone(1), phone(2)] {
            let contact = NewContact::new().phone(number);
            import(&app, ImportRow::new(contact).consent(consent.clone())).await;
        }
    }
    assert_eq!(check(&app, phone(2)).await, CheckReason::Expired);
    let events = app.opt_in().events(phone(1)).await.expect("events").items;
    assert_eq!(events.len(), 1, "nothing was recorded that does not count");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    let api = app.opt_in().record_opt_in(phone(2), OptInSource::Api).await;
    assert_eq!(api.expect_err("a conflict").reason(), Some(reason::CONSENT_CONFLICT));
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn opted_out_row_stands_against_every_id_it_names(app: TestApp) {
    let row = |phone: String, user: &str| {
        let contact = NewContact::new().phone(phone).whatsapp_user_id(user);
        ImportRow::new(contact).consent(ImportConsent::opted_out())
    };
    let user = |id: &str| Recipient::whatsapp_user_id(id.to_owned());
    for (n, on_conflict) in [(0, OnConflict::Skip), (1, OnConflict::Merge), (2, OnConflict::Fail)] {
        let (known, other, new) = (format!("US.{n}1"), format!("US.{n}2"), format!("US.{n}3"));
        let contact = NewContact::new().phone(phone(n)).whatsapp_user_id(&known);
        app.contacts().create(contact).await.expect("a contact");
        app.contacts().create(NewContact::new().whatsapp_user_id(&other)).await.expect("a contact");
        yes(&app, user(&other), 60).await;
        for id in [&other, &new] {
            let options = ImportOptions::new().on_conflict(on_conflict);
            let import = app.contacts().import(options).send([row(phone(n), id)]).await;
            import.expect("an import");
            assert_eq!(check(&app, user(id)).await, CheckReason::OptedOut, "{n} {id}");
        }
        assert_eq!(check(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
        assert_eq!(check(&app, user(&known)).await, CheckReason::OptedOut, "{n}");
    }
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn objections_are_not_refused_for_their_request_id(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    yes(&app, phone(1), 60).await;
    let utility = [MessageCategory::Utility];
    let id = "2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11";
    let opt_out = |recipient: Recipient| app.opt_in().record_opt_out(recipient);
    opt_out(Recipient::phone(phone(1))).categories(utility).request_id(id).await.expect("recorded");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    opt_out(Recipient::phone(phone(1))).request_id(id).await.expect("another one");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    app.make_contact(phone(2)).await;
    yes(&app, phone(2), 60).await;
    opt_out(Recipient::phone(phone(2))).request_id("wamid.1").await.expect("recorded");
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut);
    // Sent again after the erasure, by whatever names the person.
    app.contacts().delete(&contact).await.expect("erased");
    opt_out(Recipient::phone(phone(1))).categories(utility).request_id(id).await.expect("recorded");
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn objections_outlive_a_call_with_an_unknown_tag(app: TestApp) {
    for n in 0..2 {
        app.make_contact(phone(n)).await;
        yes(&app, phone(n), 60).await;
    }
    let options = || ImportOptions::new().on_conflict(OnConflict::Merge).add_tag("nope");
    let row = |n| ImportRow::new(NewContact::new().phone(phone(n)));
    let rows = [row(0).consent(ImportConsent::opted_out()), row(1)];
    let outcome = app.contacts().batch_upsert(rows).options(options()).await.expect("an outcome");
    let failed: Vec<_> = outcome.failures.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, [0, 1]);
    assert_eq!(check(&app, phone(0)).await, CheckReason::OptedOut);
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    app.contacts().batch_upsert([row(1)]).options(options()).await.expect_err("nobody objects");
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn rows_that_moved_to_another_key_are_named(app: TestApp) {
    for n in 0..2 {
        app.make_contact(phone(n)).await;
        yes(&app, phone(n), 30).await;
    }
    no(&app, phone(1), 10).await;
    for (sql, difference) in [
        ("UPDATE contact SET opt_in_marketing = 2", Difference::Summary),
        (
            "CREATE TABLE saved AS SELECT min(match_key) AS first, max(match_key) AS last FROM consent
                 WHERE match_key LIKE 'p%';
             UPDATE consent SET match_key = 't' WHERE match_key = (SELECT first FROM saved);
             UPDATE consent SET match_key = (SELECT first FROM saved)
                 WHERE match_key = (SELECT last FROM saved);
             UPDATE consent SET match_key = (SELECT last FROM saved) WHERE match_key = 't'",
            Difference::Join,
        ),
    ] {
        app.run_sql(sql).await;
        let store = app.open_store(Access::Read).await;
        let found = audit_states::verify_states(&store, "default").await.expect("an audit");
        store.close().await;
        assert!(found.iter().any(|found| found.difference == difference), "{found:?}");
    }
}
