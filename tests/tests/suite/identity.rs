//! Who is one person: forms of a phone number, and user ids.

use contacts_sdk::{
    CheckReason, Contact, MessageCategory, NewContact, OptInSource, OptInStatus, Person, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

/// Two forms of one person's number.
const SAME: [(&str, &str); 5] = [
    ("5521987654321", "552187654321"),
    ("5215512345678", "525512345678"),
    ("5491123456789", "541123456789"),
    ("15551234567", "+1 (555) 123-4567"),
    ("447700900123", "44 7700 900-123"),
];

/// Two people's numbers that look alike.
const DIFFERENT: [(&str, &str); 4] = [
    // A Brazilian landline never had a ninth digit, and these mobiles never had a short form.
    ("5521922345678", "552122345678"),
    ("5511951234567", "551151234567"),
    // The same digits in a country that has no second form.
    ("5619876543210", "561876543210"),
    ("15551234567", "155512345678"),
];

async fn reason_of(app: &TestApp, number: &str) -> CheckReason {
    app.opt_in().check(number, MessageCategory::Marketing).await.expect("a check").reason
}

#[apply(on_each_store!)]
async fn both_forms_are_one_contact(app: TestApp) {
    for (one, other) in SAME {
        for (stored, form) in [(one, other), (other, one)] {
            let made = app.make_contact(stored).await;
            let digits: String = stored.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(made.phone_number.as_deref(), Some(&*digits), "kept as it came");

            let again = app.contacts().create(NewContact::new().phone(form)).await;
            let error = again.refused_for(reason::CONTACT_ALREADY_EXISTS);
            assert_eq!(error.existing_contact_id(), Some(&*made.contact_id), "{stored} {form}");
            assert_eq!(app.contacts().get(form).await.expect("a contact"), made);
            let batch = app.contacts().batch_get([form, stored]).await.expect("results");
            assert!(batch.into_iter().flatten().all(|found| found == made));
            let updated = app.contacts().update(form).first_name("Ana").await.expect("a contact");
            assert_eq!(
                (updated.contact_id, updated.phone_number),
                (made.contact_id, made.phone_number)
            );
            app.contacts().delete(form).await.expect("a receipt");
            app.contacts().get(stored).await.refused_for(reason::CONTACT_NOT_FOUND);
        }
    }
}

#[apply(on_each_store!)]
async fn consent_covers_both_forms(app: TestApp) {
    for (one, other) in SAME {
        app.make_contact(one).await;
        app.opt_in().record_opt_in(other, OptInSource::WebForm).await.expect("an opt-in");
        let category = MessageCategory::Marketing;
        let answers = app.opt_in().check_batch(&[one, other], category).await.expect("answers");
        assert_eq!(answers.allowed_indexes().count(), 2, "{one}");
        app.opt_in().record_opt_out(other).await.expect("an opt-out");
        for form in [one, other] {
            assert_eq!(reason_of(&app, form).await, CheckReason::OptedOut, "{form}");
        }
        app.contacts().delete(one).await.expect("a receipt");
        let again = app.make_contact(other).await;
        assert_eq!(again.opt_in.marketing, OptInStatus::OptedOut, "{other}");
        app.contacts().delete(&again).await.expect("a receipt");
    }
}

#[apply(on_each_store!)]
async fn alike_is_not_the_same(app: TestApp) {
    for (one, other) in DIFFERENT {
        app.make_opted_in(one).await;
        app.contacts().get(other).await.refused_for(reason::CONTACT_NOT_FOUND);
        assert_eq!(reason_of(&app, other).await, CheckReason::UnknownContact, "{one} {other}");
        app.opt_in().record_opt_out(other).await.expect("an opt-out");
        assert_eq!(reason_of(&app, one).await, CheckReason::OptedIn, "{one} {other}");
        app.contacts().delete(one).await.expect("a receipt");
    }
}

async fn by_user(app: &TestApp, id: &str) -> Result<Contact, contacts_sdk::Error> {
    app.contacts().get(Person::whatsapp_user_id(id)).await
}

#[apply(on_each_store!)]
async fn who_hides_their_number_is_a_contact_like_others(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let id = "US.13491208655302741918";
    let hidden = NewContact::new().whatsapp_user_id(id).first_name("Hidden").tag("vip");
    let made = app.contacts().create(hidden).await.expect("a contact");
    app.opt_in()
        .record_opt_in(Person::whatsapp_user_id(id), OptInSource::InboundMessage)
        .await
        .expect("an opt-in");
    assert!(app.opt_in().may_send(Person::whatsapp_user_id(id), MessageCategory::Utility).await);
    assert_eq!(app.contacts().count().query("hid").filter("tags:vip").await.expect("a count"), 1);
    let edit = app.contacts().update_tags().people([Person::whatsapp_user_id(id)]).remove("vip");
    assert_eq!(edit.await.expect("an edit").updated_count, 1);
    // Ids are opaque: not folded, and valid as a whole only.
    by_user(&app, &id.to_lowercase())
        .await
        .refused_at(reason::INVALID_WHATSAPP_USER_ID, "whatsapp_user_id");
    by_user(&app, "US.1349120865530274191").await.refused_for(reason::CONTACT_NOT_FOUND);
    app.contacts().delete(&made).await.expect("a receipt");
    by_user(&app, id).await.refused_for(reason::CONTACT_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn ids_of_both_forms_are_taken_and_others_refused(app: TestApp) {
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
        made.refused_at(reason::INVALID_WHATSAPP_USER_ID, "contact.whatsapp_user_id");
    }
}

#[apply(on_each_store!)]
async fn a_user_id_is_set_changed_and_taken_off_later(app: TestApp) {
    let made = app.make_opted_in(phone(1)).await;
    let set = |id: &str| app.contacts().update(phone(1)).whatsapp_user_id(id).send();
    let first = set("US.1").await.expect("a contact");
    assert_eq!(first.contact_id, made.contact_id);
    assert_eq!(by_user(&app, "US.1").await.expect("a contact"), first);
    assert!(
        app.opt_in().may_send(Person::whatsapp_user_id("US.1"), MessageCategory::Marketing).await
    );

    // A person who changes their number gets another id from Meta; the old one still names them.
    let second = set("US.2").await.expect("a contact");
    assert_eq!(second.former_whatsapp_user_ids, ["US.1"]);
    assert_eq!(by_user(&app, "US.1").await.expect("a contact"), second);
    assert!(
        app.opt_in().may_send(Person::whatsapp_user_id("US.1"), MessageCategory::Marketing).await
    );
    // Named by the old one and changed elsewhere, they keep the new one.
    let named = app.contacts().update(Person::whatsapp_user_id("US.1")).first_name("Ana").await;
    assert_eq!(named.expect("a contact").whatsapp_user_id.as_deref(), Some("US.2"));
    assert!(
        app.opt_in().may_send(Person::whatsapp_user_id("US.2"), MessageCategory::Marketing).await
    );

    let other = app.contacts().create(NewContact::new().whatsapp_user_id("US.3")).await;
    let other = other.expect("a contact");
    let error = set("US.3").await.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*other.contact_id));
    assert_eq!(error.metadata("field"), Some("contact.whatsapp_user_id"));

    let without =
        app.contacts().update(phone(1)).clear_whatsapp_user_id().await.expect("a contact");
    assert_eq!(without.whatsapp_user_id, None);
    by_user(&app, "US.2").await.refused_for(reason::CONTACT_NOT_FOUND);
    by_user(&app, "US.1").await.expect("a former id is not what is cleared");
    assert!(app.opt_in().may_send(phone(1), MessageCategory::Marketing).await);

    // The last name of a person cannot be taken off.
    let nameless = app.contacts().update(&other).clear_whatsapp_user_id().await;
    nameless.refused_at(reason::REQUIRED_FIELD_MISSING, "contact.phone_number");
}

#[apply(on_each_store!)]
async fn a_number_is_given_to_who_had_none(app: TestApp) {
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
    // What was said under the number counts.
    assert_eq!(reason_of(&app, &phone(2)).await, CheckReason::OptedOut);
    let by_user =
        app.opt_in().check(Person::whatsapp_user_id("US.1"), MessageCategory::Marketing).await;
    assert_eq!(by_user.expect("a check").reason, CheckReason::OptedOut);
}
