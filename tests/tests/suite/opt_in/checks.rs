//! CheckOptIn.

use std::time::{Duration, SystemTime};

use contacts_proto::v1;
use contacts_sdk::{CheckReason, NewContact, OptInSource, OptInStatus, Recipient, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, timestamp};

use super::{AUTHENTICATION, MARKETING, UTILITY, check, reason_of};

/// Statements in the order of recording: opt-in or opt-out, and its own time.
type Said = &'static [(bool, u64)];

/// The latest statement decides. Of two at the same time, the opt-out does.
const TABLE: [(Said, CheckReason); 13] = [
    (&[], CheckReason::NotAsked),
    (&[(true, 10)], CheckReason::OptedIn),
    (&[(false, 10)], CheckReason::OptedOut),
    (&[(true, 10), (false, 20)], CheckReason::OptedOut),
    (&[(false, 10), (true, 20)], CheckReason::OptedIn),
    (&[(true, 20), (false, 10)], CheckReason::OptedIn),
    (&[(false, 20), (true, 10)], CheckReason::OptedOut),
    (&[(true, 10), (false, 10)], CheckReason::OptedOut),
    (&[(false, 10), (true, 10)], CheckReason::OptedOut),
    (&[(true, 10), (true, 10)], CheckReason::OptedIn),
    (&[(false, 10), (true, 20), (false, 15)], CheckReason::OptedIn),
    (&[(true, 10), (false, 30), (true, 20)], CheckReason::OptedOut),
    (&[(true, 10), (false, 20), (true, 30)], CheckReason::OptedIn),
];

#[apply(on_each_store!)]
async fn latest_statement_decides_and_ties_go_to_the_opt_out(app: TestApp) {
    for (n, (said, expected)) in TABLE.into_iter().enumerate() {
        let contact = app.make_contact(phone(n)).await;
        for (agrees, when) in said {
            let when = timestamp(*when);
            let recorded = match agrees {
                true => {
                    app.opt_in()
                        .record_opt_in(&contact, OptInSource::WebForm)
                        .occurred_time(when)
                        .await
                }
                false => app.opt_in().record_opt_out(&contact).occurred_time(when).await,
            };
            recorded.expect("an event");
        }
        let check = check(&app, &contact, MARKETING).await;
        assert_eq!(check.reason, expected, "{said:?}");
        assert_eq!(check.contact_id.as_deref(), Some(&*contact.contact_id));
        assert_eq!(check.event_id.is_some(), !said.is_empty(), "{said:?}");
        assert_eq!(check.consent_time.is_some(), !said.is_empty(), "{said:?}");

        // The contact shows the same.
        let shown = app.contacts().get(&contact).await.expect("a contact").opt_in.marketing;
        let expected = match expected {
            CheckReason::OptedIn => OptInStatus::OptedIn,
            CheckReason::OptedOut => OptInStatus::OptedOut,
            _ => OptInStatus::NotAsked,
        };
        assert_eq!(shown, expected, "{said:?}");
    }
}

#[apply(on_each_store!)]
async fn categories_are_independent(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    let opt_in =
        app.opt_in().record_opt_in(&contact, OptInSource::Ivr).categories([UTILITY, MARKETING]);
    opt_in.await.expect("an opt-in");
    let opt_out = app.opt_in().record_opt_out(&contact).categories([MARKETING]);
    opt_out.await.expect("an opt-out");
    assert_eq!(check(&app, &contact, MARKETING).await.reason, CheckReason::OptedOut);
    assert_eq!(check(&app, &contact, UTILITY).await.reason, CheckReason::OptedIn);
    assert_eq!(check(&app, &contact, AUTHENTICATION).await.reason, CheckReason::NotAsked);
    // No category means all categories.
    app.opt_in().record_opt_out(&contact).await.expect("an opt-out");
    for category in [MARKETING, UTILITY, AUTHENTICATION] {
        assert_eq!(check(&app, &contact, category).await.reason, CheckReason::OptedOut);
    }
}

#[apply(on_each_store!)]
async fn opt_in_expires(app: TestApp) {
    let said = SystemTime::now() - Duration::from_secs(3600);
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    for (n, (expires, expected)) in
        [(said + Duration::from_secs(1), CheckReason::Expired), (in_an_hour, CheckReason::OptedIn)]
            .into_iter()
            .enumerate()
    {
        let contact = app.make_contact(phone(n)).await;
        let record = app.opt_in().record_opt_in(&contact, OptInSource::WebForm).occurred_time(said);
        record.expire_time(expires).await.expect("an opt-in");
        assert_eq!(reason_of(&app, &contact).await, expected);
        // Contacts and segments show the same status as a check.
        let shown = app.contacts().get(&contact).await.expect("a contact").opt_in.marketing;
        assert_eq!(shown == OptInStatus::OptedIn, expected == CheckReason::OptedIn);
    }
    let selected = app.contacts().count().filter("opt_in = OPTED_IN").await.expect("a count");
    assert_eq!(selected, 1);

    // A new opt-in replaces the expired one.
    app.opt_in().record_opt_in(phone(0), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(reason_of(&app, phone(0)).await, CheckReason::OptedIn);
}

#[apply(on_each_store!)]
async fn opt_in_expires_without_a_write(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    let soon = SystemTime::now() + Duration::from_secs(1);
    let record = app.opt_in().record_opt_in(&contact, OptInSource::WebForm).expire_time(soon);
    record.await.expect("an opt-in");
    loop {
        let answered = check(&app, &contact, MARKETING).await;
        let at = answered.check_time.expect("a time");
        let expected = if at < soon { CheckReason::OptedIn } else { CheckReason::Expired };
        assert_eq!(answered.reason, expected, "{:?}", at.duration_since(soon));
        if at >= soon {
            break;
        }
        // The test waits for the clock, so a sleep is right here.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[apply(on_each_store!)]
async fn check_of_an_unknown_person_denies_without_an_error(app: TestApp) {
    let unknown = uuid::Uuid::now_v7().to_string();
    for person in [
        Recipient::phone(phone(1)),
        Recipient::whatsapp_user_id("US.1"),
        Recipient::contact_id(unknown),
    ] {
        let answer = check(&app, person, MARKETING).await;
        assert_eq!(answer.reason, CheckReason::UnknownContact);
        assert_eq!((answer.contact_id, answer.event_id, answer.consent_time), (None, None, None));
        assert!(answer.check_time.is_some());
    }
}

#[apply(on_each_store!)]
async fn malformed_check_is_an_error_and_not_allowed(app: TestApp) {
    for (person, reason, field) in [
        (Recipient::phone("12"), reason::INVALID_PHONE_NUMBER, "phone_number"),
        (Recipient::whatsapp_user_id("x"), reason::INVALID_WHATSAPP_USER_ID, "whatsapp_user_id"),
        (Recipient::contact_id("42"), reason::INVALID_ID, "contact_id"),
    ] {
        app.opt_in().check(person.clone(), MARKETING).await.refused_at(reason, field);
        assert!(!app.opt_in().may_send(person, MARKETING).await);
    }
    let mut raw = app.client().raw_opt_in();
    let unnamed = raw.check_opt_in(v1::CheckOptInRequest::default()).await;
    unnamed.refused_at(reason::REQUIRED_FIELD_MISSING, "phone_number");
    let recipient = Some(v1::check_opt_in_request::Recipient::PhoneNumber(phone(1)));
    let odd = v1::CheckOptInRequest { recipient, category: 9, ..Default::default() };
    raw.check_opt_in(odd).await.refused_at(reason::INVALID_ARGUMENT, "category");
}

#[apply(on_each_store!)]
async fn unspecified_category_means_marketing(app: TestApp) {
    app.make_contact(phone(1)).await;
    let opt_in = app.opt_in().record_opt_in(phone(1), OptInSource::Paper).categories([UTILITY]);
    opt_in.await.expect("an opt-in");
    let recipient = Some(v1::check_opt_in_request::Recipient::PhoneNumber(phone(1)));
    let request = v1::CheckOptInRequest { recipient, ..Default::default() };
    let answer =
        app.client().raw_opt_in().check_opt_in(request).await.expect("a check").into_inner();
    assert_eq!(answer.decision(), v1::Decision::Deny);
    assert_eq!(answer.reason(), v1::CheckReason::NotAsked);
}

#[apply(on_each_store!)]
async fn contact_can_be_checked_by_any_identifier(app: TestApp) {
    let both = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    let contact = app.contacts().create(both).await.expect("a contact");
    let names = [
        Recipient::from(&contact),
        Recipient::phone(phone(1)),
        Recipient::whatsapp_user_id("US.1"),
    ];
    for (round, teller) in names.iter().enumerate() {
        let agrees =
            app.opt_in().record_opt_in(teller, OptInSource::WebForm).await.expect("an opt-in");
        for name in &names {
            assert_eq!(
                check(&app, name, MARKETING).await.event_id,
                Some(agrees.event.event_id.clone())
            );
        }
        let objects = app.opt_in().record_opt_out(teller).await.expect("an opt-out");
        for name in &names {
            let answer = check(&app, name, MARKETING).await;
            assert_eq!(answer.reason, CheckReason::OptedOut, "{round}");
            assert_eq!(answer.event_id, Some(objects.event.event_id.clone()));
        }
    }
}
