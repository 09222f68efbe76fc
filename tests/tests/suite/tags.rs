//! TagService.

use contacts_proto::v1;
use contacts_sdk::{NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

#[apply(on_each_store!)]
async fn id_is_derived_from_the_display_name(app: TestApp) {
    let made = app.tags().create("Event attendee").description("Came").color("#25d366").await;
    let made = made.expect("a tag");
    assert_eq!((&*made.tag_id, &*made.display_name), ("event_attendee", "Event attendee"));
    assert_eq!((&*made.description, &*made.color, made.contact_count), ("Came", "#25d366", 0));
    assert!(made.create_time.is_some() && made.create_time == made.update_time);
    assert_eq!(app.tags().get("event_attendee").await.expect("a tag"), made);

    for (name, id) in [("São Paulo – VIP!", "sao_paulo_vip"), ("2026", "n_2026")] {
        assert_eq!(app.tags().create(name).await.expect("a tag").tag_id, id);
    }
    app.tags().create("東京").await.refused_at(reason::REQUIRED_FIELD_MISSING, "tag.tag_id");
    assert_eq!(app.tags().create("東京").tag_id("tokyo").await.expect("a tag").tag_id, "tokyo");
    let unnamed = app.tags().create("").tag_id("lead").await.expect("a tag");
    assert_eq!(unnamed.display_name, "lead");
}

#[apply(on_each_store!)]
async fn ids_and_display_names_are_unique(app: TestApp) {
    app.tags().create("VIP").await.expect("a tag");
    for (name, id, field) in [
        ("Other", "vip", "tag.tag_id"),
        ("VIP", "other", "tag.display_name"),
        (" vip ", "other", "tag.display_name"),
    ] {
        let error = app.tags().create(name).tag_id(id).await;
        let error = error.refused_for(reason::TAG_ALREADY_EXISTS);
        assert!(error.is_already_exists());
        assert_eq!((error.metadata("field"), error.metadata("tag_id")), (Some(field), Some("vip")));
        assert_eq!(error.resource().expect("a resource").resource_name, "vip");
    }
}

#[apply(on_each_store!)]
async fn invalid_tags_are_rejected(app: TestApp) {
    for id in ["VIP", "1st", "_x", "a-b", "é", &"a".repeat(64)] {
        let made = app.tags().create("x").tag_id(id).await;
        made.refused_at(reason::INVALID_ID, "tag.tag_id");
    }
    let color = app.tags().create("x").color("green").await;
    color.refused_at(reason::INVALID_ARGUMENT, "tag.color");
    let name = app.tags().create("x".repeat(101)).tag_id("x").await;
    let error = name.refused_at(reason::LIMIT_EXCEEDED, "tag.display_name");
    assert!(error.message().contains("100"), "{error}");
    let description = app.tags().create("x").description("x".repeat(1001)).await;
    description.refused_at(reason::LIMIT_EXCEEDED, "tag.description");

    let mut raw = app.client().raw_tags();
    let counted = v1::Tag { tag_id: "x".to_owned(), contact_count: 1, ..v1::Tag::default() };
    let request = v1::CreateTagRequest { tag: Some(counted), ..Default::default() };
    raw.create_tag(request).await.refused_at(reason::OUTPUT_ONLY_FIELD, "tag.contact_count");
    let nothing = raw.create_tag(v1::CreateTagRequest::default()).await;
    nothing.refused_at(reason::REQUIRED_FIELD_MISSING, "tag");
}

#[apply(on_each_store!)]
async fn renaming_a_tag_does_not_change_contacts(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let contact = app.contacts().create(NewContact::new().phone(phone(1)).tag("vip")).await;
    let contact = contact.expect("a contact");

    let renamed = app.tags().update("vip").display_name("Very important").color("#000000").await;
    let renamed = renamed.expect("a tag");
    assert_eq!((&*renamed.tag_id, &*renamed.display_name), ("vip", "Very important"));
    assert_eq!((&*renamed.color, renamed.contact_count), ("#000000", 1));
    assert!(renamed.update_time > renamed.create_time);
    assert_eq!(app.contacts().get(&contact).await.expect("a contact"), contact);

    let same = app.tags().update("vip").color("#000000").await.expect("a tag");
    assert_eq!(same, renamed, "nothing changed");
    let cleared = app.tags().update("vip").color("").await.expect("a tag");
    assert_eq!((&*cleared.color, &*cleared.display_name), ("", "Very important"));
}

#[apply(on_each_store!)]
async fn invalid_updates_are_rejected(app: TestApp) {
    app.make_tags(&["vip", "lead"]).await;
    let taken = app.tags().update("lead").display_name("VIP").await;
    taken.refused_for(reason::TAG_ALREADY_EXISTS);
    let color = app.tags().update("lead").color("#12345").await;
    color.refused_at(reason::INVALID_ARGUMENT, "tag.color");

    let tag = v1::Tag { tag_id: "lead".to_owned(), ..v1::Tag::default() };
    let update_mask = Some(contacts_proto::FieldMask { paths: vec!["colour".to_owned()] });
    let request = v1::UpdateTagRequest { tag: Some(tag), update_mask, ..Default::default() };
    let unknown = app.client().raw_tags().update_tag(request).await;
    let error = unknown.refused_at(reason::INVALID_UPDATE_MASK, "update_mask");
    assert!(error.message().contains("color"), "{error}");
}

#[apply(on_each_store!)]
async fn tags_are_counted_and_listed_by_id(app: TestApp) {
    app.make_tags(&["vip", "lead", "cold"]).await;
    for n in 0..3 {
        let contact = NewContact::new().phone(phone(n)).tag("lead");
        let contact = if n == 0 { contact.tag("vip") } else { contact };
        app.contacts().create(contact).await.expect("a contact");
    }
    let mut listed = Vec::new();
    let mut tags = app.tags().list().page_size(2).stream();
    while let Some(tag) = tags.next().await {
        let tag = tag.expect("a tag");
        listed.push((tag.tag_id, tag.contact_count));
    }
    let expected = [("cold", 0), ("lead", 3), ("vip", 1)];
    assert_eq!(listed, expected.map(|(id, count)| (id.to_owned(), count)));

    app.contacts().delete(phone(0)).await.expect("a receipt");
    assert_eq!(app.tags().get("vip").await.expect("a tag").contact_count, 0);
    assert_eq!(app.tags().get("lead").await.expect("a tag").contact_count, 2);
}

#[apply(on_each_store!)]
async fn tag_in_use_is_deleted_only_with_force(app: TestApp) {
    app.make_tags(&["vip", "lead"]).await;
    let both = NewContact::new().phone(phone(1)).tags(["vip", "lead"]);
    let contact = app.contacts().create(both).await.expect("a contact");

    let error = app.tags().delete("vip").await.refused_for(reason::TAG_IN_USE);
    assert_eq!(
        (error.metadata("tag_id"), error.metadata("contact_count")),
        (Some("vip"), Some("1"))
    );
    assert_eq!(app.tags().get("vip").await.expect("a tag").contact_count, 1);

    assert_eq!(app.tags().delete("vip").force(true).await.expect("a count"), 1);
    let after = app.contacts().get(&contact).await.expect("a contact");
    assert_eq!(after.tags, ["lead"]);
    assert_ne!(after.etag, contact.etag);
    app.tags().get("vip").await.refused_for(reason::TAG_NOT_FOUND);
    let filter = app.contacts().count().filter("tags:vip").await;
    filter.refused_at(reason::INVALID_FILTER, "filter");

    // Created again, no contact has it.
    app.make_tags(&["vip"]).await;
    assert_eq!(app.contacts().count().filter("tags:vip").await.expect("a count"), 0);
    assert_eq!(app.tags().delete("vip").await.expect("a count"), 0);
}

#[apply(on_each_store!)]
async fn unknown_tag_suggests_a_similar_one(app: TestApp) {
    app.make_tags(&["event_attendee"]).await;
    let errors = [
        app.tags().get("event_atendee").await.refused(),
        app.tags().update("event_atendee").color("").await.refused(),
        app.tags().delete("event_atendee").await.refused(),
    ];
    for error in errors {
        assert!(error.is_not_found());
        assert_eq!(error.reason(), Some(reason::TAG_NOT_FOUND));
        assert_eq!(error.metadata("suggestion"), Some("event_attendee"));
    }
    app.tags().get("").await.refused_at(reason::REQUIRED_FIELD_MISSING, "tag_id");
}
