//! CreateContact, and GetContact of the created contact.

use std::time::{Duration, SystemTime};

use contacts_proto::v1;
use contacts_sdk::{ContactView, NewContact, OptInStatus, Recipient, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, raw_contact};

#[apply(on_each_store!)]
async fn created_contact_has_the_fields_sent(app: TestApp) {
    app.make_tags(&["vip", "lead"]).await;
    app.make_attributes().await;
    let ana = NewContact::new()
        .phone("+1 (555) 123-4567")
        .whatsapp_user_id("US.13491208655302741918")
        .first_name("Ana")
        .last_name("García")
        .email("ana@example.com")
        .tags(["vip", "lead", "vip"])
        .attribute("city", "Lisboa");
    let made = app.contacts().create(ana).await.expect("a contact");
    assert_eq!(made.phone_number.as_deref(), Some("15551234567"));
    assert_eq!(made.whatsapp_user_ids, ["US.13491208655302741918"]);
    assert_eq!(
        (made.first_name.as_deref(), made.last_name.as_deref()),
        (Some("Ana"), Some("García"))
    );
    assert_eq!(made.email.as_deref(), Some("ana@example.com"));
    assert_eq!(made.tags, ["lead", "vip"]);
    assert_eq!(made.attribute("city").and_then(|city| city.as_str()), Some("Lisboa"));
    assert_eq!(made.opt_in.marketing, OptInStatus::NotAsked);
    assert_eq!(made.opt_in.update_time, None);

    let age = SystemTime::now().duration_since(made.create_time.expect("a time"));
    assert!(age.expect("in the past") < Duration::from_secs(60));
    assert_eq!(made.create_time, made.update_time);
    assert!(!made.etag.is_empty());
    let id = uuid::Uuid::parse_str(&made.contact_id).expect("a UUID");
    assert_eq!(id.get_version_num(), 7);

    for person in [
        Recipient::contact_id(&made.contact_id),
        Recipient::phone("1-555-123-4567"),
        Recipient::whatsapp_user_id("US.13491208655302741918"),
    ] {
        assert_eq!(app.contacts().get(person).await.expect("a contact"), made);
    }
}

#[apply(on_each_store!)]
async fn a_contact_can_have_only_a_user_id(app: TestApp) {
    let made = app.contacts().create(NewContact::new().whatsapp_user_id("BR.abc123")).await;
    let made = made.expect("a contact");
    assert_eq!(made.phone_number, None);
    let found = app.contacts().get(Recipient::whatsapp_user_id("BR.abc123")).await;
    assert_eq!(found.expect("a contact"), made);
    let nobody = app.contacts().create(NewContact::new().first_name("Ana")).await;
    nobody.refused_at(reason::REQUIRED_FIELD_MISSING, "contact.phone_number");
}

#[apply(on_each_store!)]
async fn contact_ids_increase_in_creation_order(app: TestApp) {
    let mut made = Vec::new();
    for n in 0..20 {
        made.push(app.make_contact(phone(n)).await.contact_id);
    }
    app.restart().await;
    made.push(app.make_contact(phone(20)).await.contact_id);
    assert!(made.is_sorted());
}

#[apply(on_each_store!)]
async fn phone_number_and_user_id_are_unique(app: TestApp) {
    let user_id = "US.1349";
    let made = NewContact::new().phone(phone(1)).whatsapp_user_id(user_id);
    let made = app.contacts().create(made).await.expect("a contact");
    for (again, field) in [
        (NewContact::new().phone(phone(1)), "contact.phone_number"),
        (NewContact::new().phone(phone(2)).whatsapp_user_id(user_id), "contact.whatsapp_user_ids"),
    ] {
        let error = app.contacts().create(again).await.refused_for(reason::CONTACT_ALREADY_EXISTS);
        assert!(error.is_already_exists());
        assert_eq!(error.existing_contact_id(), Some(&*made.contact_id));
        assert_eq!(error.metadata("field"), Some(field));
        let resource = error.resource().expect("a resource");
        assert_eq!(
            (&*resource.resource_type, &*resource.resource_name),
            ("contact", &*made.contact_id)
        );
    }
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
}

#[apply(on_each_store!)]
async fn one_of_concurrent_creates_succeeds(app: TestApp) {
    let creations =
        (0..16).map(|_| app.contacts().create(NewContact::new().phone(phone(1))).send());
    let outcomes = futures::future::join_all(creations).await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    let winner = made.into_iter().flatten().next().expect("a contact");
    for outcome in refused {
        let error = outcome.refused_for(reason::CONTACT_ALREADY_EXISTS);
        assert_eq!(error.existing_contact_id(), Some(&*winner.contact_id));
    }
}

#[apply(on_each_store!)]
async fn server_set_fields_are_rejected(app: TestApp) {
    let contact = || raw_contact(phone(1));
    for (contact, field) in [
        (v1::Contact { contact_id: "x".to_owned(), ..contact() }, "contact.contact_id"),
        (v1::Contact { etag: "v1".to_owned(), ..contact() }, "contact.etag"),
        (v1::Contact { create_time: Some(Default::default()), ..contact() }, "contact.create_time"),
        (v1::Contact { update_time: Some(Default::default()), ..contact() }, "contact.update_time"),
        (v1::Contact { opt_in: Some(Default::default()), ..contact() }, "contact.opt_in"),
    ] {
        let request = v1::CreateContactRequest { contact: Some(contact), ..Default::default() };
        let made = app.client().raw_contacts().create_contact(request).await;
        made.refused_at(reason::OUTPUT_ONLY_FIELD, field);
    }
    let empty =
        app.client().raw_contacts().create_contact(v1::CreateContactRequest::default()).await;
    empty.refused_at(reason::REQUIRED_FIELD_MISSING, "contact");
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
}

#[apply(on_each_store!)]
async fn a_basic_view_leaves_out_email_and_attributes(app: TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_attributes().await;
    let made = NewContact::new()
        .phone(phone(1))
        .first_name("Ana")
        .email("ana@example.com")
        .tag("vip")
        .attribute("city", "Lisboa");
    let full = app.contacts().create(made).await.expect("a contact");
    let basic = app.contacts().get(&full).view(ContactView::Basic).await.expect("a contact");
    assert_eq!((&basic.email, basic.attributes.len()), (&None, 0));
    let rest = contacts_sdk::Contact::clone(&full);
    let expected = {
        let mut rest = rest;
        rest.email = None;
        rest.attributes.clear();
        rest.identities.clear();
        rest
    };
    assert_eq!(basic, expected);
}

#[apply(on_each_store!)]
async fn unknown_contact_is_not_found(app: TestApp) {
    let unknown = uuid::Uuid::now_v7().to_string();
    for person in [
        Recipient::phone(phone(1)),
        Recipient::whatsapp_user_id("US.1"),
        Recipient::contact_id(unknown),
    ] {
        let error = app.contacts().get(person).await.refused_for(reason::CONTACT_NOT_FOUND);
        assert!(error.is_not_found());
    }
    let unnamed = app.client().raw_contacts().get_contact(v1::GetContactRequest::default()).await;
    unnamed.refused_at(reason::REQUIRED_FIELD_MISSING, "phone_number");
    let odd = app.contacts().get(Recipient::contact_id("42")).await;
    odd.refused_at(reason::INVALID_ID, "contact_id");
}
