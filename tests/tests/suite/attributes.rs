//! AttributeService: the custom fields contacts can have.

use std::time::Duration;

use contacts_proto::{FieldMask, v1};
use contacts_sdk::{AttributeType, AttributeValue, Filter, NewContact, reason};
use contacts_tests::{Refused, TIERS, TestApp, apply, on_each_store, phone, timestamp};

#[apply(on_each_store!)]
async fn created_definition_can_be_read(app: TestApp) {
    let create = app.attributes().create("Loyalty tier", AttributeType::Enum);
    let made = create.enum_options(TIERS).description("By orders").await.expect("an attribute");
    assert_eq!((&*made.attribute_id, &*made.display_name), ("loyalty_tier", "Loyalty tier"));
    assert_eq!((made.attribute_type, &*made.description), (AttributeType::Enum, "By orders"));
    assert_eq!((&made.enum_options[..], made.contact_count), (&TIERS.map(str::to_owned)[..], 0));
    assert_eq!(app.attributes().get("loyalty_tier").await.expect("an attribute"), made);
}

#[apply(on_each_store!)]
async fn values_of_every_type_round_trip(app: TestApp) {
    app.make_attributes().await;
    let made = NewContact::new()
        .phone(phone(1))
        .attribute("city", "São Paulo")
        .attribute("orders", -12.5)
        .attribute("member", false)
        .attribute("last_order", timestamp(1))
        .attribute("tier", "Gold");
    let made = app.contacts().create(made).await.expect("a contact");
    let read = app.contacts().get(&made).await.expect("a contact");
    for contact in [made, read] {
        assert_eq!(contact.attribute("city"), Some(&AttributeValue::from("São Paulo")));
        assert_eq!(contact.attribute("orders"), Some(&AttributeValue::from(-12.5)));
        assert_eq!(contact.attribute("member"), Some(&AttributeValue::from(false)));
        assert_eq!(contact.attribute("last_order"), Some(&AttributeValue::from(timestamp(1))));
        assert_eq!(contact.attribute("tier"), Some(&AttributeValue::from("Gold")));
        assert_eq!(contact.attributes.len(), 5);
    }
}

#[apply(on_each_store!)]
async fn timestamps_are_kept_to_the_microsecond(app: TestApp) {
    app.make_attributes().await;
    for (n, (sent, kept)) in
        [(123_456_789, 123_456_000), (999, 0), (999_999_999, 999_999_000)].into_iter().enumerate()
    {
        let at = |nanos| AttributeValue::from(timestamp(0) + Duration::from_nanos(nanos));
        let made = NewContact::new().phone(phone(n)).attribute("last_order", at(sent));
        let made = app.contacts().create(made).await.expect("a contact");
        let read = app.contacts().get(&made).await.expect("a contact");
        for contact in [made, read] {
            assert_eq!(contact.attribute("last_order"), Some(&at(kept)));
        }
        let filter = Filter::attribute("last_order").eq(at(kept));
        assert_eq!(app.contacts().count().filter(filter).await.expect("a count"), 1);
    }
}

#[apply(on_each_store!)]
async fn ids_and_display_names_are_unique(app: TestApp) {
    app.attributes().create("City", AttributeType::String).await.expect("an attribute");
    for (name, id, field) in
        [("Other", "city", "attribute.attribute_id"), ("CITY", "other", "attribute.display_name")]
    {
        let made = app.attributes().create(name, AttributeType::Number).attribute_id(id).await;
        let error = made.refused_for(reason::ATTRIBUTE_ALREADY_EXISTS);
        assert_eq!(error.metadata("field"), Some(field));
        assert_eq!(error.metadata("attribute_id"), Some("city"));
    }
}

#[apply(on_each_store!)]
async fn invalid_definitions_are_rejected(app: TestApp) {
    let create = |attribute: v1::Attribute| {
        let request = v1::CreateAttributeRequest {
            attribute: Some(v1::Attribute { display_name: "X".to_owned(), ..attribute }),
            ..Default::default()
        };
        let mut raw = app.client().raw_attributes();
        async move { raw.create_attribute(request).await }
    };
    let of =
        |r#type: v1::AttributeType| v1::Attribute { r#type: r#type.into(), ..Default::default() };
    let options = |options: &[&str]| v1::Attribute {
        enum_options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..of(v1::AttributeType::Enum)
    };
    let options_field = "attribute.enum_options";

    let untyped = create(of(v1::AttributeType::Unspecified)).await;
    untyped.refused_at(reason::REQUIRED_FIELD_MISSING, "attribute.type");
    let unknown = create(v1::Attribute { r#type: 99, ..Default::default() }).await;
    unknown.refused_at(reason::INVALID_ARGUMENT, "attribute.type");
    for bad in [&[][..], &["a", "a"], &["a", ""]] {
        create(options(bad)).await.refused_at(reason::INVALID_ARGUMENT, options_field);
    }
    create(options(&["x".repeat(101).as_str()]))
        .await
        .refused_at(reason::LIMIT_EXCEEDED, options_field);
    let many: Vec<_> = (0..201).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let error = create(options(&many)).await.refused_at(reason::LIMIT_EXCEEDED, options_field);
    assert_eq!((error.metadata("limit"), error.metadata("actual")), (Some("200"), Some("201")));
    let string = v1::Attribute { r#type: v1::AttributeType::String.into(), ..options(&["a"]) };
    create(string).await.refused_at(reason::INVALID_ARGUMENT, options_field);
}

#[apply(on_each_store!)]
async fn update_changes_only_the_fields_named(app: TestApp) {
    app.make_attributes().await;
    let update = app.attributes().update("city").display_name("Town").description("Home");
    let updated = update.await.expect("an attribute");
    assert_eq!((&*updated.attribute_id, &*updated.display_name), ("city", "Town"));
    assert_eq!(&*updated.description, "Home");
    let cleared = app.attributes().update("city").description("").await.expect("an attribute");
    assert_eq!((&*cleared.display_name, &*cleared.description), ("Town", ""));

    let taken = app.attributes().update("orders").display_name("town").await;
    taken.refused_for(reason::ATTRIBUTE_ALREADY_EXISTS);
}

#[apply(on_each_store!)]
async fn enum_options_can_be_added_but_not_removed(app: TestApp) {
    app.make_attributes().await;
    let gold = NewContact::new().phone(phone(1)).attribute("tier", "Gold");
    app.contacts().create(gold).await.expect("a contact");
    let platinum = || app.contacts().update(phone(1)).attribute("tier", "Platinum");
    platinum().await.refused_at(reason::INVALID_ENUM_OPTION, "contact.attributes.tier");

    let grown =
        app.attributes().update("tier").enum_options(["Gold", "Platinum", "Silver", "Bronze"]);
    assert_eq!(grown.await.expect("an attribute").enum_options.len(), 4);
    platinum().await.expect("a contact");

    let fewer = app.attributes().update("tier").enum_options(["Gold", "Platinum"]).await;
    fewer.refused_at(reason::IMMUTABLE_FIELD, "attribute.enum_options");
    assert_eq!(app.attributes().get("tier").await.expect("an attribute").enum_options.len(), 4);
}

#[apply(on_each_store!)]
async fn type_cannot_be_changed(app: TestApp) {
    app.make_attributes().await;
    let city = |r#type: v1::AttributeType, paths: &[&str]| {
        let attribute = v1::Attribute {
            attribute_id: "city".to_owned(),
            r#type: r#type.into(),
            ..v1::Attribute::default()
        };
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(FieldMask { paths });
        v1::UpdateAttributeRequest { attribute: Some(attribute), update_mask, ..Default::default() }
    };
    let mut raw = app.client().raw_attributes();
    for request in
        [city(v1::AttributeType::Number, &["type"]), city(v1::AttributeType::Number, &[])]
    {
        let changed = raw.update_attribute(request).await;
        changed.refused_at(reason::IMMUTABLE_FIELD, "attribute.type");
    }
    raw.update_attribute(city(v1::AttributeType::String, &[])).await.expect("the same type");
}

#[apply(on_each_store!)]
async fn definition_in_use_is_deleted_only_with_force(app: TestApp) {
    app.make_attributes().await;
    let made = NewContact::new().phone(phone(1)).attribute("city", "Lisboa").attribute("orders", 3);
    let made = app.contacts().create(made).await.expect("a contact");
    assert_eq!(app.attributes().get("city").await.expect("an attribute").contact_count, 1);

    let error = app.attributes().delete("city").await.refused_for(reason::ATTRIBUTE_IN_USE);
    assert_eq!(error.metadata("contact_count"), Some("1"));
    assert_eq!(app.attributes().delete("city").force(true).await.expect("a count"), 1);
    let after = app.contacts().get(&made).await.expect("a contact");
    assert_eq!(after.attributes.keys().collect::<Vec<_>>(), ["orders"]);
    assert_ne!(after.etag, made.etag);

    // Created again with another type, no contact has a value.
    let city = app.attributes().create("city", AttributeType::Number).await.expect("an attribute");
    assert_eq!(city.contact_count, 0);
    assert_eq!(app.contacts().count().filter("attributes.city:*").await.expect("a count"), 0);
}

#[apply(on_each_store!)]
async fn definitions_are_counted_and_listed_by_id(app: TestApp) {
    app.make_attributes().await;
    for n in 0..2 {
        let contact = NewContact::new().phone(phone(n)).attribute("orders", n as f64);
        app.contacts().create(contact).await.expect("a contact");
    }
    let mut listed = Vec::new();
    let mut attributes = app.attributes().list().page_size(2).stream();
    while let Some(attribute) = attributes.next().await {
        let attribute = attribute.expect("an attribute");
        listed.push((attribute.attribute_id, attribute.contact_count));
    }
    let expected = [("city", 0), ("last_order", 0), ("member", 0), ("orders", 2), ("tier", 0)];
    assert_eq!(listed, expected.map(|(id, count)| (id.to_owned(), count)));

    let error = app.attributes().get("order").await.refused_for(reason::ATTRIBUTE_NOT_FOUND);
    assert_eq!(error.metadata("suggestion"), Some("orders"));
}
