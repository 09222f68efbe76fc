//! UpdateContact through the SDK.

use contacts_proto::v1;
use contacts_sdk::{Contact, NewContact, OptInStatus, Recipient, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

async fn ana(app: &TestApp) -> Contact {
    app.make_tags(&["vip", "lead"]).await;
    app.make_attributes().await;
    let ana = NewContact::new()
        .phone(phone(1))
        .first_name("Ana")
        .last_name("García")
        .email("ana@example.com")
        .tag("vip")
        .attribute("city", "Lisboa")
        .attribute("orders", 3);
    app.contacts().create(ana).await.expect("a contact")
}

#[apply(on_each_store!)]
async fn update_changes_only_named_fields(app: TestApp) {
    let before = ana(&app).await;
    let update = app.contacts().update(phone(1)).first_name("Anna").attribute("orders", 4);
    let after = update.await.expect("a contact");
    let mut expected = before.clone();
    expected.first_name = Some("Anna".to_owned());
    expected.attributes.insert("orders".to_owned(), 4.into());
    expected.update_time = after.update_time;
    expected.etag.clone_from(&after.etag);
    assert_eq!(after, expected);
    assert!(after.update_time > before.update_time);
    assert_ne!(after.etag, before.etag);
    assert_eq!(app.contacts().get(phone(1)).await.expect("a contact"), after);
}

#[apply(on_each_store!)]
async fn fields_can_be_cleared(app: TestApp) {
    ana(&app).await;
    let update = app
        .contacts()
        .update(phone(1))
        .clear_first_name()
        .clear_last_name()
        .clear_email()
        .tags(Vec::<String>::new())
        .clear_attribute("city");
    let after = update.await.expect("a contact");
    assert_eq!((after.first_name, after.last_name, after.email), (None, None, None));
    assert!(after.tags.is_empty());
    assert_eq!(after.attributes.keys().collect::<Vec<_>>(), ["orders"]);

    // Neither search nor filters find cleared values.
    let count = |query, filter: &str| app.contacts().count().query(query).filter(filter).send();
    assert_eq!(count("ana", "").await.expect("a count"), 0);
    assert_eq!(count("", "tags:vip").await.expect("a count"), 0);
    assert_eq!(count("", "attributes.city:*").await.expect("a count"), 0);
    assert_eq!(count("", "email:*").await.expect("a count"), 0);
    assert_eq!(count("", "attributes.orders = 3").await.expect("a count"), 1);
}

#[apply(on_each_store!)]
async fn attributes_can_be_replaced_as_a_whole(app: TestApp) {
    ana(&app).await;
    let update = app.contacts().update(phone(1)).replace_attributes([("tier", "Gold")]);
    let after = update.await.expect("a contact");
    assert_eq!(after.attributes.keys().collect::<Vec<_>>(), ["tier"]);
}

#[apply(on_each_store!)]
async fn update_without_a_difference_keeps_the_etag(app: TestApp) {
    let before = ana(&app).await;
    let after = app.contacts().update(phone(1)).first_name("Ana").tags(["vip"]).await;
    assert_eq!(after.expect("a contact"), before);
}

#[apply(on_each_store!)]
async fn update_with_an_invalid_value_changes_nothing(app: TestApp) {
    let before = ana(&app).await;
    let update = || app.contacts().update(phone(1)).first_name("Changed");
    for (update, reason, field) in [
        (update().email("ana"), reason::INVALID_EMAIL, "contact.email"),
        (update().last_name("x".repeat(201)), reason::LIMIT_EXCEEDED, "contact.last_name"),
        (update().tags(["vpi"]), reason::UNKNOWN_TAG, "contact.tags"),
        (update().attribute("cty", "x"), reason::UNKNOWN_ATTRIBUTE, "contact.attributes.cty"),
        (
            update().attribute("orders", "3"),
            reason::WRONG_ATTRIBUTE_TYPE,
            "contact.attributes.orders",
        ),
    ] {
        update.await.refused_at(reason, field);
    }
    assert_eq!(app.contacts().get(phone(1)).await.expect("a contact"), before);
}

#[apply(on_each_store!)]
async fn update_creates_a_missing_contact_only_if_allowed(app: TestApp) {
    let update = || app.contacts().update(phone(1)).first_name("Ana");
    update().await.refused_for(reason::CONTACT_NOT_FOUND);
    assert_eq!(app.contacts().count().await.expect("a count"), 0);

    let made = update().allow_missing(true).await.expect("a contact");
    assert_eq!(made.phone_number.as_deref(), Some(&*phone(1)));
    assert_eq!(made.first_name.as_deref(), Some("Ana"));
    assert_eq!(made.opt_in.marketing, OptInStatus::NotAsked);
    let again = update().allow_missing(true).clear_first_name().await.expect("a contact");
    assert_eq!(again.contact_id, made.contact_id);

    let by_user = app.contacts().update(Recipient::whatsapp_user_id("US.9")).first_name("Bo");
    let by_user = by_user.allow_missing(true).await.expect("a contact");
    assert_eq!(by_user.whatsapp_user_ids, ["US.9"]);
    let by_id = Recipient::contact_id(uuid::Uuid::now_v7().to_string());
    let by_id = app.contacts().update(by_id).first_name("Bo").allow_missing(true).await;
    by_id.refused_at(reason::REQUIRED_FIELD_MISSING, "contact.phone_number");
    // The server makes the ids: one that is gone does not come back.
    let contact = v1::Contact {
        contact_id: uuid::Uuid::now_v7().to_string(),
        phone_number: phone(2),
        ..Default::default()
    };
    let contact = Some(contact);
    let request = v1::UpdateContactRequest { contact, allow_missing: true, ..Default::default() };
    let error = app.client().raw_contacts().update_contact(request).await;
    let error = error.refused_for(reason::CONTACT_NOT_FOUND);
    assert!(error.message().contains("leave contact_id out"), "{error}");
}

#[apply(on_each_store!)]
async fn update_cannot_change_consent(app: TestApp) {
    let before = app.make_opted_in(phone(1)).await;
    let after = app.contacts().update(&before).first_name("Ana").await.expect("a contact");
    assert_eq!(after.opt_in.marketing, OptInStatus::OptedIn);
    assert!(after.opt_in.update_time.is_some());
}
