//! Rows 29 to 31: attributes and tags.

use contacts_proto::v1;
use contacts_proto::v1::attribute_value::Value;
use contacts_sdk::{AttributeType, AttributeValue, NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, raw_contact, timestamp};

#[apply(on_each_store!)]
async fn row_29_value_of_the_wrong_type_reports_the_expected_type(app: TestApp) {
    app.make_attributes().await;
    app.make_contact(phone(1)).await;
    let values = [
        AttributeValue::from("3"),
        AttributeValue::from(3),
        AttributeValue::from(true),
        AttributeValue::from(timestamp(0)),
    ];
    for (id, expected, right) in [
        ("city", "STRING", 0),
        ("orders", "NUMBER", 1),
        ("member", "BOOLEAN", 2),
        ("last_order", "TIMESTAMP", 3),
    ] {
        for (index, value) in values.iter().enumerate().filter(|(index, _)| *index != right) {
            let update = app.contacts().update(phone(1)).attribute(id, value.clone()).await;
            let field = format!("contact.attributes.{id}");
            let error = update.refused_at(reason::WRONG_ATTRIBUTE_TYPE, &field);
            assert_eq!(error.metadata("expected_type"), Some(expected), "{id} {index}");
            assert!(error.message().contains(expected), "{error}");
        }
    }
    let tier = app.contacts().update(phone(1)).attribute("tier", 1).await;
    let error = tier.refused_at(reason::WRONG_ATTRIBUTE_TYPE, "contact.attributes.tier");
    assert_eq!(error.metadata("expected_type"), Some("ENUM"));
    assert!(app.contacts().get(phone(1)).await.expect("a contact").attributes.is_empty());
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_29_numbers_must_be_finite(app: TestApp) {
    app.make_attributes().await;
    for number in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let person = NewContact::new().phone(phone(1)).attribute("orders", number);
        let made = app.contacts().create(person).await;
        made.refused_at(reason::WRONG_ATTRIBUTE_TYPE, "contact.attributes.orders");
    }
    for (n, number) in [f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0].into_iter().enumerate() {
        let person = NewContact::new().phone(phone(n)).attribute("orders", number);
        app.contacts().create(person).await.expect("a contact");
        let got = app.contacts().get(phone(n)).await.expect("a contact");
        assert_eq!(got.attribute("orders").and_then(|orders| orders.as_f64()), Some(number));
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_29_enum_value_must_be_an_option(app: TestApp) {
    app.make_attributes().await;
    for option in ["gold", "Gold ", "", "Platinum"] {
        let person = NewContact::new().phone(phone(1)).attribute("tier", option);
        let made = app.contacts().create(person).await;
        let error = made.refused_at(reason::INVALID_ENUM_OPTION, "contact.attributes.tier");
        let options = error.metadata("options").expect("options");
        assert!(
            ["Bronze", "Silver", "Gold"].iter().all(|option| options.contains(option)),
            "{options}"
        );
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_29_unknown_excess_and_empty_attributes_are_rejected(app: TestApp) {
    app.make_attributes().await;
    let person = || NewContact::new().phone(phone(1));
    let error = app.contacts().create(person().attribute("citty", "x")).await;
    let error = error.refused_at(reason::UNKNOWN_ATTRIBUTE, "contact.attributes.citty");
    assert_eq!(
        (error.metadata("attribute_id"), error.metadata("suggestion")),
        (Some("citty"), Some("city"))
    );

    let many = (0..1000).fold(person(), |person, n| person.attribute(format!("a{n}"), n));
    let error =
        app.contacts().create(many).await.refused_at(reason::LIMIT_EXCEEDED, "contact.attributes");
    assert_eq!((error.metadata("limit"), error.metadata("actual")), (Some("100"), Some("1000")));

    let long = app.contacts().create(person().attribute("x".repeat(100_000), "x")).await;
    assert!(long.refused_for(reason::UNKNOWN_ATTRIBUTE).to_string().len() < 1000);

    let send = |value: Option<Value>, id: &str| {
        let attributes = [(id.to_owned(), v1::AttributeValue { value })].into();
        let contact = Some(v1::Contact { attributes, ..raw_contact(phone(1)) });
        let mut raw = app.client().raw_contacts();
        async move {
            raw.create_contact(v1::CreateContactRequest { contact, ..Default::default() }).await
        }
    };
    send(None, "city").await.refused_at(reason::WRONG_ATTRIBUTE_TYPE, "contact.attributes.city");
    for (seconds, nanos) in [(i64::MAX, 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)] {
        let moment = Value::Timestamp(contacts_proto::Timestamp { seconds, nanos });
        let sent = send(Some(moment), "last_order").await;
        sent.refused_at(reason::INVALID_TIME, "contact.attributes.last_order");
    }
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_30_unknown_tag_suggests_a_similar_one(app: TestApp) {
    app.make_tags(&["event_attendee", "vip"]).await;
    for (tag, suggestion) in [
        ("event_atendee", Some("event_attendee")),
        ("Event_Attendee", Some("event_attendee")),
        ("vpi", Some("vip")),
        ("", None),
        ("something_else", None),
        ("東京", None),
    ] {
        let made = app.contacts().create(NewContact::new().phone(phone(1)).tag(tag)).await;
        let error = made.refused_at(reason::UNKNOWN_TAG, "contact.tags");
        assert_eq!(
            (error.metadata("tag_id"), error.metadata("suggestion")),
            (Some(tag), suggestion)
        );
    }
    let long =
        app.contacts().create(NewContact::new().phone(phone(1)).tag("x".repeat(100_000))).await;
    assert!(long.refused_for(reason::UNKNOWN_TAG).to_string().len() < 1000);
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_31_ids_that_mean_consent_are_reserved(app: TestApp) {
    for id in [
        "opted_in",
        "opt_in",
        "optin",
        "opted_out",
        "opt_out",
        "optout",
        "consent",
        "subscribed",
        "unsubscribed",
        "whatsapp_opt_in",
    ] {
        let create = app.attributes().create("Consent", AttributeType::Boolean).attribute_id(id);
        let error = create.await.refused_at(reason::RESERVED_ID, "attribute.attribute_id");
        assert_eq!(error.metadata("id"), Some(id));
        assert!(error.message().contains("OptInService"), "{error}");
        let person = NewContact::new().phone(phone(1)).attribute(id, true);
        let error = app.contacts().create(person.clone()).await.refused_for(reason::RESERVED_ID);
        assert!(error.message().contains("OptInService"), "{error}");
        let row =
            app.contacts().batch_upsert([person]).await.expect("an import").failures.remove(0);
        row.error.refused_for(reason::RESERVED_ID);
    }
    // An id derived from a display name is reserved too.
    for name in ["Opted in", "OPT IN", "Optin", "Opt-out", "Unsubscribed?"] {
        let create = app.attributes().create(name, AttributeType::Boolean).await;
        create.refused_at(reason::RESERVED_ID, "attribute.attribute_id");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_31_display_name_is_unique(app: TestApp) {
    app.attributes().create("City", AttributeType::String).await.expect("an attribute");
    app.tags().create("Event attendee").await.expect("a tag");
    for name in ["City", "city", " CITY "] {
        let twin = app.attributes().create(name, AttributeType::String).attribute_id("town").await;
        let error = twin.refused_for(reason::ATTRIBUTE_ALREADY_EXISTS);
        assert_eq!(error.metadata("field"), Some("attribute.display_name"));
    }
    let twin = app.tags().create("EVENT ATTENDEE").tag_id("event").await;
    let error = twin.refused_for(reason::TAG_ALREADY_EXISTS);
    assert_eq!(error.metadata("tag_id"), Some("event_attendee"));
    app.assert_alive().await;
}
