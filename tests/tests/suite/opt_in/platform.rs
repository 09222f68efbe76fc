//! RecordPlatformPreference: stops and resumes of marketing on WhatsApp itself, which are kept apart
//! from opt-ins and opt-outs.

use std::time::{Duration, SystemTime};

use contacts_sdk::PlatformPreference::{Resume, Stop};
use contacts_sdk::{
    CheckReason, Evidence, OptInEventKind, OptInSource, OptInStatus, PlatformPreference, Recipient,
    reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, timestamp};
use futures::{StreamExt, stream};

use CheckReason::{OptedIn, PlatformOptedOut as Stopped};

use super::{AUTHENTICATION, MARKETING, UTILITY, reason_of};

const A: &str = "106540352242922";
const B: &str = "106540352242923";

/// Records a preference for one sender, or for all if empty, at this many seconds into 2026.
async fn say(app: &TestApp, who: &str, what: PlatformPreference, sender: &str, when: u64) {
    let record = app.opt_in().record_platform_preference(who, what).sender_phone_number_id(sender);
    record.occurred_time(timestamp(when)).await.expect("an event");
}

/// The reasons of marketing checks for sender A, sender B and no sender. Checks that a single check, a
/// batch and a stream agree.
async fn reasons(app: &TestApp, who: &str) -> [CheckReason; 3] {
    let mut reasons = Vec::new();
    for sender in [A, B, ""] {
        let check = app.opt_in().check(who, MARKETING).sender_phone_number_id(sender);
        let check = check.await.expect("a check");
        let batch = app.opt_in().check_batch([who], MARKETING).sender_phone_number_id(sender);
        let batch = batch.await.expect("a batch");
        let streamed = app.opt_in().check_stream(MARKETING).sender_phone_number_id(sender);
        let mut streamed = streamed.send(stream::iter([vec![who.to_owned()]]).boxed());
        let streamed = streamed.next().await.expect("an answer").expect("a batch").results;
        for outcome in [batch.get(0), streamed.get(0)] {
            let outcome = outcome.expect("an answer");
            assert_eq!((outcome.reason, outcome.is_allowed()), (check.reason, check.is_allowed()));
        }
        assert_eq!(check.is_allowed(), check.reason == OptedIn);
        reasons.push(check.reason);
    }
    reasons.try_into().expect("three")
}

#[apply(on_each_store!)]
async fn stop_for_one_sender_does_not_affect_other_senders(app: TestApp) {
    let contact = app.make_opted_in(phone(1)).await;
    say(&app, &phone(1), Stop, A, 10).await;
    assert_eq!(reasons(&app, &phone(1)).await, [Stopped, OptedIn, Stopped]);
    // It applies to marketing only, and only checks show it.
    for category in [UTILITY, AUTHENTICATION] {
        let check = app.opt_in().check(&contact, category).sender_phone_number_id(A);
        assert!(check.await.expect("a check").is_allowed());
    }
    let shown = app.contacts().get(&contact).await.expect("a contact").opt_in;
    assert_eq!(shown.marketing, OptInStatus::OptedIn);
    say(&app, &phone(1), Resume, A, 11).await;
    assert_eq!(reasons(&app, &phone(1)).await, [OptedIn; 3]);
}

#[apply(on_each_store!)]
async fn stop_for_all_senders_is_shown_and_excludes_from_segments(app: TestApp) {
    let contact = app.make_opted_in(phone(1)).await;
    say(&app, &phone(1), Stop, "", 10).await;
    assert_eq!(reasons(&app, &phone(1)).await, [Stopped; 3]);
    let shown = app.contacts().get(&contact).await.expect("a contact").opt_in;
    assert_eq!((shown.marketing, shown.utility), (OptInStatus::OptedOut, OptInStatus::OptedIn));
    let opted_in = || app.contacts().count().filter("opt_in = OPTED_IN").into_future();
    assert_eq!(opted_in().await.expect("a count"), 0);
    say(&app, &phone(1), Resume, A, 11).await;
    assert_eq!(reasons(&app, &phone(1)).await, [OptedIn, Stopped, Stopped]);
    assert_eq!(opted_in().await.expect("a count"), 0);
    say(&app, &phone(1), Resume, "", 12).await;
    assert_eq!(reasons(&app, &phone(1)).await, [OptedIn; 3]);
    assert_eq!(opted_in().await.expect("a count"), 1);
}

#[apply(on_each_store!)]
async fn only_a_resume_lifts_a_stop_and_it_is_not_an_opt_in(app: TestApp) {
    let contact = app.make_opted_in(phone(1)).await;
    say(&app, &phone(1), Stop, A, 10).await;
    let again = app.opt_in().record_opt_in(&contact, OptInSource::WebForm);
    again.await.expect("an opt-in");
    assert_eq!(reasons(&app, &phone(1)).await, [Stopped, OptedIn, Stopped]);

    // An opt-out recorded by the business still applies after a resume.
    app.opt_in().record_opt_out(&contact).await.expect("an opt-out");
    say(&app, &phone(1), Resume, A, 20).await;
    assert_eq!(reasons(&app, &phone(1)).await, [CheckReason::OptedOut; 3]);
    app.make_contact(phone(2)).await;
    say(&app, &phone(2), Resume, "", 10).await;
    assert_eq!(reasons(&app, &phone(2)).await, [CheckReason::NotAsked; 3]);
}

#[apply(on_each_store!)]
async fn late_platform_preferences_are_ordered_by_their_own_time(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    // The resume arrives before the stop.
    say(&app, &phone(1), Resume, A, 11).await;
    say(&app, &phone(1), Stop, A, 10).await;
    assert_eq!(reasons(&app, &phone(1)).await, [OptedIn; 3]);
    // Of two at the same time, the stop wins.
    say(&app, &phone(1), Stop, A, 11).await;
    assert_eq!(reasons(&app, &phone(1)).await, [Stopped, OptedIn, Stopped]);
    say(&app, &phone(1), Resume, A, 11).await;
    assert_eq!(reasons(&app, &phone(1)).await, [Stopped, OptedIn, Stopped]);
}

#[apply(on_each_store!)]
async fn stop_is_recorded_for_non_contacts_and_never_lost(app: TestApp) {
    let non_contact = "552187654321";
    say(&app, non_contact, Stop, A, 10).await;
    assert_eq!(reason_of(&app, non_contact).await, Stopped);
    // It applies to another form of the number, to an opted-in contact, and after deletion.
    let contact = app.make_opted_in("5521987654321").await;
    assert_eq!(reasons(&app, non_contact).await, [Stopped, OptedIn, Stopped]);
    app.contacts().delete(&contact).await.expect("a receipt");
    // An erasure comes first. It is lifted by an opt-in, and the stop is not.
    assert_eq!(reasons(&app, non_contact).await, [CheckReason::Erased; 3]);
    app.make_opted_in(non_contact).await;
    assert_eq!(reasons(&app, non_contact).await, [Stopped, OptedIn, Stopped]);

    let hidden = Recipient::whatsapp_user_id("US.1234567890");
    let record = app.opt_in().record_platform_preference(hidden.clone(), Stop);
    record.await.expect("an event");
    assert_eq!(reason_of(&app, hidden).await, Stopped);
    let nobody = Recipient::contact_id(uuid::Uuid::now_v7().to_string());
    let refused = app.opt_in().record_platform_preference(nobody, Stop).await;
    refused.refused_for(reason::CONTACT_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn events_show_the_preference_and_its_sender(app: TestApp) {
    let contact = app.make_opted_in(phone(1)).await;
    let record = app.opt_in().record_platform_preference(&contact, Stop);
    let stop = record
        .sender_phone_number_id(A)
        .occurred_time(timestamp(10))
        .evidence(Evidence::new().message_id("wamid.1"))
        .await
        .expect("an event");
    say(&app, &phone(1), Stop, A, 9).await;
    let events = app.opt_in().events(&contact).await.expect("events").items;
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let (stopped, agreed) = (OptInEventKind::PlatformStop, OptInEventKind::OptIn);
    assert_eq!(kinds, [stopped, stopped, agreed]);
    assert_eq!(events[1], stop.event);
    assert_eq!(events[1].sender_phone_number_id.as_deref(), Some(A));
    assert_eq!(events[1].source, OptInSource::Platform);
    assert_eq!(events[1].evidence.message_id, "wamid.1");
    assert_eq!(events[1].changed_categories, [MARKETING]);
    assert_eq!(events[0].changed_categories, [], "something later was known");
    assert_eq!(events[2].sender_phone_number_id, None);

    let check = app.opt_in().check(&contact, MARKETING).sender_phone_number_id(A);
    let check = check.await.expect("a check");
    assert_eq!(check.event_id.as_deref(), Some(&*stop.event.event_id));
    assert_eq!(check.consent_time, Some(timestamp(10)));
}

#[apply(on_each_store!)]
async fn invalid_resumes_and_checks_are_rejected(app: TestApp) {
    let too_long = "1".repeat(65);
    for sender in ["1 2", "\u{661}", &too_long] {
        let record = app.opt_in().record_platform_preference(phone(1), Resume);
        let record = record.sender_phone_number_id(sender).await;
        record.refused_at(reason::INVALID_ARGUMENT, "sender_phone_number_id");
        let check = app.opt_in().check(phone(1), MARKETING).sender_phone_number_id(sender).await;
        check.refused_at(reason::INVALID_ARGUMENT, "sender_phone_number_id");
    }
    let future = SystemTime::now() + Duration::from_secs(600);
    let record = app.opt_in().record_platform_preference(phone(1), Resume).occurred_time(future);
    record.await.refused_at(reason::INVALID_TIME, "occurred_time");
    assert!(app.opt_in().events(phone(1)).await.expect("events").items.is_empty());
}

/// An objection is never refused for its trimmings: a sender that cannot be one means all, a time that
/// cannot be one now, and evidence that is too long is dropped.
#[apply(on_each_store!)]
async fn stop_with_an_invalid_sender_time_or_evidence_is_recorded(app: TestApp) {
    let too_long = "1".repeat(65);
    let future = SystemTime::now() + Duration::from_secs(600);
    for (n, sender, time) in [
        (1, "1 2", None),
        (2, "\u{661}", None),
        (3, &*too_long, None),
        (4, "", Some(future)),
        (5, "", Some(timestamp(0) - Duration::from_secs(20 * 366 * 86_400))),
    ] {
        app.make_opted_in(phone(n)).await;
        let stop = app.opt_in().record_platform_preference(phone(n), Stop);
        let too_long = Evidence::new().wording("x".repeat(1001));
        let mut stop = stop.sender_phone_number_id(sender).evidence(too_long);
        if let Some(time) = time {
            stop = stop.occurred_time(time);
        }
        let event = stop.await.expect("an event").event;
        assert_eq!(
            (event.kind, event.sender_phone_number_id),
            (OptInEventKind::PlatformStop, None)
        );
        assert_eq!(event.evidence, Evidence::new(), "what does not fit is dropped");
        assert_eq!(event.occurred_time, event.record_time, "{n}");
        assert_eq!(event.changed_categories, [MARKETING], "{n}");
        assert_eq!(reasons(&app, &phone(n)).await, [Stopped; 3], "{n}");
    }
}

/// Of a stop it means all, of what permits it is refused.
#[apply(on_each_store!)]
async fn sender_that_is_not_digits_means_all_senders(app: TestApp) {
    for (n, sender) in ["abc", "+106540352242922", "1 2", "１２３"].into_iter().enumerate() {
        app.make_opted_in(phone(n)).await;
        say(&app, &phone(n), Stop, sender, 10).await;
        assert_eq!(reasons(&app, &phone(n)).await, [Stopped; 3], "{sender}");
        let resume = app.opt_in().record_platform_preference(phone(n), Resume);
        let refused = resume.sender_phone_number_id(sender).await.expect_err("refused");
        assert_eq!(refused.reason(), Some(reason::INVALID_ARGUMENT), "{sender}");
        let check = app.opt_in().check(phone(n), MARKETING).sender_phone_number_id(sender);
        let refused = check.await.expect_err("refused");
        assert_eq!(refused.reason(), Some(reason::INVALID_ARGUMENT), "{sender}");
    }
}
