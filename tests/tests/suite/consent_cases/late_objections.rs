//! Objections under an identity that was released since they were said: they are of the person who had it.

use super::*;

fn user() -> Recipient {
    Recipient::whatsapp_user_id("US.1")
}

/// A contact that opted in under its user id, and released its first number.
async fn who_released_a_number(app: &TestApp) -> String {
    let person = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    let contact = app.contacts().create(person).await.expect("a contact");
    yes(app, user(), 1000).await;
    let change = app.contacts().link_identity(&contact).phone(phone(2)).release(phone(1));
    change.await.expect("a release");
    assert_eq!(check(app, user()).await, CheckReason::OptedIn);
    contact.contact_id
}

#[apply(on_each_store!)]
async fn an_opt_out_stands_against_who_had_the_number_and_who_has_it(app: TestApp) {
    let contact = who_released_a_number(&app).await;
    let before = app.opt_in().events(user()).await.expect("events").items.len();
    no(&app, phone(1), 500).await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    let events = app.opt_in().events(user()).await.expect("events").items;
    assert_eq!((events.len(), events[0].contact_id.as_deref()), (before + 1, Some(&*contact)));
    let next = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("the next");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
    // Each of them agrees for themselves, after the release.
    yes(&app, user(), 400).await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(user(), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    // Today's are today's holder's.
    app.opt_in().record_opt_out(&next).await.expect("an opt-out");
    no(&app, phone(1), 0).await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn a_platform_stop_does_too(app: TestApp) {
    who_released_a_number(&app).await;
    platform(&app, phone(1), PlatformPreference::Stop, "1063", 500).await;
    assert_eq!(check_from(&app, user(), "1063").await, CheckReason::PlatformOptedOut);
    assert_eq!(check_from(&app, user(), "1064").await, CheckReason::OptedIn);
    let resume = app.opt_in().record_platform_preference(phone(1), PlatformPreference::Resume);
    resume.sender_phone_number_id("1063").occurred_time(ago(100)).await.expect("a resume");
    assert_eq!(check_from(&app, user(), "1063").await, CheckReason::PlatformOptedOut);
    audited(&app).await;
}

/// Of a file, once, however often it is imported, and also if the row fails.
#[apply(on_each_store!)]
async fn so_does_that_of_a_row(app: TestApp) {
    who_released_a_number(&app).await;
    let time = ago(500);
    let row = |tag: Option<&str>| {
        let contact = NewContact::new().phone(phone(1));
        let contact = tag.into_iter().fold(contact, NewContact::tag);
        ImportRow::new(contact).consent(ImportConsent::opted_out().occurred_time(time))
    };
    assert!(import(&app, row(Some("no such tag"))).await.is_some());
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    let recorded = app.opt_in().events(user()).await.expect("events").items.len();
    for _ in 0..2 {
        assert_eq!(import(&app, row(None)).await, None);
    }
    let events = app.opt_in().events(user()).await.expect("events").items;
    assert_eq!(events.len(), recorded);
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// Of all who had it since, and of whom they were merged into.
#[apply(on_each_store!)]
async fn every_holder_since_is_who_objected(app: TestApp) {
    let first = who_released_a_number(&app).await;
    let second = NewContact::new().phone(phone(1)).whatsapp_user_id("US.2");
    let second = app.contacts().create(second).await.expect("a contact");
    let change = app.contacts().link_identity(&second).phone(phone(4)).release(phone(1));
    change.await.expect("a release");
    let survivor = app.contacts().create(NewContact::new().phone(phone(3))).await.expect("another");
    app.contacts().merge(&survivor, Recipient::contact_id(&first)).await.expect("a merge");
    yes(&app, phone(3), 100).await;
    yes(&app, Recipient::whatsapp_user_id("US.2"), 100).await;
    let report = app.opt_in().record_opt_out(phone(1)).occurred_time(ago(50));
    report.await.expect("an opt-out");
    for recipient in [Recipient::phone(phone(3)), user(), Recipient::whatsapp_user_id("US.2")] {
        assert_eq!(check(&app, recipient).await, CheckReason::OptedOut);
    }
    audited(&app).await;
    // Nothing is left of one that was erased, but that.
    app.contacts().delete(&second).await.expect("an erasure");
    no(&app, phone(1), 40).await;
    let reason = check(&app, Recipient::whatsapp_user_id("US.2")).await;
    assert!([CheckReason::Erased, CheckReason::OptedOut].contains(&reason), "{reason:?}");
    audited(&app).await;
}

/// What was permitted before two contacts were merged lifts nothing of the other's.
#[apply(on_each_store!)]
async fn an_opt_in_of_another_lifts_nothing_by_a_merge(app: TestApp) {
    for (n, merged_first) in [(10, false), (20, true)] {
        let other = || Recipient::whatsapp_user_id(format!("US.{n}"));
        let theirs = NewContact::new().phone(phone(n)).whatsapp_user_id(format!("US.{n}1"));
        let theirs = app.contacts().create(theirs).await.expect("who objects");
        let survivor = NewContact::new().phone(phone(n + 1)).whatsapp_user_id(format!("US.{n}"));
        let survivor = app.contacts().create(survivor).await.expect("another");
        yes(&app, other(), 100).await;
        let release = async |contact: &contacts_sdk::Contact| {
            let link = app.contacts().link_identity(contact);
            link.release(format!("US.{n}1")).await.expect("a release");
        };
        if merged_first {
            app.contacts().merge(&survivor, &theirs).await.expect("a merge");
            release(&survivor).await;
        } else {
            release(&theirs).await;
            app.contacts().merge(&survivor, &theirs).await.expect("a merge");
        }
        assert_eq!(check(&app, other()).await, CheckReason::OptedIn);
        no(&app, Recipient::whatsapp_user_id(format!("US.{n}1")), 500).await;
        for recipient in [other(), Recipient::phone(phone(n + 1))] {
            assert_eq!(check(&app, recipient).await, CheckReason::OptedOut, "{n}");
        }
    }
    audited(&app).await;
}

/// Nor does what was permitted before the number came to the contact.
#[apply(on_each_store!)]
async fn an_opt_in_from_before_the_id_was_the_contacts_lifts_nothing(app: TestApp) {
    let contact = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one");
    yes(&app, phone(1), 100).await;
    app.contacts().link_identity(&contact).whatsapp_user_id("US.1").await.expect("a link");
    app.contacts().link_identity(&contact).release("US.1").await.expect("a release");
    no(&app, user(), 500).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// Said of a contact that was merged since, it stands under that one's identities, former ones of the survivor.
#[apply(on_each_store!)]
async fn an_opt_out_of_a_merged_contact_is_lifted_by_nothing_from_before(app: TestApp) {
    let merged = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one");
    let survivor = app.contacts().create(NewContact::new().phone(phone(2))).await.expect("two");
    yes(&app, phone(2), 100).await;
    app.contacts().merge(&survivor, &merged).await.expect("a merge");
    no(&app, Recipient::contact_id(&merged.contact_id), 500).await;
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// An identity that came back by a merge is on both sides.
#[apply(on_each_store!)]
async fn who_released_an_id_and_got_it_back_by_a_merge_is_an_earlier_holder(app: TestApp) {
    let first = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one");
    let change = app.contacts().link_identity(&first).phone(phone(2)).release(phone(1));
    change.await.expect("a release");
    let next = NewContact::new().whatsapp_user_id("US.2");
    let next = app.contacts().create(next).await.expect("another");
    app.contacts().link_identity(&next).phone(phone(1)).await.expect("a link");
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    app.contacts().merge(&first, &next).await.expect("a merge");
    no(&app, phone(1), 500).await;
    for recipient in [Recipient::phone(phone(2)), Recipient::whatsapp_user_id("US.2")] {
        assert_eq!(check(&app, recipient).await, CheckReason::OptedOut);
    }
    audited(&app).await;
}
