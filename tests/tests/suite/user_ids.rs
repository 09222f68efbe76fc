//! Several WhatsApp user ids of one contact: one per business portfolio, and a parent.

use contacts_sdk::{
    CheckReason, Contact, Evidence, ImportConsent, ImportOptions, MessageCategory, NewContact,
    OnConflict, OptInSource, OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

fn user(id: &str) -> Recipient {
    Recipient::whatsapp_user_id(id)
}

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

/// A contact that opted in with these user ids and no phone number.
async fn with_user_ids(app: &TestApp, ids: &[&str]) -> Contact {
    let new = ids.iter().fold(NewContact::new(), |new, id| new.whatsapp_user_id(*id));
    let made = app.contacts().create(new).await.expect("a contact");
    app.opt_in().record_opt_in(&made, OptInSource::WebForm).await.expect("an opt-in");
    made
}

#[apply(on_each_store!)]
async fn contact_is_created_and_found_with_several_user_ids(app: TestApp) {
    let ids = ["US.1", "BR.2", "US.ENT.3"];
    let made = with_user_ids(&app, &[ids[0], ids[1], ids[2], ids[0]]).await;
    assert_eq!(made.whatsapp_user_ids, ids);
    for id in ids {
        let found = app.contacts().get(user(id)).await.expect("a contact");
        assert_eq!(found.contact_id, made.contact_id);
        assert_eq!(reason_of(&app, user(id)).await, CheckReason::OptedIn);
    }
    // A no under any of them is the person's.
    app.opt_in().record_opt_out(user("US.ENT.3")).await.expect("an opt-out");
    for person in [user("US.1"), user("BR.2"), Recipient::from(&made)] {
        assert_eq!(reason_of(&app, person).await, CheckReason::OptedOut);
    }
    let taken = NewContact::new().phone(phone(1)).whatsapp_user_id("BR.9").whatsapp_user_id("BR.2");
    let error = app.contacts().create(taken).await.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*made.contact_id));
    let many = (0..21).fold(NewContact::new(), |new, n| new.whatsapp_user_id(format!("US.9{n}")));
    let error = app.contacts().create(many).await.refused_for(reason::LIMIT_EXCEEDED);
    assert_eq!(error.metadata("limit"), Some("20"));
}

#[apply(on_each_store!)]
async fn linked_user_id_is_added_or_replaces_the_one_named(app: TestApp) {
    with_user_ids(&app, &["US.1", "US.2"]).await;
    let link = |id: &str| app.contacts().link_identity(user("US.2")).whatsapp_user_id(id);
    let added = link("US.3").await.expect("a contact");
    assert_eq!(added.whatsapp_user_ids, ["US.1", "US.2", "US.3"]);
    assert!(added.former_whatsapp_user_ids.is_empty());
    assert_eq!(reason_of(&app, user("US.3")).await, CheckReason::NotAsked);

    let replaced = link("US.4").replaces("US.1").await.expect("a contact");
    assert_eq!(replaced.whatsapp_user_ids, ["US.4", "US.2", "US.3"], "it takes the place");
    assert_eq!(replaced.former_whatsapp_user_ids, ["US.1"]);
    // The first is the one that a message would go to.
    assert_eq!(replaced.opt_in.marketing, OptInStatus::NotAsked);
    assert_eq!(reason_of(&app, &replaced).await, CheckReason::NotAsked);
    for (id, expected) in [
        ("US.1", CheckReason::FormerIdentity),
        ("US.2", CheckReason::OptedIn),
        ("US.4", CheckReason::NotAsked),
    ] {
        assert_eq!(reason_of(&app, user(id)).await, expected, "{id}");
    }
    // Sent again, it changes nothing.
    let again = link("US.4").replaces("US.1").await.expect("a contact");
    assert_eq!(again, replaced);
    let events = app.opt_in().events(&replaced).await.expect("events").items.len();
    // With carry, the new id may receive what the replaced one could, and no more.
    let evidence = Evidence::new().message_id("wamid.1");
    let carried = link("US.5").replaces("US.2").carry_opt_in(OptInSource::Platform, evidence);
    // "US.2" names the contact, and is the one that goes.
    carried.await.expect("a contact");
    assert_eq!(reason_of(&app, user("US.5")).await, CheckReason::OptedIn);
    assert_eq!(app.opt_in().events(&replaced).await.expect("events").items.len(), events + 1);

    let link = |id: &str| app.contacts().link_identity(user("US.5")).whatsapp_user_id(id);
    for gone in ["US.1", "US.2", "US.99"] {
        link("US.6").replaces(gone).await.refused_at(reason::INVALID_ARGUMENT, "replaces");
    }
    let alone = app.contacts().link_identity(user("US.5")).phone(phone(1)).replaces("US.5").await;
    alone.refused_at(reason::INVALID_ARGUMENT, "replaces");
}

#[apply(on_each_store!)]
async fn one_of_several_user_ids_can_be_released(app: TestApp) {
    let made = with_user_ids(&app, &["US.1", "US.2"]).await;
    app.opt_in().record_opt_out(&made).await.expect("an opt-out");
    let released = app.contacts().link_identity(&made).release("US.2").await.expect("a contact");
    assert_eq!(released.whatsapp_user_ids, ["US.1"]);
    assert!(released.former_whatsapp_user_ids.is_empty());
    app.contacts().get(user("US.2")).await.refused_for(reason::CONTACT_NOT_FOUND);
    assert_eq!(reason_of(&app, user("US.2")).await, CheckReason::OptedOut);
    // The last one is what the contact is.
    app.contacts()
        .link_identity(&made)
        .release("US.1")
        .await
        .refused_for(reason::REQUIRED_FIELD_MISSING);
}

/// Case 9 of the review: an import row joins a phone number with a user id that objected.
#[apply(on_each_store!)]
async fn import_adds_user_ids_with_what_stands_against_them(app: TestApp) {
    let merge = || ImportOptions::new().on_conflict(OnConflict::Merge);
    let new = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    let made = app.contacts().create(new).await.expect("a contact");
    app.opt_in().record_opt_in(&made, OptInSource::WebForm).await.expect("an opt-in");
    let row = |id: &str| NewContact::new().phone(phone(1)).whatsapp_user_id(id);
    let summary = app.contacts().import(merge()).send([row("US.2")]).await.expect("an import");
    assert_eq!((summary.updated, summary.failed), (1, 0));
    let joined = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!(joined.whatsapp_user_ids, ["US.1", "US.2"]);
    assert_eq!(reason_of(&app, user("US.2")).await, CheckReason::NotAsked, "it joined later");

    app.opt_in().record_opt_out(user("US.3")).await.expect("an opt-out");
    let agreed = merge().consent(ImportConsent::opted_in());
    let summary = app.contacts().import(agreed).send([row("US.3")]).await.expect("an import");
    summary.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
    for person in [Recipient::phone(phone(1)), user("US.1"), user("US.2"), user("US.3")] {
        assert_eq!(reason_of(&app, person.clone()).await, CheckReason::OptedOut, "{person:?}");
    }
}

#[apply(on_each_store!)]
async fn merged_contacts_keep_the_user_ids_of_both(app: TestApp) {
    let one = with_user_ids(&app, &["US.1", "US.2"]).await;
    let new = NewContact::new().whatsapp_user_id("US.3");
    let two = app.contacts().create(new).await.expect("a contact");
    let both = app.contacts().merge(&one, &two).take(["whatsapp_user_ids"]).await;
    let both = both.expect("a contact");
    assert_eq!(both.whatsapp_user_ids, ["US.3", "US.1", "US.2"]);
    assert!(both.former_whatsapp_user_ids.is_empty());
    // Neither gets what the other was permitted.
    assert_eq!(reason_of(&app, user("US.3")).await, CheckReason::NotAsked);
    assert_eq!(reason_of(&app, user("US.1")).await, CheckReason::OptedIn);
    assert_eq!(both.opt_in.marketing, OptInStatus::NotAsked, "that of the first");
}

#[apply(on_each_store!)]
async fn identities_show_what_was_said_under_each(app: TestApp) {
    let new = NewContact::new().phone("552187654321").whatsapp_user_id("US.1");
    let made = app.contacts().create(new).await.expect("a contact");
    app.opt_in().record_opt_in(user("US.1"), OptInSource::WebForm).await.expect("an opt-in");
    app.contacts().link_identity(&made).phone(phone(2)).await.expect("a contact");
    let linked = app.contacts().link_identity(&made).whatsapp_user_id("US.2").await;
    let linked = linked.expect("a contact");

    let shown = |contact: &Contact| -> Vec<_> {
        let identities = contact.identities.iter();
        let shown = identities.map(|identity| {
            let marketing = identity.consents.iter().find(|consent| consent.category == MARKETING);
            let status = marketing.expect("an entry per category").status;
            (identity.identity.clone(), identity.is_former, identity.join_time.is_some(), status)
        });
        shown.collect()
    };
    let expected = [
        (Recipient::phone(phone(2)), false, true, OptInStatus::NotAsked),
        (user("US.1"), false, false, OptInStatus::OptedIn),
        (user("US.2"), false, true, OptInStatus::NotAsked),
        (Recipient::phone("552187654321"), true, false, OptInStatus::OptedIn),
    ];
    assert_eq!(shown(&linked), expected);
    assert_eq!(app.contacts().get(&made).await.expect("a contact"), linked);
    let listed = app.contacts().list().await.expect("a page").items;
    assert_eq!(listed, std::slice::from_ref(&linked));
    let batch = app.contacts().batch_get([user("US.1")]).await.expect("results");
    assert_eq!(batch[0].as_ref().expect("a contact"), &linked);
    for identity in &linked.identities {
        let check = reason_of(&app, identity.identity.clone()).await;
        let opted_in = identity.consents.iter().any(|c| c.status == OptInStatus::OptedIn);
        let allows = opted_in && !identity.is_former;
        assert_eq!(check == CheckReason::OptedIn, allows, "{identity:?}");
    }
    // An objection shows under each.
    app.opt_in().record_opt_out(user("US.2")).categories([MARKETING]).await.expect("an opt-out");
    let after = app.contacts().get(&made).await.expect("a contact");
    assert!(shown(&after).iter().all(|(.., status)| *status == OptInStatus::OptedOut));
    let basic = app.contacts().get(&made).view(contacts_sdk::ContactView::Basic).await;
    assert!(basic.expect("a contact").identities.is_empty());
}
