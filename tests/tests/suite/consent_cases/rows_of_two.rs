//! Rows of imports with ids of two persons: they say that these are one, so an objection of either stands
//! against both, and nothing agreed to before lifts it for the other.

use contacts_proto::v1;
use contacts_proto::v1::contact_service_client::ContactServiceClient;
use contacts_sdk::Evidence;

use super::*;

const ALL: [OnConflict; 3] = [OnConflict::Skip, OnConflict::Merge, OnConflict::Fail];

pub(super) fn user() -> Recipient {
    Recipient::whatsapp_user_id("US.1")
}

/// Imports a row that says that the phone number and the user id are one person's. It fails.
async fn row_of_both(app: &TestApp, on_conflict: OnConflict) {
    row_of(app, NewContact::new().phone(phone(1)).whatsapp_user_id("US.1"), on_conflict).await;
}

async fn row_of_users(app: &TestApp, one: &str, other: &str) {
    let contact = NewContact::new().whatsapp_user_id(one).whatsapp_user_id(other);
    row_of(app, contact, OnConflict::Skip).await;
}

pub(super) async fn row_of(app: &TestApp, contact: NewContact, on_conflict: OnConflict) {
    let options = ImportOptions::new().on_conflict(on_conflict);
    let outcome =
        app.contacts().batch_upsert([contact]).options(options).await.expect("an outcome");
    assert_eq!(outcome.failures.len(), 1, "{on_conflict:?}");
}

/// Two contacts, of which the one with the phone number agreed after the other objected.
async fn two(app: &TestApp) {
    app.make_contact(phone(1)).await;
    app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await.expect("a contact");
    no(app, user(), 3000).await;
    yes(app, phone(1), 2000).await;
    assert_eq!(check(app, phone(1)).await, CheckReason::OptedIn);
}

pub(super) async fn events(app: &TestApp, person: impl Into<Recipient>) -> usize {
    app.opt_in().events(person).await.expect("events").items.len()
}

#[apply(on_each_store!)]
async fn what_one_agreed_to_does_not_lift_what_the_other_objected_to(app: TestApp) {
    two(&app).await;
    for on_conflict in ALL {
        row_of_both(&app, on_conflict).await;
        assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    }
    // Said before the import, and recorded after it.
    yes(&app, phone(1), 1000).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn it_is_passed_on_once(app: TestApp) {
    two(&app).await;
    row_of_both(&app, OnConflict::Merge).await;
    let (first, second) = (events(&app, phone(1)).await, events(&app, user()).await);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    for _ in 0..2 {
        for on_conflict in ALL {
            row_of_both(&app, on_conflict).await;
        }
    }
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    assert_eq!(events(&app, phone(1)).await, first + 1);
    // Nor back to who said it, whatever they agreed to since.
    app.opt_in().record_opt_in(user(), OptInSource::WebForm).await.expect("an opt-in");
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    for _ in 0..2 {
        row_of_both(&app, OnConflict::Skip).await;
    }
    assert_eq!(events(&app, user()).await, second + 2);
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(user(), OptInSource::WebForm).await.expect("an opt-in");
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    row_of_both(&app, OnConflict::Merge).await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    // A new one is.
    no(&app, user(), 0).await;
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// Two that were said under different ids: of the second nothing changes.
#[apply(on_each_store!)]
async fn all_that_stand_are_passed_on_at_once(app: TestApp) {
    app.make_contact(phone(1)).await;
    let other = NewContact::new().whatsapp_user_id("US.1").whatsapp_user_id("US.2");
    app.contacts().create(other).await.expect("a contact");
    no(&app, user(), 3000).await;
    no(&app, Recipient::whatsapp_user_id("US.2"), 2000).await;
    row_of_both(&app, OnConflict::Merge).await;
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    let recorded = events(&app, phone(1)).await;
    row_of_both(&app, OnConflict::Merge).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    assert_eq!(events(&app, phone(1)).await, recorded);
    audited(&app).await;
}

/// What stands against an id that was released stands against its next holder by itself.
#[apply(on_each_store!)]
async fn what_came_with_a_released_id_is_passed_on_to_who_said_it(app: TestApp) {
    let both = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    let first = app.contacts().create(both).await.expect("a contact");
    no(&app, &first, 3000).await;
    app.contacts().link_identity(&first).release("US.1").await.expect("a release");
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await.expect("a contact");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn stops_and_erasures_are_passed_on(app: TestApp) {
    two(&app).await;
    yes(&app, user(), 2500).await;
    platform(&app, user(), PlatformPreference::Stop, "1063", 2400).await;
    platform(&app, phone(1), PlatformPreference::Resume, "1063", 100).await;
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check_from(&app, phone(1), "1063").await, CheckReason::PlatformOptedOut);
    assert_eq!(check_from(&app, phone(1), "1064").await, CheckReason::OptedIn);
    platform(&app, phone(1), PlatformPreference::Resume, "1063", 0).await;
    app.contacts().delete(user()).await.expect("an erasure");
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    for category in [MARKETING, MessageCategory::Utility] {
        let allowed = app.opt_in().check(phone(1), category).await.expect("a check");
        assert_eq!(allowed.reason, CheckReason::OptedIn);
    }
    row_of_both(&app, OnConflict::Fail).await;
    for category in [MARKETING, MessageCategory::Utility] {
        let denied = app.opt_in().check(phone(1), category).await.expect("a check");
        assert_eq!(denied.reason, CheckReason::OptedOut);
    }
    audited(&app).await;
}

/// What was passed on to somebody hides nothing that they said themselves.
#[apply(on_each_store!)]
async fn an_own_objection_is_passed_on_beside_that_of_others(app: TestApp) {
    for id in ["US.1", "US.2", "US.3"] {
        app.contacts().create(NewContact::new().whatsapp_user_id(id)).await.expect("a contact");
    }
    let [first, second, third] = ["US.1", "US.2", "US.3"].map(Recipient::whatsapp_user_id);
    app.opt_in().record_opt_out(first.clone()).await.expect("an opt-out");
    app.opt_in().record_opt_out(second.clone()).await.expect("an opt-out");
    row_of_users(&app, "US.3", "US.2").await;
    app.opt_in().record_opt_in(third.clone(), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check(&app, third.clone()).await, CheckReason::OptedIn);
    row_of_users(&app, "US.1", "US.2").await;
    row_of_users(&app, "US.1", "US.3").await;
    assert_eq!(check(&app, third.clone()).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(third.clone(), OptInSource::WebForm).await.expect("an opt-in");
    for _ in 0..2 {
        for (one, other) in [("US.1", "US.2"), ("US.1", "US.3"), ("US.3", "US.2")] {
            row_of_users(&app, one, other).await;
        }
    }
    assert_eq!(check(&app, third).await, CheckReason::OptedIn);
    audited(&app).await;
}

/// Also one that is recorded late, and older than what is known.
#[apply(on_each_store!)]
async fn what_is_recorded_since_is_passed_on(app: TestApp) {
    two(&app).await;
    row_of_both(&app, OnConflict::Skip).await;
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    no(&app, user(), 4000).await;
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// One objection may stand in other categories at another person.
#[apply(on_each_store!)]
async fn each_category_is_passed_on(app: TestApp) {
    app.make_contact(phone(1)).await;
    yes(&app, phone(1), 1000).await;
    let both = NewContact::new().whatsapp_user_id("US.1").whatsapp_user_id("US.2");
    let both = app.contacts().create(both).await.expect("a contact");
    no(&app, &both, 3000).await;
    app.contacts().link_identity(&both).release("US.2").await.expect("a release");
    let agreed = app.opt_in().record_opt_in(user(), OptInSource::WebForm);
    agreed.categories([MARKETING]).await.expect("an opt-in");
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    let row = NewContact::new().phone(phone(1)).whatsapp_user_id("US.2");
    row_of(&app, row, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// What a client says of itself is no proof.
#[apply(on_each_store!)]
async fn the_evidence_of_a_client_passes_nothing_on(app: TestApp) {
    two(&app).await;
    let objection = app.opt_in().record_opt_out(user()).await.expect("an opt-out");
    let actor = format!("a row of an import, for event {}", objection.event.event_id);
    let mut evidence = Evidence::default();
    evidence.actor = actor;
    let block = ImportConsent::opted_out().evidence(evidence);
    let row = ImportRow::new(NewContact::new().phone(phone(1))).consent(block);
    assert_eq!(import(&app, row).await, None);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// Of what was passed on before a merge, the ids of the other contact know nothing.
#[apply(on_each_store!)]
async fn after_a_merge_it_is_passed_on_to_the_ids_of_both(app: TestApp) {
    two(&app).await;
    row_of_both(&app, OnConflict::Skip).await;
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    let survivor = app.make_contact(phone(2)).await;
    yes(&app, phone(2), 9000).await;
    app.contacts().merge(&survivor, phone(1)).await.expect("merged");
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedIn);
    let row = NewContact::new().phone(phone(2)).whatsapp_user_id("US.1");
    row_of(&app, row, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// Also from before that person was a contact.
#[apply(on_each_store!)]
async fn it_does_not_come_back_to_who_was_erased(app: TestApp) {
    two(&app).await;
    app.contacts().delete(user()).await.expect("an erasure");
    app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await.expect("a contact");
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(user(), OptInSource::WebForm).await.expect("an opt-in");
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    audited(&app).await;
}

/// Whichever of the ids finds the contact.
#[apply(on_each_store!)]
async fn they_stand_against_all_contacts_of_the_row(app: TestApp) {
    let who_objects = NewContact::new().whatsapp_user_id("US.1").external_id("crm-1");
    app.contacts().create(who_objects).await.expect("a contact");
    app.make_contact(phone(1)).await;
    yes(&app, phone(1), 2000).await;
    no(&app, user(), 3000).await;
    let contact = NewContact::new().phone(phone(1)).external_id("crm-1");
    let options = ImportOptions::new().on_conflict(OnConflict::Skip);
    let outcome =
        app.contacts().batch_upsert([contact]).options(options).await.expect("an outcome");
    let error = &outcome.failures[0].error;
    assert_eq!(error.reason(), Some(reason::CONSENT_CONFLICT));
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// Also of a row whose own consent block makes no sense.
#[apply(on_each_store!)]
async fn a_malformed_block_of_consent_changes_nothing_about_it(app: TestApp) {
    two(&app).await;
    let contact = v1::Contact {
        phone_number: phone(1),
        whatsapp_user_ids: vec!["US.1".to_owned()],
        ..v1::Contact::default()
    };
    let status = v1::OptInStatus::NotAsked as i32;
    let consent = Some(v1::ImportConsent { status, ..v1::ImportConsent::default() });
    let rows = vec![v1::ImportRow { contact: Some(contact), consent }];
    let request = v1::BatchUpsertContactsRequest { rows, ..Default::default() };
    let mut client = ContactServiceClient::new(app.narrow_channel().await);
    let outcome = client.batch_upsert_contacts(request).await.expect("an outcome");
    assert_eq!(outcome.into_inner().failures.len(), 1);
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// Also where so many senders are stopped that it becomes a stop of all, in whatever calls the row comes.
#[apply(on_each_store!)]
async fn a_stop_of_all_is_passed_on_once(app: TestApp) {
    two(&app).await;
    for sender in 0..9 {
        platform(&app, user(), PlatformPreference::Stop, &format!("10{sender}"), 50).await;
    }
    row_of_both(&app, OnConflict::Merge).await;
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check_from(&app, phone(1), "999").await, CheckReason::PlatformOptedOut);
    let resume = PlatformPreference::Resume;
    app.opt_in().record_platform_preference(phone(1), resume).await.expect("a resume");
    let known = events(&app, phone(1)).await;
    for on_conflict in ALL {
        row_of_both(&app, on_conflict).await;
    }
    assert_eq!(check_from(&app, phone(1), "101").await, CheckReason::OptedIn);
    assert_eq!(events(&app, phone(1)).await, known);
    // Another sender's is.
    platform(&app, user(), PlatformPreference::Stop, "200", 0).await;
    row_of_both(&app, OnConflict::Merge).await;
    assert_eq!(check_from(&app, phone(1), "200").await, CheckReason::PlatformOptedOut);
    audited(&app).await;
}

/// An erasure names one of the identities that it erased.
#[apply(on_each_store!)]
async fn it_does_not_come_back_to_another_id_of_who_was_erased(app: TestApp) {
    let erased = NewContact::new().phone(phone(9)).whatsapp_user_id("US.1");
    app.contacts().create(erased).await.expect("a contact");
    app.contacts().delete(user()).await.expect("an erasure");
    let again = NewContact::new().phone(phone(2)).whatsapp_user_id("US.1");
    app.contacts().create(again).await.expect("a contact");
    app.make_contact(phone(1)).await;
    yes(&app, phone(1), 2000).await;
    row_of_both(&app, OnConflict::Skip).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(phone(2), OptInSource::WebForm).await.expect("an opt-in");
    for on_conflict in ALL {
        row_of_both(&app, on_conflict).await;
    }
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedIn);
    audited(&app).await;
}

/// What a row itself objects is passed on by that row, as it is by the next import of it.
#[apply(on_each_store!)]
async fn the_rows_own_objection_is_passed_on_at_once(app: TestApp) {
    app.make_contact(phone(1)).await;
    app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await.expect("a contact");
    let marketing = app.opt_in().record_opt_out(phone(1)).categories([MARKETING]);
    marketing.await.expect("an opt-out");
    row_of_both(&app, OnConflict::Skip).await;
    app.opt_in().record_opt_in(user(), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    let objection = || ImportConsent::opted_out().occurred_time(ago(14_400));
    for _ in 0..2 {
        let row = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
        let row = ImportRow::new(row).consent(objection());
        app.contacts().batch_upsert([row]).await.expect("an outcome");
        assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    }
    audited(&app).await;
}

/// With SKIP as with the others, where the row itself has nothing else to fail for.
#[apply(on_each_store!)]
async fn a_skipped_rows_own_objection_is_passed_on_at_once(app: TestApp) {
    app.make_contact(phone(1)).await;
    app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await.expect("a contact");
    app.opt_in().record_opt_in(user(), OptInSource::WebForm).await.expect("an opt-in");
    let said = ago(240);
    let import = async || {
        let row = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
        let row = ImportRow::new(row).consent(ImportConsent::opted_out().occurred_time(said));
        let options = ImportOptions::new().on_conflict(OnConflict::Skip);
        let outcome =
            app.contacts().batch_upsert([row]).options(options).await.expect("an outcome");
        assert_eq!(outcome.failures.len(), 1);
    };
    import().await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(user(), OptInSource::WebForm).await.expect("an opt-in");
    import().await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    audited(&app).await;
}
