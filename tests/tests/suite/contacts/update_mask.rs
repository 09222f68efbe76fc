//! UpdateContact as other clients send it: masks, no mask, and fields that cannot be updated.

use std::collections::BTreeMap;

use contacts_proto::v1::attribute_value::Value;
use contacts_proto::{FieldMask, v1};
use contacts_sdk::{Contact, Error, NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, raw_contact};

async fn send(app: &TestApp, contact: v1::Contact, paths: &[&str]) -> Result<Contact, Error> {
    let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = (!paths.is_empty()).then_some(FieldMask { paths });
    let request =
        v1::UpdateContactRequest { contact: Some(contact), update_mask, ..Default::default() };
    match app.client().raw_contacts().update_contact(request).await {
        Ok(answer) => Ok(answer.into_inner().contact.expect("a contact").into()),
        Err(status) => Err(Err::<(), _>(status).refused()),
    }
}

fn text(value: &str) -> v1::AttributeValue {
    v1::AttributeValue { value: Some(Value::String(value.to_owned())) }
}

#[apply(on_each_store!)]
async fn update_without_a_mask_changes_populated_fields(app: TestApp) {
    app.make_attributes().await;
    let ana = NewContact::new()
        .phone(phone(1))
        .first_name("Ana")
        .last_name("García")
        .attribute("city", "Lisboa")
        .attribute("orders", 3);
    app.contacts().create(ana).await.expect("a contact");

    let attributes = BTreeMap::from([("city".to_owned(), text("Porto"))]);
    let sent = v1::Contact { first_name: "Anna".to_owned(), attributes, ..raw_contact(phone(1)) };
    let after = send(&app, sent, &[]).await.expect("a contact");
    assert_eq!(after.first_name.as_deref(), Some("Anna"));
    assert_eq!(after.last_name.as_deref(), Some("García"));
    assert_eq!(after.attribute("city").and_then(|city| city.as_str()), Some("Porto"));
    assert_eq!(after.attributes.len(), 2);
}

#[apply(on_each_store!)]
async fn mask_path_can_name_a_single_attribute(app: TestApp) {
    app.make_attributes().await;
    let ana = NewContact::new().phone(phone(1)).attribute("city", "Lisboa").attribute("orders", 3);
    app.contacts().create(ana).await.expect("a contact");

    let attributes =
        BTreeMap::from([("city".to_owned(), text("")), ("tier".to_owned(), text("Gold"))]);
    let sent = v1::Contact { attributes, ..raw_contact(phone(1)) };
    let after = send(&app, sent.clone(), &["attributes.city", "attributes.orders"]).await;
    let after = after.expect("a contact");
    // An empty text is a value. An attribute in the mask without a value is cleared. Attributes not in
    // the mask stay.
    assert_eq!(after.attribute("city").and_then(|city| city.as_str()), Some(""));
    assert_eq!(after.attributes.len(), 1);

    let all = send(&app, sent, &["*"]).await.expect("a contact");
    assert_eq!(all.attributes.keys().collect::<Vec<_>>(), ["city", "tier"]);
    let none = send(&app, raw_contact(phone(1)), &["attributes"]).await.expect("a contact");
    assert!(none.attributes.is_empty());
}

#[apply(on_each_store!)]
async fn unknown_mask_path_lists_the_known_ones(app: TestApp) {
    app.make_contact(phone(1)).await;
    for path in ["name", "firstName", "attributes.", "", "attributes.x.y.z", "email.domain"] {
        let error = send(&app, raw_contact(phone(1)), &[path]).await.refused();
        assert!(error.is_invalid_argument(), "{path}: {error:?}");
    }
    let error = send(&app, raw_contact(phone(1)), &["firstName"]).await;
    let error = error.refused_at(reason::INVALID_UPDATE_MASK, "update_mask");
    assert_eq!(error.metadata("path"), Some("firstName"));
    assert!(error.message().contains("first_name"), "{error}");
}

#[apply(on_each_store!)]
async fn a_whole_contact_can_be_sent_back_with_a_mask(app: TestApp) {
    // A client reads a contact, changes a name and sends the whole contact with a mask.
    app.make_opted_in(phone(1)).await;
    let request = v1::GetContactRequest {
        recipient: Some(v1::get_contact_request::Recipient::PhoneNumber(phone(1))),
        ..Default::default()
    };
    let read = app.client().raw_contacts().get_contact(request).await.expect("a contact");
    let mut contact = read.into_inner().contact.expect("a contact");
    contact.first_name = "Ana".to_owned();
    let after = send(&app, contact.clone(), &["first_name"]).await.expect("a contact");
    assert_eq!(after.first_name.as_deref(), Some("Ana"));
    send(&app, contact, &["first_name"]).await.refused_for(reason::ETAG_MISMATCH);
}

#[apply(on_each_store!)]
async fn update_accepts_the_same_phone_number_and_rejects_another(app: TestApp) {
    let made = app.make_contact("5521987654321").await;
    let named = |number: &str| v1::Contact {
        contact_id: made.contact_id.clone(),
        first_name: "Ana".to_owned(),
        ..raw_contact(number)
    };
    // Another form of the number is accepted, and the stored form is kept.
    for paths in [&[][..], &["first_name"], &["first_name", "phone_number"]] {
        let after = send(&app, named("552187654321"), paths).await.expect("a contact");
        assert_eq!(after.phone_number.as_deref(), Some("5521987654321"));
    }
    for paths in [&[][..], &["phone_number"], &["*"]] {
        let changed = send(&app, named(&phone(2)), paths).await;
        changed.refused_at(reason::IMMUTABLE_FIELD, "contact.phone_number");
    }
    let taken_off = send(&app, named(""), &["phone_number"]).await;
    taken_off.refused_at(reason::IMMUTABLE_FIELD, "contact.phone_number");
}

#[apply(on_each_store!)]
async fn server_set_fields_are_rejected_in_masks(app: TestApp) {
    app.make_contact(phone(1)).await;
    for path in ["opt_in", "opt_in.marketing", "create_time", "update_time", "etag", "contact_id"] {
        let top = path.split('.').next().expect("a name");
        let update = send(&app, raw_contact(phone(1)), &[path]).await;
        update.refused_at(reason::OUTPUT_ONLY_FIELD, &format!("contact.{top}"));
    }
}
