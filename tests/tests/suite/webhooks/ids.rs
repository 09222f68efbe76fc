//! Changes of numbers and user ids, and ids that are one person's.

use super::*;
use CheckReason::{
    FormerIdentity, NotAsked, OptedIn, OptedOut, PlatformOptedOut, UnknownContact as Nobody,
};
use WebhookOutcome::{AlreadyLinked, Contradicts, Linked, Outdated, Refused, UnknownContact};
use WebhookStatementKind::{NumberChanged, SamePerson, UserIdChanged};
use contacts_tests::{apply, on_each_store, phone};

/// Reasons of the checks of these.
async fn reasons<const N: usize>(app: &TestApp, people: [Recipient; N]) -> Vec<CheckReason> {
    let mut reasons = Vec::new();
    for person in people {
        reasons.push(reason_of(app, person).await);
    }
    reasons
}

async fn message_of(app: &TestApp, change: Value) -> (WebhookOutcome, String) {
    let report = ingest(app, &webhook([change])).await;
    let result = &report.results[0];
    (result.outcome, result.message.clone().unwrap_or_default())
}

#[apply(on_each_store!)]
async fn changed_number_is_linked_with_what_was_permitted(app: TestApp) {
    let contact = known_by_both(&app).await;
    let users = Some((USER, NEW_USER));
    let payload = webhook([number_changed(PHONE, NEW_PHONE, users, ago(10))]);
    let report = ingest(&app, &payload).await;
    let result = &report.results[0];
    assert_eq!((result.kind, result.outcome), (NumberChanged, Linked));
    assert_eq!(result.contact_id.as_deref(), Some(&*contact.contact_id));
    let all = [phone_id(NEW_PHONE), user_id(NEW_USER), phone_id(PHONE), user_id(USER)];
    assert_eq!(reasons(&app, all).await, [OptedIn, OptedIn, FormerIdentity, FormerIdentity]);
    let events = app.opt_in().events(&contact).await.expect("events").items;
    let linked: Vec<_> =
        events.iter().filter(|event| event.kind == OptInEventKind::Linked).collect();
    assert_eq!(linked.len(), 2);
    for event in &linked {
        assert_eq!(event.source, OptInSource::Platform);
        assert!(event.evidence.message_id.starts_with("wamid.system"));
    }
    assert_eq!(result.event_id.as_deref(), Some(&*linked[0].event_id));

    // A late resume under the old number may be somebody else's.
    let late = preference("resume", Some(PHONE), Some(NEW_USER), ago(6));
    let (outcome, message) = message_of(&app, change("user_preferences", late)).await;
    assert_eq!(outcome, Contradicts);
    assert!(message.contains("former"), "{message}");
    // A late objection of the old number counts for the new one.
    let late = preference("stop", Some(PHONE), None, ago(5));
    ingest(&app, &webhook([change("user_preferences", late)])).await;
    assert_eq!(reason_of(&app, phone_id(NEW_PHONE)).await, PlatformOptedOut);
}

/// A contact has one user id for each portfolio of the business, and their parents.
#[apply(on_each_store!)]
async fn user_ids_are_added_and_only_the_changed_ones_replaced(app: TestApp) {
    const PARENT: &str = "US.ENT.11815799212886844830";
    const NEW_PARENT: &str = "US.ENT.99915799212886844830";
    opted_in(&app, NewContact::new().phone(PHONE).whatsapp_user_id("US.7")).await;
    let contact = json!({"wa_id": PHONE, "user_id": USER, "parent_user_id": PARENT});
    let message = change_of("messages", &[text(PHONE, "hello", ago(50))], &[contact]);
    assert_eq!(outcomes(&app, message).await, [(SamePerson, Linked), (SamePerson, Linked)]);
    let ids = async || app.contacts().get(phone_id(PHONE)).await.expect("a contact");
    assert_eq!(ids().await.whatsapp_user_ids, ["US.7", USER, PARENT]);

    let body = json!({"type": "user_changed_number", "wa_id": NEW_PHONE, "user_id": NEW_USER,
        "previous_user_id": USER, "parent_user_id": NEW_PARENT, "previous_parent_user_id": PARENT});
    let found = outcomes(&app, system(Some(PHONE), body, ago(10))).await;
    assert_eq!(found, [(NumberChanged, Linked), (UserIdChanged, Linked)]);
    let after = ids().await;
    assert_eq!(after.whatsapp_user_ids, ["US.7", NEW_USER, NEW_PARENT]);
    assert_eq!(after.former_whatsapp_user_ids, [USER, PARENT]);
    let all = [phone_id(NEW_PHONE), user_id(NEW_USER), user_id(NEW_PARENT), user_id("US.7")];
    assert_eq!(reasons(&app, all).await, [OptedIn; 4]);
    let all = [phone_id(PHONE), user_id(USER), user_id(PARENT)];
    assert_eq!(reasons(&app, all).await, [FormerIdentity; 3]);
}

/// A contact has room for 20.
#[apply(on_each_store!)]
async fn user_id_that_has_no_room_is_refused_and_its_objection_is_not(app: TestApp) {
    known_by_phone(&app).await;
    for n in 0..20 {
        let found = outcomes(&app, pair(PHONE, &format!("US.{n}"), ago(50 - n))).await;
        assert_eq!(found, [(SamePerson, Linked)]);
    }
    let at = ago(5);
    let stop = preference("stop", Some(PHONE), Some(USER), at);
    let contact = json!({"wa_id": PHONE, "user_id": USER});
    let found = outcomes(&app, change_of("user_preferences", &[stop], &[contact])).await;
    assert_eq!(found[0], (SamePerson, Refused));
    assert_eq!(found[1], (WebhookStatementKind::Stop, WebhookOutcome::Recorded));
    let all = [phone_id(PHONE), user_id("US.3"), user_id(USER)];
    assert_eq!(reasons(&app, all).await, [PlatformOptedOut; 3]);
}

#[apply(on_each_store!)]
async fn changed_user_id_is_linked_to_who_had_the_old_one(app: TestApp) {
    known_by_user(&app).await;
    let found = outcomes(&app, user_id_changed(USER, NEW_USER, ago(10))).await;
    assert_eq!(found, [(UserIdChanged, Linked)]);
    let all = [user_id(NEW_USER), user_id(USER)];
    assert_eq!(reasons(&app, all).await, [OptedIn, FormerIdentity]);
    let found = outcomes(&app, user_id_changed(NEW_USER, "US.3", ago(9))).await;
    assert_eq!(found, [(UserIdChanged, Linked)]);
    assert_eq!(reason_of(&app, user_id("US.3")).await, OptedIn);
    let found = outcomes(&app, user_id_changed("US.7", "US.8", ago(9))).await;
    assert_eq!(found, [(UserIdChanged, UnknownContact)]);
}

/// What stood against the new number, or an old id that nobody had, stands against the contact.
#[apply(on_each_store!)]
async fn objections_of_all_ids_stand_against_the_contact(app: TestApp) {
    known_by_user(&app).await;
    app.opt_in().record_opt_out(PHONE).await.expect("an opt-out");
    let users = Some((USER, NEW_USER));
    let found = outcomes(&app, number_changed(PHONE, NEW_PHONE, users, ago(10))).await;
    assert_eq!(found, [(NumberChanged, Linked)]);
    let all = [phone_id(PHONE), phone_id(NEW_PHONE), user_id(USER), user_id(NEW_USER)];
    assert_eq!(reasons(&app, all).await, [OptedOut; 4]);

    opted_in(&app, NewContact::new().phone(phone(1))).await;
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    let found = outcomes(&app, number_changed(&phone(1), &phone(2), None, ago(10))).await;
    assert_eq!(found, [(NumberChanged, Linked)]);
    assert_eq!(reason_of(&app, phone_id(&phone(2))).await, OptedOut);
}

#[apply(on_each_store!)]
async fn learned_user_id_has_what_the_number_was_permitted(app: TestApp) {
    let contact = known_by_phone(&app).await;
    assert_eq!(outcomes(&app, pair(PHONE, USER, ago(10))).await, [(SamePerson, Linked)]);
    assert_eq!(reasons(&app, [phone_id(PHONE), user_id(USER)]).await, [OptedIn, OptedIn]);
    let linked = app.contacts().get(user_id(USER)).await.expect("a contact");
    assert_eq!(linked.contact_id, contact.contact_id);
    // Every later webhook says the same.
    assert_eq!(outcomes(&app, pair(PHONE, USER, ago(5))).await, [(SamePerson, AlreadyLinked)]);
    assert_eq!(kinds(&app, phone_id(PHONE)).await.len(), 2);
}

#[apply(on_each_store!)]
async fn learned_number_has_what_the_user_id_was_permitted(app: TestApp) {
    known_by_user(&app).await;
    assert_eq!(outcomes(&app, pair(PHONE, USER, ago(10))).await, [(SamePerson, Linked)]);
    assert_eq!(reasons(&app, [phone_id(PHONE), user_id(USER)]).await, [OptedIn, OptedIn]);
    let found = outcomes(&app, pair(NEW_PHONE, NEW_USER, ago(10))).await;
    assert_eq!(found, [(SamePerson, UnknownContact)]);
    assert_eq!(reason_of(&app, user_id(NEW_USER)).await, Nobody);
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
}

/// The opt-out of a user id that nobody had.
#[apply(on_each_store!)]
async fn learned_id_brings_its_objections(app: TestApp) {
    known_by_phone(&app).await;
    app.opt_in().record_opt_out(user_id(USER)).await.expect("an opt-out");
    assert_eq!(outcomes(&app, pair(PHONE, USER, ago(10))).await, [(SamePerson, Linked)]);
    assert_eq!(reasons(&app, [phone_id(PHONE), user_id(USER)]).await, [OptedOut, OptedOut]);
}

#[apply(on_each_store!)]
async fn contradictions_are_shown_and_not_linked(app: TestApp) {
    let by_phone = known_by_phone(&app).await;
    let by_user = known_by_user(&app).await;
    // Two contacts.
    for change in [
        pair(PHONE, USER, ago(10)),
        number_changed(PHONE, NEW_PHONE, Some((USER, NEW_USER)), ago(10)),
        number_changed(PHONE, NEW_PHONE, Some(("US.0", USER)), ago(11)),
    ] {
        let report = ingest(&app, &webhook([change])).await;
        let result = &report.results[0];
        assert_eq!((result.outcome, report.counts.contradicts), (Contradicts, 1));
        assert_eq!(result.contact_id.as_deref(), Some(&*by_phone.contact_id));
        assert_eq!(result.other_contact_id.as_deref(), Some(&*by_user.contact_id));
        assert!(result.message.as_deref().expect("advice").contains("MergeContacts"));
    }
    // The contact has another number.
    let contact = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    opted_in(&app, contact).await;
    let (outcome, message) = message_of(&app, pair(&phone(2), "US.1", ago(10))).await;
    assert_eq!(outcome, Contradicts);
    assert!(message.contains("another phone number"), "{message}");
    // One is a former id.
    app.contacts().link_identity(phone(1)).phone(phone(3)).await.expect("a contact");
    for change in [
        pair(&phone(1), "US.9", ago(10)),
        pair(&phone(1), "US.1", ago(10)),
        number_changed(&phone(1), &phone(4), None, ago(10)),
    ] {
        let (outcome, message) = message_of(&app, change).await;
        assert_eq!(outcome, Contradicts);
        assert!(message.contains("former"), "{message}");
    }
    // None of this changed anything.
    let all = [phone_id(PHONE), user_id(USER), phone_id(&phone(3)), user_id("US.1")];
    assert_eq!(reasons(&app, all).await, [OptedIn, OptedIn, NotAsked, OptedIn]);
    for nobody in [phone_id(NEW_PHONE), user_id(NEW_USER), user_id("US.9"), phone_id(&phone(4))] {
        assert_eq!(reason_of(&app, nobody).await, Nobody);
    }
}

/// A number may be somebody else's by the time a webhook arrives.
#[apply(on_each_store!)]
async fn ids_are_not_linked_by_what_was_said_before_something_else_happened(app: TestApp) {
    app.make_opted_in(PHONE).await;
    // The contact was created after the number was left, the opt-in given after the message.
    let late = number_changed(PHONE, NEW_PHONE, None, ago(3600));
    let (outcome, message) = message_of(&app, late).await;
    assert_eq!(outcome, Outdated);
    assert!(message.contains("created after"), "{message}");
    let (outcome, message) = message_of(&app, pair(PHONE, USER, ago(3600))).await;
    assert_eq!(outcome, Outdated);
    assert!(message.contains("agreed to something"), "{message}");
    // The number was released after the message.
    app.make_contact(phone(1)).await;
    app.contacts().link_identity(phone(1)).phone(phone(2)).await.expect("a contact");
    let release = app.contacts().link_identity(phone(2)).release(phone(1));
    release.await.expect("a contact");
    app.make_contact(phone(1)).await;
    let (outcome, message) = message_of(&app, pair(&phone(1), "US.1", ago(3600))).await;
    assert_eq!(outcome, Outdated);
    assert!(message.contains("released"), "{message}");
    // In the future, and a month ago.
    for (at, expected) in [(ago(0) + 3600, "ahead"), (ago(31 * 86_400), "30 days")] {
        for change in [
            pair(PHONE, USER, at),
            number_changed(PHONE, NEW_PHONE, None, at),
            user_id_changed(USER, NEW_USER, at),
        ] {
            let (outcome, message) = message_of(&app, change).await;
            assert_eq!(outcome, Refused);
            assert!(message.contains(expected), "{message}");
        }
    }
    assert_eq!(reasons(&app, [phone_id(PHONE), phone_id(NEW_PHONE)]).await, [OptedIn, Nobody]);
}

/// A change of number from before its contact, or before the number's next holder, is not theirs:
/// no difference between clocks is allowed for.
#[apply(on_each_store!)]
async fn changed_number_of_an_earlier_holder_is_outdated_to_the_second(app: TestApp) {
    for (n, seconds) in [0, 1, 60, 290, 3600].into_iter().enumerate() {
        let (old, new) =
            (|case: usize| phone(100 * n + case), |case: usize| phone(100 * n + case + 50));
        let at = ago(seconds);
        // The contact is new.
        app.make_opted_in(old(1)).await;
        // The number was released, and its next holder agreed.
        app.make_opted_in(old(2)).await;
        app.contacts().link_identity(old(2)).phone(old(12)).await.expect("a contact");
        app.contacts().link_identity(old(12)).release(old(2)).await.expect("a contact");
        app.make_opted_in(old(2)).await;
        // The number was erased, and its next holder agreed.
        app.make_opted_in(old(3)).await;
        app.contacts().delete(old(3)).await.expect("a receipt");
        app.make_opted_in(old(3)).await;
        // An older contact got the released number.
        app.make_opted_in(old(4)).await;
        app.contacts().link_identity(old(4)).phone(old(14)).await.expect("a contact");
        app.contacts().link_identity(old(14)).release(old(4)).await.expect("a contact");
        opted_in(&app, NewContact::new().phone(old(24))).await;
        app.contacts().link_identity(old(24)).phone(old(4)).await.expect("a contact");
        app.opt_in().record_opt_in(old(4), OptInSource::WebForm).await.expect("an opt-in");
        for case in 1..=4 {
            let change = number_changed(&old(case), &new(case), None, at);
            let found = outcomes(&app, change).await;
            assert_eq!(found, [(NumberChanged, Outdated)], "{case} {seconds}");
            let all = [phone_id(&old(case)), phone_id(&new(case))];
            assert_eq!(reasons(&app, all).await, [OptedIn, Nobody], "{case} {seconds}");
        }
    }
}

/// From one number to a second and a third, told in the wrong order.
#[apply(on_each_store!)]
async fn number_that_was_left_again_gets_no_permission(app: TestApp) {
    known_by_phone(&app).await;
    let second = number_changed(NEW_PHONE, &phone(3), None, ago(10));
    assert_eq!(outcomes(&app, second.clone()).await, [(NumberChanged, UnknownContact)]);
    let (outcome, message) =
        message_of(&app, number_changed(PHONE, NEW_PHONE, None, ago(20))).await;
    assert_eq!(outcome, Linked);
    assert!(message.contains("given up"), "{message}");
    let all = [phone_id(PHONE), phone_id(NEW_PHONE)];
    assert_eq!(reasons(&app, all).await, [FormerIdentity, NotAsked]);
    // The webhook that told it is sent again: it is from before the number was linked.
    assert_eq!(outcomes(&app, second).await, [(NumberChanged, Outdated)]);
    let all = [phone_id(PHONE), phone_id(NEW_PHONE), phone_id(&phone(3))];
    assert_eq!(reasons(&app, all).await, [FormerIdentity, NotAsked, Nobody]);
    // Nor does a message from before teach its ids.
    opted_in(&app, NewContact::new().phone(phone(5))).await;
    let left = number_changed(&phone(4), &phone(6), Some(("US.5", "US.6")), ago(10));
    outcomes(&app, left).await;
    let late = pair(&phone(5), "US.5", ago(20));
    assert_eq!(outcomes(&app, late).await, [(SamePerson, Outdated)]);
}

#[apply(on_each_store!)]
async fn numbers_can_change_back(app: TestApp) {
    known_by_phone(&app).await;
    // A number that comes back is there anew: the next change has to be later than that.
    let times = [ago(30), ago(20), ago(0) + 60];
    for (at, [old, new]) in
        times.into_iter().zip([[PHONE, NEW_PHONE], [NEW_PHONE, PHONE], [PHONE, NEW_PHONE]])
    {
        let found = outcomes(&app, number_changed(old, new, None, at)).await;
        assert_eq!(found, [(NumberChanged, Linked)]);
        let all = [phone_id(new), phone_id(old)];
        assert_eq!(reasons(&app, all).await, [OptedIn, FormerIdentity]);
    }
}
