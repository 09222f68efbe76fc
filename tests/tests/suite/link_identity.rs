//! LinkIdentity: sets a new phone number or user id of a contact.

use contacts_proto::v1;
use contacts_sdk::{
    CheckReason, Contact, Evidence, ImportConsent, ImportOptions, MessageCategory, NewContact,
    OnConflict, OptInEventKind, OptInSource, OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

/// The kinds of the listed events, newest first.
async fn kinds(app: &TestApp, person: impl Into<Recipient>) -> Vec<OptInEventKind> {
    let events = app.opt_in().events(person).await.expect("events").items;
    events.iter().map(|event| event.kind).collect()
}

/// A contact that opted in as `phone(1)` and has the number `phone(2)` now.
async fn moved(app: &TestApp) -> Contact {
    app.make_opted_in(phone(1)).await;
    app.contacts().link_identity(phone(1)).phone(phone(2)).await.expect("a contact")
}

/// Links a new number and a user id to a contact that opted in as `phone(1)`.
async fn moved_to_two_ids(app: &TestApp, carry: bool) -> (Contact, Contact) {
    let before = app.make_opted_in(phone(1)).await;
    let mut link = app.contacts().link_identity(phone(1)).phone(phone(2)).whatsapp_user_id("US.2");
    if carry {
        link = link.carry_opt_in(OptInSource::Platform, Evidence::new().message_id("wamid.1"));
    }
    (before, link.await.expect("a contact"))
}

/// A yes belongs to the identity it was given under.
#[apply(on_each_store!)]
async fn new_number_keeps_the_contact_and_its_events_but_not_its_opt_in(app: TestApp) {
    let (before, after) = moved_to_two_ids(&app, false).await;
    assert_eq!(after.contact_id, before.contact_id);
    assert_eq!(after.phone_number, Some(phone(2)));
    assert_eq!(after.former_phone_numbers, [phone(1)]);
    assert_eq!(after.opt_in.marketing, OptInStatus::NotAsked);
    assert_ne!(after.etag, before.etag);
    for (person, expected) in [
        (Recipient::phone(phone(1)), CheckReason::FormerIdentity),
        (Recipient::phone(phone(2)), CheckReason::NotAsked),
        (Recipient::whatsapp_user_id("US.2"), CheckReason::NotAsked),
        (Recipient::from(&before), CheckReason::NotAsked),
    ] {
        assert_eq!(app.contacts().get(person.clone()).await.expect("a contact"), after);
        let check = app.opt_in().check(person.clone(), MARKETING).await.expect("a check");
        assert_eq!((check.reason, check.is_allowed()), (expected, false), "{person:?}");
        assert_eq!(check.contact_id.as_deref(), Some(&*before.contact_id), "{person:?}");
        let linked = OptInEventKind::Linked;
        assert_eq!(kinds(&app, person).await, [linked, linked, OptInEventKind::OptIn]);
    }
    let answers = app.opt_in().check_batch(&[phone(1), phone(2)], MARKETING).await;
    assert_eq!(answers.expect("answers").allowed_indexes().count(), 0);
    let number = format!("phone_number = \"{}\"", phone(2));
    assert_eq!(app.contacts().count().filter(number).await.expect("a count"), 1);
    let segment = app.contacts().count().filter("opt_in = OPTED_IN").await;
    assert_eq!(segment.expect("a count"), 0);
}

/// A link that says why carries the permissions, and never to the former number.
#[apply(on_each_store!)]
async fn carried_opt_in_holds_for_the_new_ids_only(app: TestApp) {
    let (before, after) = moved_to_two_ids(&app, true).await;
    assert_eq!(after.contact_id, before.contact_id);
    assert_eq!(after.opt_in.marketing, OptInStatus::OptedIn);
    for (person, expected) in [
        (Recipient::phone(phone(1)), CheckReason::FormerIdentity),
        (Recipient::phone(phone(2)), CheckReason::OptedIn),
        (Recipient::whatsapp_user_id("US.2"), CheckReason::OptedIn),
        (Recipient::from(&before), CheckReason::OptedIn),
    ] {
        assert_eq!(app.contacts().get(person.clone()).await.expect("a contact"), after);
        assert_eq!(reason_of(&app, person.clone()).await, expected, "{person:?}");
        let events = app.opt_in().events(person).await.expect("events").items;
        assert_eq!(events.len(), 3);
        for linked in &events[..2] {
            assert_eq!(linked.kind, OptInEventKind::Linked);
            assert_eq!(linked.source, OptInSource::Platform);
            assert_eq!(linked.evidence.message_id, "wamid.1");
        }
        assert_eq!(events[2].kind, OptInEventKind::OptIn);
    }
    let answers = app.opt_in().check_batch(&[phone(1), phone(2)], MARKETING).await;
    assert_eq!(answers.expect("answers").allowed_indexes().collect::<Vec<_>>(), [1]);
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
    for n in [1, 2] {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
    }
    // The link, and that the objection counts for the contact, are events.
    use OptInEventKind::{Claimed, Linked, OptIn, OptOut};
    assert_eq!(kinds(&app, &linked).await, [Claimed, Linked, OptOut, OptIn]);

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
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::FormerIdentity);
    // It may have been somebody else's in between: what was permitted under it is over.
    assert_eq!(back.opt_in.marketing, OptInStatus::NotAsked);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::Expired);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
    // Sent again, it changes nothing, also under the number that is a former one since.
    let again = app.contacts().link_identity(phone(2)).phone(phone(1)).await.expect("a contact");
    assert_eq!(again.etag, back.etag);
    let again = app.contacts().link_identity(&moved).phone(phone(1)).await.expect("a contact");
    assert_eq!(again.etag, back.etag);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
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

/// No limit makes a change of number fail.
#[apply(on_each_store!)]
async fn former_ids_beyond_50_are_released_with_their_objections(app: TestApp) {
    let made = app.make_contact(phone(0)).await;
    let link = |n| app.contacts().link_identity(&made).phone(phone(n)).send();
    for n in 1..=50 {
        link(n).await.expect("a contact");
    }
    assert_eq!(reason_of(&app, phone(0)).await, CheckReason::FormerIdentity);
    let linked = link(51).await.expect("the oldest is released");
    assert_eq!(linked.phone_number, Some(phone(51)));
    let kept: Vec<_> = (1..=50).map(phone).collect();
    assert_eq!(linked.former_phone_numbers, kept);
    assert_eq!(reason_of(&app, phone(0)).await, CheckReason::UnknownContact);
    assert_eq!(app.make_contact(phone(0)).await.opt_in.marketing, OptInStatus::NotAsked);

    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let linked = link(52).await.expect("the oldest is released");
    assert_eq!(linked.former_phone_numbers.len(), 50);
    assert_eq!(linked.former_phone_numbers[0], phone(2));
    for n in [1, 2, 52] {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
    }
    let next = app.make_contact(phone(1)).await;
    assert_eq!(next.opt_in.marketing, OptInStatus::OptedOut);

    for n in 0..=51 {
        let link = app.contacts().link_identity(&made).whatsapp_user_id(format!("US.{n}"));
        let link = if n == 0 { link } else { link.replaces(format!("US.{}", n - 1)) };
        link.await.expect("a contact");
    }
    let linked = app.contacts().get(&made).await.expect("a contact");
    assert_eq!(linked.former_whatsapp_user_ids.len(), 50);
    assert_eq!(linked.former_whatsapp_user_ids[0], "US.1");
    let released = app.contacts().get(Recipient::whatsapp_user_id("US.0")).await;
    released.refused_for(reason::CONTACT_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn link_is_idempotent_and_checks_the_etag(app: TestApp) {
    let made = app.make_contact(phone(1)).await;
    let id = "2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11";
    let link = || app.contacts().link_identity(phone(1)).phone(phone(2)).request_id(id);
    let first = link().etag(&made.etag).await.expect("a contact");
    assert_eq!(link().etag(&made.etag).await.expect("the same answer"), first);
    let stale = app.contacts().link_identity(&made).phone(phone(3)).etag(&made.etag).await;
    stale.refused_for(reason::ETAG_MISMATCH);
    // Another link under the former number is refused: it may be somebody else's.
    let former = app.contacts().link_identity(phone(1)).phone(phone(3)).etag(&made.etag).await;
    let error = former.refused_for(reason::FORMER_IDENTITY);
    assert_eq!(error.metadata("contact_id"), Some(&*made.contact_id));
    assert_eq!(app.contacts().get(&made).await.expect("a contact"), first);
}

#[apply(on_each_store!)]
async fn update_by_a_former_number_changes_nothing(app: TestApp) {
    let moved = moved(&app).await;
    let updated = app.contacts().update(phone(1)).first_name("Ana").await;
    updated.refused_for(reason::FORMER_IDENTITY);
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
    let unmasked = update("", 1).await;
    unmasked.refused_for(reason::FORMER_IDENTITY);
    for n in [1, 3] {
        let error = update(&moved.contact_id, n).await;
        let error = error.refused_at(reason::IMMUTABLE_FIELD, "contact.phone_number");
        assert!(error.message().contains("LinkIdentity"), "{error}");
    }
    let kept = app.contacts().get(&moved).await.expect("a contact");
    assert_eq!((kept.phone_number, kept.first_name), (Some(phone(2)), None));
}

/// It may be somebody else's number by now. Only an objection counts.
#[apply(on_each_store!)]
async fn import_row_with_a_former_number_is_refused(app: TestApp) {
    let moved = moved(&app).await;
    let upsert = |on_conflict, consent: Option<ImportConsent>| {
        let mut options = ImportOptions::new().on_conflict(on_conflict);
        if let Some(consent) = consent {
            options = options.consent(consent);
        }
        let row = NewContact::new().phone(phone(1)).first_name("Ana");
        app.contacts().batch_upsert([row]).options(options).send()
    };
    for on_conflict in [OnConflict::Merge, OnConflict::Skip, OnConflict::Fail] {
        for consent in [None, Some(ImportConsent::opted_in())] {
            let mut outcome = upsert(on_conflict, consent).await.expect("an import");
            assert_eq!((outcome.created, outcome.updated, outcome.unchanged), (0, 0, 0));
            let error = outcome.failures.remove(0).error.refused_for(reason::FORMER_IDENTITY);
            assert_eq!(error.metadata("contact_id"), Some(&*moved.contact_id));
        }
    }
    assert_eq!(app.contacts().get(&moved).await.expect("a contact"), moved);
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::NotAsked);

    let outcome = upsert(OnConflict::Merge, Some(ImportConsent::opted_out())).await;
    let error = outcome.expect("an import").failures.remove(0).error;
    let error = error.refused_for(reason::FORMER_IDENTITY);
    assert_eq!(error.metadata("opt_out"), Some("recorded"));
    for n in [1, 2] {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
    }
    let kept = app.contacts().get(&moved).await.expect("a contact");
    assert_eq!((kept.phone_number, kept.first_name), (Some(phone(2)), None));
}

#[apply(on_each_store!)]
async fn deletion_covers_former_numbers(app: TestApp) {
    let moved = moved(&app).await;
    let record = app.opt_in().record_opt_out(phone(1)).reason_text("STOP");
    let stop = record.await.expect("an opt-out").event.event_id;
    let under_former = app.contacts().delete(phone(1)).await;
    under_former.map(drop).refused_for(reason::FORMER_IDENTITY);
    app.contacts().delete(&moved).await.expect("a receipt");
    for n in [1, 2] {
        app.contacts().get(phone(n)).await.refused_for(reason::CONTACT_NOT_FOUND);
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
        // The erasure and what still stands, without details.
        let events = app.opt_in().events(phone(n)).await.expect("events").items;
        let listed: Vec<_> = events.iter().map(|event| event.kind).collect();
        assert_eq!(listed, [OptInEventKind::Erased, OptInEventKind::OptOut], "{n}");
        assert_eq!(events[1].event_id, stop);
        assert!(events.iter().all(|event| event.reason_text.is_empty()), "{n}");
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

#[apply(on_each_store!)]
async fn identities_show_no_opt_in_while_an_erasure_stands(app: TestApp) {
    app.make_contact(phone(1)).await;
    app.contacts().delete(phone(1)).await.expect("a receipt");
    app.make_opted_in(phone(2)).await;
    let shown = async || {
        let contact = app.contacts().get(phone(1)).await.expect("a contact");
        let consents = contact.identities.iter().flat_map(|identity| identity.consents.clone());
        let shown = consents.map(|consent| (consent.status, consent.event_id.is_some()));
        shown.collect::<Vec<_>>()
    };
    app.contacts().link_identity(phone(2)).phone(phone(1)).await.expect("linked");
    assert_eq!(shown().await, [(OptInStatus::NotAsked, false); 6]);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(shown().await, [(OptInStatus::OptedIn, true); 6]);
}
