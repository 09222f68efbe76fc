//! LinkIdentity: sets a new phone number or user id of a contact.

use contacts_proto::v1;
use contacts_sdk::{
    CheckReason, Contact, ImportOptions, MessageCategory, NewContact, OnConflict, OptInStatus,
    Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

/// A contact that opted in as `phone(1)` and has the number `phone(2)` now.
async fn moved(app: &TestApp) -> Contact {
    app.make_opted_in(phone(1)).await;
    app.contacts().link_identity(phone(1)).phone(phone(2)).await.expect("a contact")
}

#[apply(on_each_store!)]
async fn new_number_keeps_the_contact_and_its_events(app: TestApp) {
    let before = app.make_opted_in(phone(1)).await;
    let after = app
        .contacts()
        .link_identity(phone(1))
        .phone(phone(2))
        .whatsapp_user_id("US.2")
        .await
        .expect("a contact");
    assert_eq!(after.contact_id, before.contact_id);
    assert_eq!(after.phone_number, Some(phone(2)));
    assert_eq!(after.former_phone_numbers, [phone(1)]);
    assert_eq!(after.opt_in.marketing, OptInStatus::OptedIn);
    assert_ne!(after.etag, before.etag);
    for person in [
        Recipient::phone(phone(1)),
        Recipient::phone(phone(2)),
        Recipient::whatsapp_user_id("US.2"),
        Recipient::from(&before),
    ] {
        assert_eq!(app.contacts().get(person.clone()).await.expect("a contact"), after);
        assert_eq!(reason_of(&app, person.clone()).await, CheckReason::OptedIn);
        assert_eq!(app.opt_in().events(person).await.expect("events").items.len(), 1);
    }
    let answers = app.opt_in().check_batch(&[phone(1), phone(2)], MARKETING).await;
    assert_eq!(answers.expect("answers").allowed_indexes().count(), 2);
    let number = format!("phone_number = \"{}\"", phone(2));
    assert_eq!(app.contacts().count().filter(number).await.expect("a count"), 1);
}

#[apply(on_each_store!)]
async fn opt_out_from_the_former_number_applies(app: TestApp) {
    let moved = moved(&app).await;
    let record = app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    assert_eq!(record.event.contact_id.as_deref(), Some(&*moved.contact_id));
    for n in [1, 2] {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
    }
    let segment = app.contacts().count().filter("opt_in = OPTED_IN").await;
    assert_eq!(segment.expect("a count"), 0);
}

#[apply(on_each_store!)]
async fn opt_out_of_the_new_number_applies_to_the_contact(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.opt_in().record_opt_out(phone(2)).reason_text("STOP").await.expect("an opt-out");
    app.opt_in().record_opt_out(Recipient::whatsapp_user_id("US.3")).await.expect("an opt-out");
    let linked = app.contacts().link_identity(phone(1)).phone(phone(2)).await.expect("a contact");
    assert_eq!(linked.opt_in.marketing, OptInStatus::OptedOut);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(app.opt_in().events(&linked).await.expect("events").items.len(), 2);

    app.make_opted_in(phone(3)).await;
    let link = app.contacts().link_identity(phone(3)).whatsapp_user_id("US.3");
    assert_eq!(link.await.expect("a contact").opt_in.marketing, OptInStatus::OptedOut);
}

#[apply(on_each_store!)]
async fn ids_of_another_contact_are_rejected(app: TestApp) {
    let moved = moved(&app).await;
    let other = app.make_contact(phone(3)).await;
    for (n, former) in [(1, Some("true")), (2, None)] {
        let error = app.contacts().link_identity(&other).phone(phone(n)).await;
        let error = error.refused_for(reason::CONTACT_ALREADY_EXISTS);
        assert_eq!(error.existing_contact_id(), Some(&*moved.contact_id));
        assert_eq!(error.metadata("former"), former);
        assert_eq!(error.metadata("field"), Some("new_phone_number"));
        assert!(error.message().contains("MergeContacts"), "{error}");
        assert_eq!(error.message().contains("former phone number"), former.is_some(), "{error}");

        let made = app.contacts().create(NewContact::new().phone(phone(n))).await;
        let error = made.refused_for(reason::CONTACT_ALREADY_EXISTS);
        assert_eq!(error.existing_contact_id(), Some(&*moved.contact_id));
        assert_eq!(error.metadata("former"), former);
    }
    assert_eq!(app.contacts().get(phone(3)).await.expect("a contact"), other);
}

#[apply(on_each_store!)]
async fn former_number_can_become_current_again(app: TestApp) {
    let moved = moved(&app).await;
    let back = app.contacts().link_identity(phone(2)).phone(phone(1)).await.expect("a contact");
    assert_eq!(back.contact_id, moved.contact_id);
    assert_eq!((back.phone_number, back.former_phone_numbers), (Some(phone(1)), vec![phone(2)]));
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::OptedIn);
    // Sent again, it changes nothing.
    let again = app.contacts().link_identity(phone(2)).phone(phone(1)).await.expect("a contact");
    assert_eq!(again.etag, back.etag);
}

#[apply(on_each_store!)]
async fn recycled_number_is_released_with_its_opt_out(app: TestApp) {
    let moved = moved(&app).await;
    let released = app.contacts().link_identity(&moved).release(phone(1)).await;
    assert!(released.expect("a contact").former_phone_numbers.is_empty());
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::UnknownContact);
    let next = app.make_contact(phone(1)).await;
    assert_eq!(next.opt_in.marketing, OptInStatus::NotAsked);

    // Released in the call that replaces it, by a contact that opted out.
    app.opt_in().record_opt_out(&moved).await.expect("an opt-out");
    let replaced = app.contacts().link_identity(&moved).phone(phone(3)).release(phone(2)).await;
    assert!(replaced.expect("a contact").former_phone_numbers.is_empty());
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::OptedOut);
    let next = app.make_contact(phone(2)).await;
    assert_eq!(next.opt_in.marketing, OptInStatus::OptedOut);
}

#[apply(on_each_store!)]
async fn only_former_ids_are_released(app: TestApp) {
    let moved = moved(&app).await;
    for what in [phone(2), phone(9), "US.1".to_owned()] {
        let link = app.contacts().link_identity(&moved).release(what).await;
        link.refused_at(reason::INVALID_ARGUMENT, "release");
    }
    let link = app.contacts().link_identity(&moved).release("12").await;
    link.refused_at(reason::INVALID_PHONE_NUMBER, "release");
    let nothing = app.contacts().link_identity(&moved).await;
    nothing.refused_at(reason::REQUIRED_FIELD_MISSING, "new_phone_number");
    let bad = app.contacts().link_identity(&moved).phone("12").await;
    bad.refused_at(reason::INVALID_PHONE_NUMBER, "new_phone_number");
    let bad = app.contacts().link_identity(&moved).whatsapp_user_id("12").await;
    bad.refused_at(reason::INVALID_WHATSAPP_USER_ID, "new_whatsapp_user_id");
    let nobody = app.contacts().link_identity(phone(9)).phone(phone(8)).await;
    nobody.refused_for(reason::CONTACT_NOT_FOUND);
    assert_eq!(app.contacts().get(&moved).await.expect("a contact"), moved);
}

#[apply(on_each_store!)]
async fn former_numbers_are_limited_to_50(app: TestApp) {
    let made = app.make_contact(phone(0)).await;
    for n in 1..=50 {
        app.contacts().link_identity(&made).phone(phone(n)).await.expect("a contact");
    }
    let link = || app.contacts().link_identity(&made).phone(phone(51));
    let error = link().await.refused_at(reason::LIMIT_EXCEEDED, "former_phone_numbers");
    assert_eq!(error.metadata("limit"), Some("50"));
    assert_eq!(link().release(phone(0)).await.expect("room again").phone_number, Some(phone(51)));
}

#[apply(on_each_store!)]
async fn link_is_idempotent_and_checks_the_etag(app: TestApp) {
    let made = app.make_contact(phone(1)).await;
    let id = "2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11";
    let link = || app.contacts().link_identity(phone(1)).phone(phone(2)).request_id(id);
    let first = link().etag(&made.etag).await.expect("a contact");
    assert_eq!(link().etag(&made.etag).await.expect("the same answer"), first);
    let stale = app.contacts().link_identity(phone(1)).phone(phone(3)).etag(&made.etag).await;
    stale.refused_for(reason::ETAG_MISMATCH);
}

#[apply(on_each_store!)]
async fn update_by_a_former_number_does_not_change_the_number(app: TestApp) {
    let moved = moved(&app).await;
    let updated = app.contacts().update(phone(1)).first_name("Ana").await.expect("a contact");
    assert_eq!(updated.phone_number, Some(phone(2)));
    let update = |contact_id: &str, n| {
        let contact = v1::Contact {
            contact_id: contact_id.to_owned(),
            phone_number: phone(n),
            last_name: "Souza".to_owned(),
            ..v1::Contact::default()
        };
        let request = v1::UpdateContactRequest { contact: Some(contact), ..Default::default() };
        let mut contacts = app.client().raw_contacts();
        async move { contacts.update_contact(request).await }
    };
    update("", 1).await.expect("named by the former number, without a mask");
    for n in [1, 3] {
        let error = update(&moved.contact_id, n).await;
        let error = error.refused_at(reason::IMMUTABLE_FIELD, "contact.phone_number");
        assert!(error.message().contains("LinkIdentity"), "{error}");
    }
    let kept = app.contacts().get(&moved).await.expect("a contact");
    assert_eq!(kept.phone_number, Some(phone(2)));
}

#[apply(on_each_store!)]
async fn import_finds_a_contact_by_a_former_number(app: TestApp) {
    let moved = moved(&app).await;
    let rows = || vec![NewContact::new().phone(phone(1)).first_name("Ana")];
    let upsert = |on_conflict| {
        let options = ImportOptions::new().on_conflict(on_conflict);
        app.contacts().batch_upsert(rows()).options(options).send()
    };
    assert_eq!(upsert(OnConflict::Merge).await.expect("an import").updated, 1);
    let failed = upsert(OnConflict::Fail).await.expect("an import").failures.remove(0);
    let error = failed.error.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.metadata("former"), Some("true"));
    let merged = app.contacts().get(&moved).await.expect("a contact");
    assert_eq!((merged.phone_number, merged.first_name.as_deref()), (Some(phone(2)), Some("Ana")));
}

#[apply(on_each_store!)]
async fn deletion_covers_former_numbers(app: TestApp) {
    let moved = moved(&app).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.contacts().delete(&moved).await.expect("a receipt");
    for n in [1, 2] {
        app.contacts().get(phone(n)).await.refused_for(reason::CONTACT_NOT_FOUND);
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
        assert!(app.opt_in().events(phone(n)).await.expect("events").items.is_empty());
    }
}

#[apply(on_each_store!)]
async fn former_ids_are_read_only_and_not_in_the_basic_view(app: TestApp) {
    let moved = moved(&app).await;
    let basic = app.contacts().get(&moved).view(contacts_sdk::ContactView::Basic).await;
    assert!(basic.expect("a contact").former_phone_numbers.is_empty());
    let contact = v1::Contact {
        phone_number: phone(5),
        former_phone_numbers: vec![phone(6)],
        ..v1::Contact::default()
    };
    let request = v1::CreateContactRequest { contact: Some(contact), ..Default::default() };
    let made = app.client().raw_contacts().create_contact(request).await;
    made.refused_at(reason::OUTPUT_ONLY_FIELD, "contact.former_phone_numbers");
}
