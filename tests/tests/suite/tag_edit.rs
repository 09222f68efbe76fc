//! UpdateContactTags: edits the tags of many contacts.

use contacts_proto::v1;
use contacts_sdk::{Contact, ImportOptions, NewContact, Recipient, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};

async fn make_people(app: &TestApp) -> Vec<Contact> {
    app.make_tags(&["vip", "lead", "cold"]).await;
    let mut made = Vec::new();
    for n in 0..6 {
        let person = NewContact::new().phone(phone(n));
        let person = if n < 3 { person.tag("lead") } else { person };
        made.push(app.contacts().create(person).await.expect("a contact"));
    }
    made
}

async fn count(app: &TestApp, filter: &str) -> u64 {
    app.contacts().count().filter(filter).await.expect("a count")
}

#[apply(on_each_store!)]
async fn tag_edit_accepts_every_kind_of_recipient(app: TestApp) {
    let made = make_people(&app).await;
    let user = NewContact::new().whatsapp_user_id("US.1");
    app.contacts().create(user).await.expect("a contact");
    let people = [
        Recipient::from(&made[0]),
        Recipient::phone(phone(1)),
        Recipient::whatsapp_user_id("US.1"),
    ];
    let edit = app.contacts().update_tags().recipients(people).add("vip").remove("lead");
    let edited = edit.await.expect("an edit");
    assert_eq!((edited.matched_count, edited.updated_count, edited.failures.len()), (3, 3, 0));
    assert_eq!(count(&app, "tags:vip").await, 3);
    assert_eq!(count(&app, "tags:lead").await, 1);

    let changed = app.contacts().get(&made[0]).await.expect("a contact");
    assert_eq!(changed.tags, ["vip"]);
    assert_ne!(changed.etag, made[0].etag);
    let kept = app.contacts().get(&made[2]).await.expect("a contact");
    assert_eq!(kept, made[2]);
}

#[apply(on_each_store!)]
async fn unchanged_contacts_are_not_counted_as_changed(app: TestApp) {
    let made = make_people(&app).await;
    let edit = || app.contacts().update_tags().recipients(phones(0..6)).add("lead").send();
    let edited = edit().await.expect("an edit");
    assert_eq!((edited.matched_count, edited.updated_count), (6, 3));
    let edited = edit().await.expect("an edit");
    assert_eq!((edited.matched_count, edited.updated_count), (6, 0));
    assert_eq!(app.contacts().get(&made[0]).await.expect("a contact"), made[0]);
    // A contact listed twice, by different identifiers, is counted once.
    let twice = [Recipient::phone(phone(0)), Recipient::from(&made[0])];
    let edited = app.contacts().update_tags().recipients(twice).add("vip").await.expect("an edit");
    assert_eq!((edited.matched_count, edited.updated_count), (1, 1));
}

#[apply(on_each_store!)]
async fn unknown_contact_fails_alone(app: TestApp) {
    make_people(&app).await;
    let people = [
        Recipient::phone(phone(0)),
        Recipient::phone(phone(77)),
        Recipient::phone("x"),
        Recipient::phone(phone(1)),
        Recipient::contact_id("42"),
    ];
    let edited = app.contacts().update_tags().recipients(people).add("vip").await.expect("an edit");
    assert_eq!((edited.matched_count, edited.updated_count), (2, 2));
    let reasons = [reason::CONTACT_NOT_FOUND, reason::INVALID_PHONE_NUMBER, reason::INVALID_ID];
    assert_eq!(edited.failures.len(), 3);
    for (failure, (row, reason)) in
        edited.failures.into_iter().zip([1, 2, 4].into_iter().zip(reasons))
    {
        assert_eq!(failure.row, row);
        failure.error.refused_for(reason);
    }
    assert_eq!(count(&app, "tags:vip").await, 2);
}

#[apply(on_each_store!)]
async fn filter_needs_the_expected_count(app: TestApp) {
    make_people(&app).await;
    let edit =
        |expected| app.contacts().update_tags().filter("tags:lead", expected).add("vip").send();
    for wrong in [0, 2, 4, u64::MAX] {
        let error = edit(wrong).await.refused_for(reason::COUNT_MISMATCH);
        assert_eq!(error.metadata("count"), Some("3"));
        assert_eq!(count(&app, "tags:vip").await, 0);
    }
    let edited = edit(3).await.expect("an edit");
    assert_eq!((edited.matched_count, edited.updated_count), (3, 3));
    assert_eq!(count(&app, "tags:vip AND tags:lead").await, 3);
    // An edit after which no contact matches its filter still applies to all.
    let edited =
        app.contacts().update_tags().filter("tags:lead", 3).remove("lead").await.expect("an edit");
    assert_eq!((edited.updated_count, count(&app, "tags:lead").await), (3, 0));
    let everybody = app.contacts().update_tags().filter("", 6).add("cold").await.expect("an edit");
    assert_eq!(everybody.updated_count, 6);
}

#[apply(on_each_store!)]
async fn large_segment_is_edited_in_one_call(app: TestApp) {
    app.make_tags(&["vip", "lead"]).await;
    let people = phones(0..2300).into_iter();
    app.make_many(people.map(|phone| NewContact::new().phone(phone).tag("lead"))).await;
    let edit = app.contacts().update_tags().filter("tags:lead AND NOT tags:vip", 2300);
    let edited = edit.add("vip").remove("lead").await.expect("an edit");
    assert_eq!((edited.matched_count, edited.updated_count), (2300, 2300));
    assert_eq!(app.tags().get("vip").await.expect("a tag").contact_count, 2300);
    assert_eq!(app.tags().get("lead").await.expect("a tag").contact_count, 0);
}

#[apply(on_each_store!)]
async fn validate_only_reports_and_changes_nothing(app: TestApp) {
    let made = make_people(&app).await;
    let people = || app.contacts().update_tags().recipients([phone(0), phone(1), phone(77)]);
    let told = people().add("vip").validate_only(true).await.expect("a forecast");
    assert_eq!((told.matched_count, told.updated_count, told.failures.len()), (2, 2, 1));
    let filter = || app.contacts().update_tags().filter("tags:lead", 3);
    let told = filter().remove("lead").validate_only(true).await.expect("a forecast");
    assert_eq!((told.matched_count, told.updated_count), (3, 3));
    for contact in made {
        assert_eq!(app.contacts().get(&contact).await.expect("a contact"), contact);
    }
    let wrong = app.contacts().update_tags().filter("tags:lead", 1).add("vip").validate_only(true);
    wrong.await.refused_for(reason::COUNT_MISMATCH);
}

#[apply(on_each_store!)]
async fn retried_tag_edit_is_applied_once(app: TestApp) {
    make_people(&app).await;
    let id = uuid::Uuid::new_v4().to_string();
    let edit =
        || app.contacts().update_tags().recipients([phone(0)]).add("vip").request_id(&id).send();
    assert_eq!(edit().await.expect("an edit").updated_count, 1);
    app.contacts().update_tags().recipients([phone(0)]).remove("vip").await.expect("an edit");
    assert_eq!(edit().await.expect("an edit").updated_count, 1, "the first answer");
    assert_eq!(count(&app, "tags:vip").await, 0);
}

#[apply(on_each_store!)]
async fn contradictory_tag_edits_are_rejected(app: TestApp) {
    make_people(&app).await;
    let base = || app.contacts().update_tags().recipients([phone(0)]);
    base().await.refused_at(reason::REQUIRED_FIELD_MISSING, "add_tags");
    base().add("vip").remove("vip").await.refused_at(reason::INVALID_ARGUMENT, "remove_tags");
    let nobody = app.contacts().update_tags().add("vip").await;
    nobody.refused_at(reason::REQUIRED_FIELD_MISSING, "recipients");
    let both = base().filter("tags:lead", 3).add("vip").await;
    both.refused_at(reason::INVALID_ARGUMENT, "filter");
    let unknown = base().add("event").await.refused_at(reason::UNKNOWN_TAG, "add_tags");
    assert_eq!(unknown.metadata("tag_id"), Some("event"));
    base().remove("event").await.refused_at(reason::UNKNOWN_TAG, "remove_tags");
    let many = app.contacts().update_tags().recipients(phones(0..1001)).add("vip").await;
    many.refused_at(reason::LIMIT_EXCEEDED, "recipients");

    let request = v1::UpdateContactTagsRequest {
        filter: Some(String::new()),
        add_tags: vec!["vip".to_owned()],
        ..Default::default()
    };
    let uncounted = app.client().raw_contacts().update_contact_tags(request).await;
    uncounted.refused_at(reason::REQUIRED_FIELD_MISSING, "expected_count");
    assert_eq!(count(&app, "tags:vip").await, 0);
}

#[apply(on_each_store!)]
async fn tags_of_a_contact_are_limited_to_100(app: TestApp) {
    let tags: Vec<_> = (0..101).map(|n| format!("t{n}")).collect();
    for tag in &tags {
        app.tags().create(tag).await.expect("a tag");
    }
    let full = NewContact::new().phone(phone(1)).tags(&tags[..100]);
    app.contacts().create(full).await.expect("a contact");
    app.make_contact(phone(2)).await;
    let more = NewContact::new().phone(phone(3)).tags(&tags);
    app.contacts().create(more).await.refused_at(reason::LIMIT_EXCEEDED, "contact.tags");

    let edit = app.contacts().update_tags().recipients([phone(1), phone(2)]).add("t100");
    let edited = edit.await.expect("an edit");
    assert_eq!((edited.updated_count, edited.failures.len(), edited.failures[0].row), (1, 1, 0));
    edited.failures[0].error.clone().refused_for(reason::LIMIT_EXCEEDED);
    // An edit by filter cannot report single contacts, so it fails as a whole.
    let edit = app.contacts().update_tags().filter("tags:*", 2).add("t100").remove("t0");
    edit.await.expect("one for one");
    let edit = app.contacts().update_tags().filter("tags:t1", 1).add("t0").await;
    edit.refused_for(reason::LIMIT_EXCEEDED);
}

#[apply(on_each_store!)]
async fn opt_outs_do_not_wait_for_a_large_edit(app: TestApp) {
    const PEOPLE: usize = 10_000;
    app.make_tags(&["vip"]).await;
    let people = (0..PEOPLE).map(|n| NewContact::new().phone(phone(n)));
    app.contacts().import(ImportOptions::new()).send(people).await.expect("an import");
    let client = app.client().clone();
    let edit = tokio::spawn(async move {
        let edit = client.contacts().update_tags().filter("", PEOPLE as u64).add("vip");
        edit.await.expect("an edit").updated_count
    });
    // In one transaction, none of these would end between its first and its last contact.
    let mut between = 0;
    for n in 0.. {
        app.opt_in().record_opt_out(phone(n % PEOPLE)).await.expect("an opt-out");
        let tagged = count(&app, "tags:vip").await;
        between += u64::from(tagged > 0 && tagged < PEOPLE as u64);
        if edit.is_finished() {
            break;
        }
    }
    assert_eq!(edit.await.expect("a task"), PEOPLE as u64);
    assert!(between > 0, "opt-outs waited for the whole edit");
    assert_eq!(count(&app, "tags:vip").await, PEOPLE as u64);
    app.tags().delete("vip").force(true).await.expect("deleted");
    assert_eq!(count(&app, "tags:*").await, 0);
}
