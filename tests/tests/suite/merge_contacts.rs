//! MergeContacts.

use std::time::{Duration, SystemTime};

use contacts_proto::v1;
use contacts_sdk::{
    CheckReason, Contact, Evidence, MessageCategory, NewContact, OptInEventKind, OptInSource,
    OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, timestamp};

const MARKETING: MessageCategory = MessageCategory::Marketing;

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

async fn merged(app: &TestApp, survivor: &Contact, gone: &Contact) -> Contact {
    app.contacts().merge(survivor, gone).await.expect("a contact")
}

/// Creates two contacts with different values in every field.
async fn pair(app: &TestApp) -> (Contact, Contact) {
    app.make_tags(&["vip", "lead"]).await;
    app.make_attributes().await;
    let one = NewContact::new()
        .phone(phone(1))
        .whatsapp_user_id("US.1")
        .first_name("Ana")
        .tag("vip")
        .attribute("city", "Lisboa")
        .attribute("orders", 1);
    let two = NewContact::new()
        .phone(phone(2))
        .whatsapp_user_id("US.2")
        .first_name("Anna")
        .last_name("Souza")
        .email("ana@example.com")
        .tag("lead")
        .attribute("city", "Porto")
        .attribute("member", true);
    let create = |contact| app.contacts().create(contact).send();
    (create(one).await.expect("a contact"), create(two).await.expect("a contact"))
}

#[apply(on_each_store!)]
async fn survivor_is_found_by_every_identifier_of_both(app: TestApp) {
    let (one, two) = pair(&app).await;
    let both = merged(&app, &one, &two).await;
    assert_eq!(both.contact_id, one.contact_id);
    assert_eq!(both.merged_contact_ids, [&*two.contact_id]);
    assert_eq!(both.former_phone_numbers, [phone(2)]);
    assert_eq!(both.whatsapp_user_ids, ["US.1", "US.2"]);
    assert_eq!(
        (both.first_name.as_deref(), both.last_name.as_deref()),
        (Some("Ana"), Some("Souza"))
    );
    assert_eq!(both.tags, ["lead", "vip"]);
    assert_eq!(both.attribute("city").and_then(|v| v.as_str()), Some("Lisboa"));
    assert_eq!(both.attributes.len(), 3);

    let names = [
        Recipient::from(&one),
        Recipient::from(&two),
        Recipient::phone(phone(1)),
        Recipient::phone(phone(2)),
        Recipient::whatsapp_user_id("US.1"),
        Recipient::whatsapp_user_id("US.2"),
    ];
    for person in &names {
        assert_eq!(app.contacts().get(person).await.expect("a contact"), both);
        let check = app.opt_in().check(person, MARKETING).await.expect("a check");
        assert_eq!(check.contact_id.as_deref(), Some(&*both.contact_id));
    }
    let batch = app.contacts().batch_get(&names).await.expect("results");
    assert!(batch.into_iter().all(|found| found.expect("a contact") == both));
    let updated = app.contacts().update(&two).first_name("Anne").await.expect("a contact");
    assert_eq!(updated.contact_id, one.contact_id);
    let edit = app.contacts().update_tags().recipients(names).remove("vip").await.expect("an edit");
    assert_eq!((edit.matched_count, edit.updated_count), (1, 1));
    app.opt_in().record_opt_out(&two).await.expect("an opt-out");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
}

#[apply(on_each_store!)]
async fn counts_lists_and_streams_omit_the_merged_contact(app: TestApp) {
    let (one, two) = pair(&app).await;
    let third = app.make_contact(phone(3)).await;
    let mut batches = app.contacts().segment().batch_size(1).batches();
    let first = batches.next().await.expect("a batch").expect("a batch");
    merged(&app, &one, &two).await;
    // Contacts that exist throughout are delivered, the survivor only once.
    let resumed = app.contacts().segment().batch_size(1).resume_from(first.resume_token().clone());
    let mut seen = vec![one.contact_id.clone()];
    let mut rest = resumed.stream();
    while let Some(contact) = rest.next().await {
        seen.push(contact.expect("a contact").contact_id);
    }
    assert_eq!(seen, [one.contact_id, third.contact_id]);
    let count = |filter: &str| app.contacts().count().filter(filter).send();
    assert_eq!(count("").await.expect("a count"), 2);
    assert_eq!(count("tags:lead").await.expect("a count"), 1);
    assert_eq!(count("attributes.city = \"Porto\"").await.expect("a count"), 0);
    assert_eq!(app.contacts().count().query("anna").await.expect("a count"), 0);
    for (tag, expected) in [("vip", 1), ("lead", 1)] {
        assert_eq!(app.tags().get(tag).await.expect("a tag").contact_count, expected, "{tag}");
    }
    for (attribute, expected) in [("city", 1), ("orders", 1), ("member", 1)] {
        let attribute = app.attributes().get(attribute).await.expect("an attribute");
        assert_eq!(attribute.contact_count, expected, "{}", attribute.attribute_id);
    }
}

#[apply(on_each_store!)]
async fn take_mask_selects_fields_of_the_merged_contact(app: TestApp) {
    let (one, two) = pair(&app).await;
    let take = ["phone_number", "first_name", "attributes.city"];
    let merge = app.contacts().merge(&one, &two).take(take).keep_survivor_tags();
    let both = merge.await.expect("a contact");
    assert_eq!(both.contact_id, one.contact_id);
    assert_eq!((both.phone_number, both.former_phone_numbers), (Some(phone(2)), vec![phone(1)]));
    assert_eq!(both.whatsapp_user_ids, ["US.1", "US.2"]);
    assert_eq!(both.first_name.as_deref(), Some("Anna"));
    assert_eq!(both.tags, ["vip"]);
    assert_eq!(both.attributes["city"].as_str(), Some("Porto"));
    assert_eq!(both.attributes["orders"].as_f64(), Some(1.0));
    let number = format!("phone_number = \"{}\"", phone(2));
    assert_eq!(app.contacts().count().filter(number).await.expect("a count"), 1);
}

/// Nothing is combined: the number that stays has its own opt-in and no other, the former one allows
/// nothing.
#[apply(on_each_store!)]
async fn number_keeps_its_own_opt_in_and_the_opt_out_of_either_applies(app: TestApp) {
    use OptInStatus::{NotAsked, OptedIn, OptedOut};
    let mut n = 0;
    for one in [NotAsked, OptedIn, OptedOut] {
        for two in [NotAsked, OptedIn, OptedOut] {
            let mut pair = Vec::new();
            for status in [one, two] {
                let contact = app.make_contact(phone(n)).await;
                n += 1;
                match status {
                    OptedIn => {
                        let record = app.opt_in().record_opt_in(&contact, OptInSource::WebForm);
                        drop(record.await.expect("an opt-in"));
                    }
                    OptedOut => drop(app.opt_in().record_opt_out(&contact).await.expect("one")),
                    _ => {}
                }
                pair.push(contact);
            }
            let both = merged(&app, &pair[0], &pair[1]).await;
            let (expected, current, former) = match (one, two) {
                (OptedOut, _) | (_, OptedOut) => {
                    (OptedOut, CheckReason::OptedOut, CheckReason::OptedOut)
                }
                (OptedIn, _) => (OptedIn, CheckReason::OptedIn, CheckReason::FormerIdentity),
                _ => (NotAsked, CheckReason::NotAsked, CheckReason::FormerIdentity),
            };
            assert_eq!(both.opt_in.marketing, expected, "{one:?} {two:?}");
            for (person, reason) in [
                (Recipient::phone(phone(n - 2)), current),
                (Recipient::phone(phone(n - 1)), former),
                (Recipient::from(&both), current),
            ] {
                assert_eq!(reason_of(&app, person).await, reason, "{one:?} {two:?}");
            }
            assert_eq!(app.contacts().get(&pair[1]).await.expect("a contact"), both);
        }
    }
    let opted_in = app.contacts().count().filter("opt_in = OPTED_IN").await;
    assert_eq!(opted_in.expect("a count"), 2, "opted in, with one never asked or opted in");
}

/// Per category, and with the expiry of the opt-in that the number has.
#[apply(on_each_store!)]
async fn merged_contact_has_the_opt_in_of_its_number_and_the_opt_outs_of_both(app: TestApp) {
    let hour = Duration::from_secs(3600);
    let soon = SystemTime::now() + hour;
    let categories = [MARKETING, MessageCategory::Utility];
    for (first, takes_second) in [(1, false), (3, true)] {
        let mut own = Vec::new();
        for (n, end) in [(first, soon + hour), (first + 1, soon)] {
            app.make_contact(phone(n)).await;
            let record = app.opt_in().record_opt_in(phone(n), OptInSource::Paper);
            let record = record.categories(categories).expire_time(end);
            own.push(record.await.expect("an opt-in").event);
        }
        let utility = [MessageCategory::Utility];
        let opted_out = app.opt_in().record_opt_out(phone(first)).categories(utility);
        opted_out.await.expect("an opt-out");
        let mut merge = app.contacts().merge(phone(first), phone(first + 1));
        if takes_second {
            merge = merge.take(["phone_number"]);
        }
        let both = merge.await.expect("a contact");
        assert_eq!(both.opt_in.marketing, OptInStatus::OptedIn);
        assert_eq!(both.opt_in.utility, OptInStatus::OptedOut);
        assert_eq!(both.opt_in.authentication, OptInStatus::NotAsked);
        let events = app.opt_in().events(&both).await.expect("events").items;
        let (current, former) = if takes_second { (1, 0) } else { (0, 1) };
        assert!(own.iter().all(|event| events.contains(event)), "{events:?}");
        assert_ne!(own[0].expire_time, own[1].expire_time);
        let number = |at: usize| phone(first + at);
        let check = app.opt_in().check(number(current), MARKETING).await.expect("a check");
        assert_eq!(check.reason, CheckReason::OptedIn);
        assert_eq!(check.event_id.as_deref(), Some(&*own[current].event_id));
        assert_eq!(reason_of(&app, number(former)).await, CheckReason::FormerIdentity);
        for number in [number(0), number(1)] {
            let check = app.opt_in().check(number, MessageCategory::Utility).await;
            assert_eq!(check.expect("a check").reason, CheckReason::OptedOut);
        }
    }
}

#[apply(on_each_store!)]
async fn events_of_both_are_listed_and_erased_together(app: TestApp) {
    let non_contact = Recipient::whatsapp_user_id("US.2");
    app.opt_in().record_opt_out(non_contact).reason_text("STOP").await.expect("an opt-out");
    let one = app.make_opted_in(phone(1)).await;
    let two = app.contacts().create(NewContact::new().phone(phone(2)).whatsapp_user_id("US.2"));
    let two = two.await.expect("a contact");
    let evidence = Evidence::new().wording("Yes");
    let record = app.opt_in().record_opt_in(&two, OptInSource::WebForm).evidence(evidence);
    record.await.expect("an opt-in");
    merged(&app, &one, &two).await;
    for person in [Recipient::from(&one), Recipient::from(&two), Recipient::phone(phone(2))] {
        use OptInEventKind::{Claimed, Created, Merged, OptIn, OptOut};
        let events = app.opt_in().events(person).await.expect("events").items;
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        // So are the changes of who is one person.
        assert_eq!(kinds, [Merged, OptIn, Claimed, Created, OptIn, OptOut]);
        assert_eq!(events[0].contact_id.as_deref(), Some(&*one.contact_id));
        assert_eq!(events[1].contact_id.as_deref(), Some(&*two.contact_id), "as it was recorded");
        assert_eq!(events[1].evidence.wording, "Yes");
        assert_eq!(events[5].reason_text, "STOP");
    }

    let receipt = app.contacts().delete(&two).await.expect("a receipt");
    assert_eq!(receipt.contact_id, one.contact_id);
    for person in [Recipient::from(&one), Recipient::from(&two)] {
        app.contacts().get(person.clone()).await.refused_for(reason::CONTACT_NOT_FOUND);
        app.opt_in().events(person).await.refused_for(reason::CONTACT_NOT_FOUND);
    }
    for n in [1, 2] {
        // The erasure decides, and is listed. No objection stands: the opt-in lifted it.
        let check = app.opt_in().check(phone(n), MARKETING).await.expect("a check");
        assert_eq!((check.reason, check.contact_id), (CheckReason::Erased, None), "{n}");
        let events = app.opt_in().events(phone(n)).await.expect("events").items;
        let listed: Vec<_> = events.iter().map(|event| (event.kind, &*event.event_id)).collect();
        let erasure = check.event_id.as_deref().expect("what decided");
        assert_eq!(listed, [(OptInEventKind::Erased, erasure)], "{n}");
        assert_eq!(events[0].evidence, Evidence::new(), "{n}");
        app.make_contact(phone(n)).await;
    }
}

#[apply(on_each_store!)]
async fn chained_merges_redirect_to_the_last_survivor(app: TestApp) {
    let mut contacts = Vec::new();
    for n in 0..4 {
        contacts.push(app.make_contact(phone(n)).await);
    }
    merged(&app, &contacts[1], &contacts[0]).await;
    merged(&app, &contacts[2], &contacts[1]).await;
    // Identified by the id of a contact that was merged earlier.
    let last = app.contacts().merge(&contacts[3], &contacts[0]).await.expect("a contact");
    assert_eq!(last.contact_id, contacts[3].contact_id);
    assert_eq!(last.merged_contact_ids.len(), 3);
    for (n, contact) in contacts.iter().enumerate() {
        assert_eq!(app.contacts().get(contact).await.expect("a contact"), last, "{n}");
        assert_eq!(app.contacts().get(phone(n)).await.expect("a contact"), last, "{n}");
    }
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
}

#[apply(on_each_store!)]
async fn invalid_merges_are_rejected(app: TestApp) {
    let (one, two) = pair(&app).await;
    let itself = app.contacts().merge(&one, phone(1)).await;
    itself.refused_at(reason::INVALID_ARGUMENT, "merged");
    for (survivor, gone, field) in [(9, 2, "survivor"), (1, 9, "merged")] {
        let merge = app.contacts().merge(phone(survivor), phone(gone)).await;
        let error = merge.refused_for(reason::CONTACT_NOT_FOUND);
        assert_eq!(error.metadata("field"), Some(field));
    }
    let bad = app.contacts().merge("12", phone(2)).await;
    bad.refused_at(reason::INVALID_PHONE_NUMBER, "survivor.phone_number");
    let request = v1::MergeContactsRequest::default();
    let nobody = app.client().raw_contacts().merge_contacts(request).await;
    nobody.refused_at(reason::REQUIRED_FIELD_MISSING, "survivor");
    for (path, why) in
        [("opt_in", reason::INVALID_UPDATE_MASK), ("attributes.cty", reason::UNKNOWN_ATTRIBUTE)]
    {
        app.contacts().merge(&one, &two).take([path]).await.refused_at(why, "take_mask");
    }
    let both = app.contacts().merge(&one, &two).take(["tags"]).keep_survivor_tags().await;
    both.refused_at(reason::INVALID_ARGUMENT, "keep_survivor_tags");
    let stale = app.contacts().merge(&one, &two).survivor_etag(&two.etag).await;
    let error = stale.refused_for(reason::ETAG_MISMATCH);
    assert_eq!(error.metadata("field"), Some("survivor_etag"));
    let stale = app.contacts().merge(&one, &two).merged_etag(&one.etag).await;
    let error = stale.refused_for(reason::ETAG_MISMATCH);
    assert_eq!(error.metadata("field"), Some("merged_etag"));
    assert_eq!(app.contacts().get(&two).await.expect("still there"), two);

    // A contact of another workspace is not found.
    app.client().workspaces().create("other").await.expect("a workspace");
    let elsewhere = app.client().with_workspace("other");
    let merge = elsewhere.contacts().merge(&one, &two).await;
    merge.refused_for(reason::CONTACT_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn merge_exceeding_a_limit_is_rejected(app: TestApp) {
    let tags: Vec<_> = (0..120).map(|n| format!("t{n}")).collect();
    app.make_tags(&tags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (n, range) in [(1, 0..60), (2, 60..120)] {
        let contact = NewContact::new().phone(phone(n)).tags(tags[range].to_vec());
        app.contacts().create(contact).await.expect("a contact");
    }
    let merge = || app.contacts().merge(phone(1), phone(2));
    let error = merge().await.refused_at(reason::LIMIT_EXCEEDED, "tags");
    assert_eq!(error.metadata("actual"), Some("120"));
    assert_eq!(merge().take(["tags"]).await.expect("a contact").tags.len(), 60);
}

#[apply(on_each_store!)]
async fn retried_merge_is_applied_once(app: TestApp) {
    let id = "2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11";
    let created = "2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a12";
    let (one, two) = (app.make_contact(phone(1)).await, NewContact::new().phone(phone(2)));
    let create = || app.contacts().create(two.clone()).request_id(created);
    let two = create().await.expect("a contact");
    let merge = || app.contacts().merge(&one, &two).request_id(id);
    let first = merge().await.expect("a contact");
    assert_eq!(merge().await.expect("the same answer"), first);
    // Stored responses about the merged contact are kept as long as those of the survivor.
    assert_eq!(create().await.expect("the same answer"), two);
    app.contacts().delete(&one).await.expect("a receipt");
    merge().await.refused_for(reason::CONTACT_NOT_FOUND);
    create().await.refused_for(reason::CONTACT_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn opt_out_during_merges_is_never_lost(app: TestApp) {
    for n in 0..10 {
        let one = app.make_opted_in(phone(2 * n)).await;
        let two = app.make_opted_in(phone(2 * n + 1)).await;
        let merge = app.contacts().merge(&one, &two).send();
        let objection = app.opt_in().record_opt_out(&two).occurred_time(timestamp(0)).send();
        let now = app.opt_in().record_opt_out(phone(2 * n + 1)).send();
        let (merge, objection, now) = tokio::join!(merge, objection, now);
        merge.expect("a contact");
        objection.expect("an opt-out");
        now.expect("an opt-out");
        for n in [2 * n, 2 * n + 1] {
            assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
        }
    }
}
