//! An opt-out is kept when a person becomes a contact, is deleted, or is created again.

use contacts_sdk::{
    CheckReason, ImportConsent, ImportOptions, MessageCategory, NewContact, OnConflict,
    OptInSource, OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

use super::{MARKETING, UTILITY, check, reason_of};

#[apply(on_each_store!)]
async fn non_contact_opt_out_applies_to_the_later_contact(app: TestApp) {
    let objection = app.opt_in().record_opt_out(phone(1)).categories([MARKETING]).await;
    let objection = objection.expect("an opt-out");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out");

    let created = app.make_contact(phone(1)).await;
    assert_eq!(created.opt_in.marketing, OptInStatus::OptedOut);
    assert_eq!(created.opt_in.utility, OptInStatus::NotAsked);
    let answer = check(&app, phone(1), MARKETING).await;
    assert_eq!(answer.event_id, Some(objection.event.event_id));
    assert_eq!(answer.contact_id, Some(created.contact_id));

    app.make_many([NewContact::new().phone(phone(2))]).await;
    let made = app.contacts().update(phone(3)).first_name("Cy").allow_missing(true).await;
    assert_eq!(made.expect("a contact").opt_in.marketing, OptInStatus::OptedOut);
    for n in 1..4 {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
        assert!(check(&app, phone(n), MARKETING).await.contact_id.is_some());
    }
    let selected = app.contacts().count().filter("opt_in = OPTED_OUT").await.expect("a count");
    assert_eq!(selected, 3);
}

#[apply(on_each_store!)]
async fn opt_out_of_a_user_id_applies_to_the_contact_it_joins(app: TestApp) {
    let hidden = || Recipient::whatsapp_user_id("US.1");
    app.opt_in().record_opt_out(hidden()).await.expect("an opt-out");
    app.make_opted_in(phone(1)).await;
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
    // The user id turns out to belong to the same person.
    let joined =
        app.contacts().update(phone(1)).whatsapp_user_ids(["US.1"]).await.expect("a contact");
    assert_eq!(joined.opt_in.marketing, OptInStatus::OptedOut);
    for name in [Recipient::phone(phone(1)), hidden(), Recipient::from(&joined)] {
        assert_eq!(reason_of(&app, name).await, CheckReason::OptedOut);
    }
    // Releasing the user id lifts neither the contact's opt-out nor that of the id.
    app.contacts().link_identity(phone(1)).release("US.1").await.expect("a contact");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(reason_of(&app, hidden()).await, CheckReason::OptedOut);
    let other = app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await;
    assert_eq!(other.expect("a contact").opt_in.marketing, OptInStatus::OptedOut);
}

#[apply(on_each_store!)]
async fn opt_out_survives_deletion_and_recreation(app: TestApp) {
    let person = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1").first_name("Ana");
    let contact = app.contacts().create(person).await.expect("a contact");
    app.opt_in().record_opt_in(&contact, OptInSource::WebForm).await.expect("an opt-in");
    let objection = app.opt_in().record_opt_out(&contact).categories([MARKETING]);
    objection.await.expect("an opt-out");
    app.contacts().delete(&contact).await.expect("a receipt");

    for name in [Recipient::phone(phone(1)), Recipient::whatsapp_user_id("US.1")] {
        let answer = check(&app, name.clone(), MARKETING).await;
        assert_eq!((answer.reason, answer.contact_id), (CheckReason::OptedOut, None), "{name:?}");
        // The opt-in for other categories ended with the erasure, which stands in all of them.
        assert_eq!(check(&app, name, UTILITY).await.reason, CheckReason::Erased);
    }
    let again = app.make_contact(phone(1)).await;
    assert_eq!(again.opt_in.marketing, OptInStatus::OptedOut);
    assert_eq!(again.opt_in.utility, OptInStatus::NotAsked);
    // The same with the other identifier.
    app.contacts().delete(&again).await.expect("a receipt");
    let by_user = app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await;
    assert_eq!(by_user.expect("a contact").opt_in.marketing, OptInStatus::OptedOut);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
}

#[apply(on_each_store!)]
async fn import_claiming_consent_does_not_lift_an_opt_out_of_a_deleted_contact(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.contacts().delete(phone(1)).await.expect("a receipt");
    let claim = |on_conflict| {
        let options =
            ImportOptions::new().on_conflict(on_conflict).consent(ImportConsent::opted_in());
        app.contacts().batch_upsert([NewContact::new().phone(phone(1))]).options(options).send()
    };
    for on_conflict in [OnConflict::Skip, OnConflict::Merge, OnConflict::Fail] {
        let outcome = claim(on_conflict).await.expect("an outcome");
        outcome.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
        assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    }
    // Without a consent block, the contact is created and still opted out. Then a consent block fails
    // again.
    app.make_many([NewContact::new().phone(phone(1))]).await;
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    for on_conflict in [OnConflict::Skip, OnConflict::Merge] {
        let outcome = claim(on_conflict).await.expect("an outcome");
        outcome.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
        assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    }
}

#[apply(on_each_store!)]
async fn opt_out_survives_a_restart(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.restart().await;
    for n in [1, 2] {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut);
    }
}

#[apply(on_each_store!)]
async fn deleted_contact_without_an_opt_out_is_erased_until_they_opt_in_again(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.contacts().delete(phone(1)).await.expect("a receipt");
    let category = MessageCategory::Marketing;
    let answer = check(&app, phone(1), category).await;
    assert_eq!((answer.reason, answer.contact_id), (CheckReason::Erased, None));
    let again = app.make_contact(phone(1)).await;
    assert_eq!(again.opt_in.marketing, OptInStatus::NotAsked, "no opt-out");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::Erased);
    app.opt_in().record_opt_in(&again, OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
}
