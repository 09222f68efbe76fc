//! Different forms of one person's phone number, in every call that takes one.

use contacts_sdk::{
    CheckReason, Contact, ImportOptions, MessageCategory, NewContact, OnConflict, OptInEvent,
    OptInEventKind, OptInSource, OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

/// Two forms of one person's number.
const SAME: [(&str, &str); 7] = [
    // Brazil, mobile: an area code whose WhatsApp ids keep the ninth digit, and one whose ids omit it.
    ("5521987654321", "552187654321"),
    ("5547961234567", "554761234567"),
    // Mexico and Argentina.
    ("5215512345678", "525512345678"),
    ("5491123456789", "541123456789"),
    ("5493511234567", "543511234567"),
    // Separators.
    ("15551234567", "+1 (555) 123-4567"),
    ("447700900123", "44 7700 900-123"),
];

/// Similar numbers of different people.
const DIFFERENT: [(&str, &str); 6] = [
    // A Brazilian landline never had a ninth digit, and mobiles 9[1-5] never had a short form.
    ("5521922345678", "552122345678"),
    ("5511933334444", "551133334444"),
    ("5511951234567", "551151234567"),
    ("5547915556666", "554715556666"),
    // The same digits in a country that has no second form.
    ("5619876543210", "561876543210"),
    ("15551234567", "155512345678"),
];

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

async fn events(app: &TestApp, number: &str) -> Vec<OptInEvent> {
    app.opt_in().events(number).await.expect("events").items
}

#[apply(on_each_store!)]
async fn every_call_treats_both_forms_as_one_person(app: TestApp) {
    let other = app.make_contact(phone(1)).await;
    for (one, two) in SAME {
        for (stored, form) in [(one, two), (two, one)] {
            let made = app.make_contact(stored).await;
            let digits: String = stored.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(made.phone_number.as_deref(), Some(&*digits), "kept as it came");
            profile_calls(&app, &made, stored, form).await;
            identity_calls(&app, &made, form, &other).await;
            import_calls(&app, &made, form).await;
            consent_calls(&app, &made, stored, form).await;
            app.contacts().delete(form).await.expect("a receipt");
            app.contacts().get(stored).await.refused_for(reason::CONTACT_NOT_FOUND);
            // An opt-out of one form applies to the other.
            let again = app.make_contact(form).await;
            assert_eq!(again.opt_in.marketing, OptInStatus::OptedOut, "{form}");
            app.contacts().delete(&again).await.expect("a receipt");
            opt_outs_of_non_contacts(&app, stored, form).await;
        }
    }
}

async fn profile_calls(app: &TestApp, made: &Contact, stored: &str, form: &str) {
    let again = app.contacts().create(NewContact::new().phone(form)).await;
    let error = again.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*made.contact_id), "{stored} {form}");
    assert_eq!(app.contacts().get(form).await.expect("a contact"), *made);
    let batch = app.contacts().batch_get([form, stored]).await.expect("results");
    assert!(batch.into_iter().all(|found| found.expect("a contact") == *made), "{form}");
    let updated = app.contacts().update(form).first_name("Ana").await.expect("a contact");
    assert_eq!(
        (&updated.contact_id, &updated.phone_number),
        (&made.contact_id, &made.phone_number)
    );
}

async fn identity_calls(app: &TestApp, made: &Contact, form: &str, other: &Contact) {
    let taken = app.contacts().link_identity(other).phone(form).await;
    let error = taken.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*made.contact_id), "{form}");
    let same = app.contacts().link_identity(made).phone(form).await.expect("a contact");
    assert_eq!(same.phone_number, made.phone_number, "another form is no change");
    assert!(same.former_phone_numbers.is_empty());

    let moved = app.contacts().link_identity(form).phone(phone(2)).await.expect("a contact");
    assert_eq!(moved.former_phone_numbers, made.phone_number.as_slice());
    assert_eq!(app.contacts().get(form).await.expect("a contact"), moved, "{form}");
    let again = app.contacts().create(NewContact::new().phone(form)).await;
    let error = again.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.metadata("former"), Some("true"));
    let back = app.contacts().link_identity(made).phone(form).release(phone(2)).await;
    let back = back.expect("a contact");
    assert!(back.former_phone_numbers.is_empty(), "{back:?}");
}

async fn import_calls(app: &TestApp, made: &Contact, form: &str) {
    let upsert = |on_conflict| {
        let row = NewContact::new().phone(form).last_name("Souza");
        let options = ImportOptions::new().on_conflict(on_conflict);
        app.contacts().batch_upsert([row]).options(options).send()
    };
    assert_eq!(upsert(OnConflict::Skip).await.expect("an import").unchanged, 1, "{form}");
    assert_eq!(upsert(OnConflict::Merge).await.expect("an import").updated, 1, "{form}");
    let failed = upsert(OnConflict::Fail).await.expect("an import").failures.remove(0);
    let error = failed.error.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*made.contact_id), "{form}");
}

async fn consent_calls(app: &TestApp, made: &Contact, stored: &str, form: &str) {
    // What was recorded before, of links and releases.
    let before = events(app, stored).await;
    assert_eq!(events(app, form).await, before, "{form}");
    app.opt_in().record_opt_in(form, OptInSource::WebForm).await.expect("an opt-in");
    let answers = app.opt_in().check_batch([stored, form], MARKETING).await.expect("answers");
    assert_eq!(answers.allowed_indexes().count(), 2, "{form}");
    let record = app.opt_in().record_opt_out(form).await.expect("an opt-out");
    assert_eq!(record.event.contact_id.as_deref(), Some(&*made.contact_id));
    for number in [stored, form] {
        assert_eq!(reason_of(app, number).await, CheckReason::OptedOut, "{number}");
        let events = events(app, number).await;
        let kinds: Vec<_> = events[..2].iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [OptInEventKind::OptOut, OptInEventKind::OptIn], "{number}");
        assert_eq!(events[2..], before, "{number}");
    }
    let answers = app.opt_in().check_batch([stored, form], MARKETING).await.expect("answers");
    assert_eq!(answers.allowed_indexes().count(), 0, "{form}");
}

async fn opt_outs_of_non_contacts(app: &TestApp, stored: &str, form: &str) {
    app.opt_in().record_opt_out(form).await.expect("an opt-out");
    let mover = app.make_opted_in(phone(3)).await;
    let moved = app.contacts().link_identity(&mover).phone(stored).await.expect("a contact");
    assert_eq!(moved.opt_in.marketing, OptInStatus::OptedOut, "{stored} {form}");
    app.contacts().delete(&mover).await.expect("a receipt");
    for number in [stored.to_owned(), phone(3)] {
        assert_eq!(reason_of(app, number).await, CheckReason::OptedOut, "{stored}");
    }
    // Deletes the contact, for the next two forms.
    let next = app.make_contact(phone(3)).await;
    app.opt_in().record_opt_in(&next, OptInSource::WebForm).await.expect("an opt-in");
    app.contacts().delete(&next).await.expect("a receipt");
}

#[apply(on_each_store!)]
async fn similar_numbers_are_different_people(app: TestApp) {
    for (one, other) in DIFFERENT {
        // The second time, they were erased themselves.
        let (unknown, erased) = (CheckReason::UnknownContact, CheckReason::Erased);
        for (stored, alike, expected) in [(one, other, unknown), (other, one, erased)] {
            let made = app.make_opted_in(stored).await;
            app.contacts().get(alike).await.refused_for(reason::CONTACT_NOT_FOUND);
            assert_eq!(reason_of(&app, alike).await, expected, "{alike}");
            let two = app.make_contact(alike).await;
            app.opt_in().record_opt_out(alike).await.expect("an opt-out");
            assert_eq!(reason_of(&app, stored).await, CheckReason::OptedIn, "{stored} {alike}");
            let answers = app.opt_in().check_batch([stored, alike], MARKETING).await;
            let allowed: Vec<_> = answers.expect("answers").allowed_indexes().collect();
            assert_eq!(allowed, [0], "{stored} {alike}");
            // Lifts the opt-out before the other direction is tested.
            app.opt_in().record_opt_in(&two, OptInSource::WebForm).await.expect("an opt-in");
            app.contacts().delete(&made).await.expect("a receipt");
            app.contacts().delete(&two).await.expect("a receipt");
        }
    }
}

#[apply(on_each_store!)]
async fn filters_take_every_form(app: TestApp) {
    for (stored, other) in SAME {
        app.contacts().create(NewContact::new().phone(stored)).await.expect("a contact");
        let count =
            async |filter: String| app.contacts().count().filter(filter).await.expect("a count");
        let all = count(String::new()).await;
        for form in [stored, other] {
            assert_eq!(count(format!("phone_number = \"{form}\"")).await, 1, "{form}");
            assert_eq!(count(format!("phone_number IN (\"{form}\", 15550000001)")).await, 1);
            assert_eq!(count(format!("phone_number != \"{form}\"")).await, all - 1, "{form}");
            assert_eq!(count(format!("NOT phone_number = \"{form}\"")).await, all - 1, "{form}");
        }
    }
    for (one, other) in DIFFERENT {
        app.contacts().create(NewContact::new().phone(one)).await.ok();
        let filter = format!("phone_number = \"{other}\" AND NOT phone_number IN (\"{one}\")");
        assert_eq!(app.contacts().count().filter(filter).await.expect("a count"), 0, "{other}");
    }
}
