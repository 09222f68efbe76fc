//! Contacts with a WhatsApp user id. Forms of a phone number are tested in `phone_forms`.

use contacts_sdk::{
    CheckReason, Contact, ImportConsent, ImportOptions, MessageCategory, NewContact, OnConflict,
    OptInSource, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

async fn by_user(app: &TestApp, id: &str) -> Result<Contact, contacts_sdk::Error> {
    app.contacts().get(Recipient::whatsapp_user_id(id)).await
}

/// The reason of a marketing check of a user id.
async fn reason_of(app: &TestApp, id: &str) -> CheckReason {
    let check = app.opt_in().check(Recipient::whatsapp_user_id(id), MessageCategory::Marketing);
    let check = check.await.expect("a check");
    assert_eq!(check.is_allowed(), check.reason == CheckReason::OptedIn, "{check:?}");
    check.reason
}

#[apply(on_each_store!)]
async fn contact_with_only_a_user_id_works_in_every_call(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let id = "US.13491208655302741918";
    let hidden = NewContact::new().whatsapp_user_id(id).first_name("Hidden").tag("vip");
    let made = app.contacts().create(hidden).await.expect("a contact");
    app.opt_in()
        .record_opt_in(Recipient::whatsapp_user_id(id), OptInSource::InboundMessage)
        .await
        .expect("an opt-in");
    assert!(app.opt_in().may_send(Recipient::whatsapp_user_id(id), MessageCategory::Utility).await);
    assert_eq!(app.contacts().count().query("hid").filter("tags:vip").await.expect("a count"), 1);
    let edit =
        app.contacts().update_tags().recipients([Recipient::whatsapp_user_id(id)]).remove("vip");
    assert_eq!(edit.await.expect("an edit").updated_count, 1);
    // Ids are opaque: case-sensitive, and valid only as a whole.
    by_user(&app, &id.to_lowercase())
        .await
        .refused_at(reason::INVALID_WHATSAPP_USER_ID, "whatsapp_user_id");
    by_user(&app, "US.1349120865530274191").await.refused_for(reason::CONTACT_NOT_FOUND);
    app.contacts().delete(&made).await.expect("a receipt");
    by_user(&app, id).await.refused_for(reason::CONTACT_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn user_ids_of_both_forms_are_accepted_and_others_rejected(app: TestApp) {
    for id in
        ["US.1", "BR.AbC123", "US.ENT.11815799212886844830", &format!("US.{}", "x".repeat(128))]
    {
        app.contacts().create(NewContact::new().whatsapp_user_id(id)).await.expect("a contact");
        by_user(&app, id).await.expect("a contact");
    }
    for id in [
        "us.1",
        "USA.1",
        "US.",
        "US.a b",
        " US.1",
        "US.1\0",
        "US.é",
        &format!("US.{}", "x".repeat(129)),
        "15551234567",
    ] {
        let made = app.contacts().create(NewContact::new().whatsapp_user_id(id)).await;
        made.refused_at(reason::INVALID_WHATSAPP_USER_ID, "contact.whatsapp_user_ids");
    }
}

#[apply(on_each_store!)]
async fn user_ids_can_be_set_changed_and_cleared(app: TestApp) {
    let made = app.make_opted_in(phone(1)).await;
    let set = |id: &str| app.contacts().update(phone(1)).whatsapp_user_ids([id]).send();
    let first = set("US.1").await.expect("a contact");
    assert_eq!(first.contact_id, made.contact_id);
    assert_eq!(by_user(&app, "US.1").await.expect("a contact"), first);
    // It joined after the opt-in, so it was never asked until the person opts in again.
    assert_eq!(reason_of(&app, "US.1").await, CheckReason::NotAsked);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(reason_of(&app, "US.1").await, CheckReason::OptedIn);

    // Meta assigns another id when a person changes their number. The former id still finds them.
    let second = set("US.2").await.expect("a contact");
    assert_eq!(second.former_whatsapp_user_ids, ["US.1"]);
    assert_eq!(by_user(&app, "US.1").await.expect("a contact"), second);
    assert_eq!(reason_of(&app, "US.1").await, CheckReason::FormerIdentity);
    // It may be somebody else's by now, so nothing is written under it.
    let named = app.contacts().update(Recipient::whatsapp_user_id("US.1")).first_name("Ana").await;
    named.refused_for(reason::FORMER_IDENTITY);
    assert_eq!(reason_of(&app, "US.2").await, CheckReason::NotAsked);

    let other = app.contacts().create(NewContact::new().whatsapp_user_id("US.3")).await;
    let other = other.expect("a contact");
    let error = set("US.3").await.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*other.contact_id));
    assert_eq!(error.metadata("field"), Some("contact.whatsapp_user_ids"));

    let none = Vec::<String>::new;
    let without = app.contacts().update(phone(1)).whatsapp_user_ids(none()).await;
    let without = without.expect("a contact");
    assert!(without.whatsapp_user_ids.is_empty());
    assert_eq!(without.former_whatsapp_user_ids, ["US.1", "US.2"]);
    assert_eq!(reason_of(&app, "US.2").await, CheckReason::FormerIdentity);
    assert!(app.opt_in().may_send(phone(1), MessageCategory::Marketing).await);

    // The last identifier of a contact cannot be cleared.
    let nameless = app.contacts().update(&other).whatsapp_user_ids(none()).await;
    nameless.refused_at(reason::REQUIRED_FIELD_MISSING, "contact.phone_number");
}

#[apply(on_each_store!)]
async fn number_can_be_added_to_a_contact_without_one(app: TestApp) {
    let hidden = NewContact::new().whatsapp_user_id("US.1");
    let hidden = app.contacts().create(hidden).await.expect("a contact");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    let contact = contacts_proto::v1::Contact {
        contact_id: hidden.contact_id.clone(),
        phone_number: phone(2),
        ..Default::default()
    };
    let request =
        contacts_proto::v1::UpdateContactRequest { contact: Some(contact), ..Default::default() };
    let after = app.client().raw_contacts().update_contact(request).await.expect("a contact");
    let after = Contact::from(after.into_inner().contact.expect("a contact"));
    assert_eq!((after.contact_id, after.phone_number), (hidden.contact_id, Some(phone(2))));
    // A statement recorded for the number applies.
    let by_phone = app.opt_in().check(phone(2), MessageCategory::Marketing).await;
    assert_eq!(by_phone.expect("a check").reason, CheckReason::OptedOut);
    let by_user =
        app.opt_in().check(Recipient::whatsapp_user_id("US.1"), MessageCategory::Marketing).await;
    assert_eq!(by_user.expect("a check").reason, CheckReason::OptedOut);
}

#[apply(on_each_store!)]
async fn every_call_accepts_a_user_id(app: TestApp) {
    let ana = || Recipient::whatsapp_user_id("US.1");
    let row = || vec![NewContact::new().whatsapp_user_id("US.1").first_name("Ana")];
    let import = |consent: Option<ImportConsent>| {
        let mut options = ImportOptions::new().on_conflict(OnConflict::Merge);
        if let Some(consent) = consent {
            options = options.consent(consent);
        }
        app.contacts().batch_upsert(row()).options(options).send()
    };
    assert_eq!(import(None).await.expect("an import").created, 1);
    let made = by_user(&app, "US.1").await.expect("a contact");
    assert_eq!((made.phone_number.as_deref(), made.first_name.as_deref()), (None, Some("Ana")));
    let again = app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await;
    let error = again.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*made.contact_id));
    let batch = app.contacts().batch_get([ana(), Recipient::whatsapp_user_id("US.9")]).await;
    let batch = batch.expect("results");
    assert_eq!(batch[0].as_ref().expect("a contact"), &made);
    batch[1].clone().refused_for(reason::CONTACT_NOT_FOUND);

    let outcome = import(Some(ImportConsent::opted_in())).await.expect("an import");
    assert_eq!((outcome.updated, outcome.failures.len()), (1, 0));
    assert!(app.opt_in().may_send(ana(), MessageCategory::Marketing).await);
    app.opt_in().record_opt_out(ana()).await.expect("an opt-out");
    assert!(!app.opt_in().may_send(ana(), MessageCategory::Marketing).await);
    let outcome = import(Some(ImportConsent::opted_in())).await.expect("an import");
    outcome.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
    assert_eq!(app.opt_in().events(ana()).await.expect("events").items.len(), 2);
    app.contacts().update(ana()).last_name("Souza").await.expect("a contact");

    let other = app.make_contact(phone(5)).await;
    app.contacts().merge(&other, ana()).await.expect("a contact");
    let linked =
        app.contacts().link_identity(ana()).whatsapp_user_id("US.2").replaces("US.1").await;
    assert_eq!(linked.expect("a contact").former_whatsapp_user_ids, ["US.1"]);
    // Under a former id, which may be somebody else's, nothing is exported or erased.
    let export = app.contacts().export_data(ana()).await.map(drop);
    let erasure = app.contacts().delete(ana()).await.map(drop);
    for refused in [export, erasure] {
        let error = refused.refused_for(reason::FORMER_IDENTITY);
        assert_eq!(error.metadata("contact_id"), Some(&*other.contact_id));
    }
    by_user(&app, "US.1").await.expect("still there");
    let ana = || Recipient::whatsapp_user_id("US.2");
    let data = app.contacts().export_data(ana()).await.expect("an export");
    assert_eq!(data.contact.expect("a contact").contact_id, other.contact_id);
    app.contacts().delete(ana()).await.expect("a receipt");
    for id in ["US.1", "US.2"] {
        by_user(&app, id).await.refused_for(reason::CONTACT_NOT_FOUND);
    }
}
