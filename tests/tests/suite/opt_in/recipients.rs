//! Checks of several ids of a person, and batches of people named in any way.

use contacts_proto::v1;
use contacts_sdk::{
    CheckReason, Contact, MessageCategory, NewContact, OptInSource, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};
use futures::stream;
use uuid::Uuid;

use super::MARKETING;

fn user(n: usize) -> Recipient {
    Recipient::whatsapp_user_id(format!("US.{n}"))
}

fn nobody() -> Recipient {
    Recipient::contact_id("01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f")
}

async fn make_both(app: &TestApp, n: usize) -> Contact {
    let person = NewContact::new().phone(phone(n)).whatsapp_user_id(format!("US.{n}"));
    app.contacts().create(person).await.expect("a contact")
}

async fn opt_in(app: &TestApp, person: impl Into<Recipient>) {
    app.opt_in().record_opt_in(person, OptInSource::WebForm).await.expect("an opt-in");
}

/// 1 opted in with both ids; the number of 2 came after the opt-in of its user id; 3 opted out; 4 was
/// merged into 1.
async fn make_people(app: &TestApp) -> Vec<Contact> {
    let mut made = Vec::new();
    made.push(make_both(app, 1).await);
    let person = NewContact::new().whatsapp_user_id("US.2").external_id("customer 2");
    made.push(app.contacts().create(person).await.expect("a contact"));
    made.push(make_both(app, 3).await);
    made.push(make_both(app, 4).await);
    opt_in(app, &made[0]).await;
    opt_in(app, &made[1]).await;
    app.contacts().link_identity(&made[1]).phone(phone(2)).await.expect("a contact");
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out");
    app.contacts().merge(&made[0], &made[3]).await.expect("merged");
    made
}

#[apply(on_each_store!)]
async fn check_of_several_ids_allows_what_it_allows_for_each(app: TestApp) {
    make_both(&app, 1).await;
    make_both(&app, 2).await;
    opt_in(&app, phone(1)).await;
    let check = |first: Recipient, also: Vec<Recipient>| {
        let check = app.opt_in().check(first, MARKETING);
        also.into_iter().fold(check, |check, id| check.also(id)).send()
    };
    let of = |n| Recipient::phone(phone(n));
    // An opt-in covers the ids that were there: both are allowed.
    let both = check(of(1), vec![user(1)]).await.expect("a check");
    assert!(both.is_allowed() && both.recipient_index == 0, "{both:?}");
    for (first, also, reason, decided) in [
        (of(1), vec![user(1), of(1), user(2)], CheckReason::NotAsked, 3),
        (of(1), vec![of(7)], CheckReason::UnknownContact, 1),
        (of(7), vec![of(2)], CheckReason::UnknownContact, 0),
        (of(2), vec![of(7)], CheckReason::NotAsked, 0),
        (of(1), vec![nobody(), of(2)], CheckReason::UnknownContact, 1),
    ] {
        let denied = check(first, also).await.expect("a check");
        assert_eq!((denied.reason, denied.recipient_index), (reason, decided), "{denied:?}");
    }
    // The answer is the one of the id that decides, with its contact and event.
    let stop = app.opt_in().record_opt_out(user(2)).await.expect("an opt-out");
    let denied = check(of(1), vec![of(2), user(2)]).await.expect("a check");
    assert_eq!((denied.reason, denied.recipient_index), (CheckReason::OptedOut, 1));
    assert_eq!(denied.event_id, Some(stop.event.event_id));
    assert_eq!(denied.contact_id, stop.event.contact_id);
}

#[apply(on_each_store!)]
async fn check_of_several_ids_refuses_what_it_cannot_read(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let check = || app.opt_in().check(phone(1), MARKETING);
    let ten = (0..10).fold(check(), |check, _| check.also(phone(1)));
    assert!(ten.clone().await.expect("a check").is_allowed());
    let error = ten.also(phone(1)).await.refused_at(reason::LIMIT_EXCEEDED, "also");
    assert_eq!((error.metadata("limit"), error.metadata("actual")), (Some("10"), Some("11")));
    for (wrong, reason, field) in [
        (Recipient::phone("12"), reason::INVALID_PHONE_NUMBER, "also[1].phone_number"),
        (
            Recipient::whatsapp_user_id("x"),
            reason::INVALID_WHATSAPP_USER_ID,
            "also[1].whatsapp_user_id",
        ),
        (Recipient::contact_id("7"), reason::INVALID_ID, "also[1].contact_id"),
    ] {
        check().also(phone(1)).also(wrong).await.refused_at(reason, field);
    }
    let nobody = v1::CheckOptInRequest {
        recipient: Some(v1::check_opt_in_request::Recipient::PhoneNumber(phone(1))),
        also: vec![v1::Recipient::default()],
        ..Default::default()
    };
    let refused = app.client().raw_opt_in().check_opt_in(nobody).await;
    refused.refused_at(reason::REQUIRED_FIELD_MISSING, "also[0].phone_number");
}

#[apply(on_each_store!)]
async fn batch_checks_people_named_in_any_way(app: TestApp) {
    let made = make_people(&app).await;
    let recipients = vec![
        Recipient::phone(phone(1)),
        user(1),
        Recipient::from(&made[0]),
        // The phone number decides, not the user id.
        Recipient::from(&made[1]),
        user(2),
        Recipient::from(&made[2]),
        // Merged into 1.
        Recipient::from(&made[3]),
        Recipient::phone(phone(4)),
        nobody(),
        Recipient::from(&made[0]),
        Recipient::phone("12"),
        Recipient::phone(""),
        Recipient::whatsapp_user_id("15551234567"),
        Recipient::whatsapp_user_id(""),
        Recipient::contact_id("no id"),
        Recipient::contact_id(Uuid::nil().to_string()),
        Recipient::external_id("customer 2"),
        Recipient::external_id("customer 3"),
        Recipient::external_id(""),
    ];
    use CheckReason::{
        FormerIdentity, InvalidPhoneNumber, InvalidRecipient, NotAsked, OptedIn, OptedOut,
        UnknownContact,
    };
    let expected = [
        OptedIn,
        OptedIn,
        OptedIn,
        NotAsked,
        OptedIn,
        OptedOut,
        OptedIn,
        FormerIdentity,
        UnknownContact,
        OptedIn,
        InvalidPhoneNumber,
        InvalidPhoneNumber,
        InvalidRecipient,
        InvalidRecipient,
        InvalidRecipient,
        UnknownContact,
        NotAsked,
        UnknownContact,
        InvalidRecipient,
    ];
    let answers = app.opt_in().check_batch(recipients.clone(), MARKETING).await.expect("answers");
    let reasons: Vec<_> = answers.iter().map(|outcome| outcome.reason).collect();
    assert_eq!(reasons, expected);
    for (recipient, outcome) in recipients.iter().zip(answers.iter()) {
        assert_eq!(outcome.is_allowed(), outcome.reason == OptedIn);
        // A single check returns the same, or refuses what it cannot read.
        match app.opt_in().check(recipient, MARKETING).await {
            Ok(single) => assert_eq!(single.reason, outcome.reason, "{recipient:?}"),
            Err(_) => assert!(matches!(outcome.reason, InvalidPhoneNumber | InvalidRecipient)),
        }
    }
    let batches = stream::iter([recipients.clone(), vec![user(1)], Vec::new(), recipients.clone()]);
    let mut checked = app.opt_in().check_stream(MARKETING).send(batches);
    for size in [recipients.len(), 1, 0, recipients.len()] {
        let batch = checked.next().await.expect("a batch").expect("answers");
        assert_eq!((batch.recipients.len(), batch.results.len()), (size, size));
        let streamed: Vec<_> = batch.results.iter().map(|outcome| outcome.reason).collect();
        match size {
            1 => assert_eq!(streamed, [OptedIn]),
            _ => assert_eq!(streamed, expected[..size]),
        }
    }
    assert!(checked.next().await.is_none());
}

#[apply(on_each_store!)]
async fn packed_numbers_come_before_recipients(app: TestApp) {
    make_people(&app).await;
    let request = v1::BatchCheckOptInRequest {
        phone_numbers: vec![phone(1), "12".to_owned()],
        recipients: vec![
            v1::Recipient::from(user(3)),
            v1::Recipient::default(),
            v1::Recipient::from(user(1)),
        ],
        ..Default::default()
    };
    let answers = app.client().raw_opt_in().batch_check_opt_in(request).await;
    let answers = answers.expect("answers").into_inner();
    let reasons: Vec<_> = answers.reasons().collect();
    use v1::CheckReason::{InvalidPhoneNumber, InvalidRecipient, OptedIn, OptedOut};
    assert_eq!(reasons, [OptedIn, InvalidPhoneNumber, OptedOut, InvalidRecipient, OptedIn]);
    let too_many = v1::BatchCheckOptInRequest {
        phone_numbers: vec![phone(1); 9_000],
        recipients: vec![v1::Recipient::from(user(1)); 1_001],
        ..Default::default()
    };
    let refused = app.client().raw_opt_in().batch_check_opt_in(too_many).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "recipients");
}

#[apply(on_each_store!)]
async fn batch_of_ten_thousand_contact_ids_is_answered(app: TestApp) {
    app.make_many((0..3_000).map(|n| NewContact::new().phone(phone(n)))).await;
    let mut ids = Vec::new();
    let mut all = app.contacts().segment().stream();
    while let Some(contact) = all.next().await {
        ids.push(Recipient::from(&contact.expect("a contact")));
    }
    opt_in(&app, &ids[2_999]).await;
    let mut batch: Vec<_> = ids.iter().cycle().take(9_000).cloned().collect();
    batch.extend((0..1_000).map(|_| Recipient::contact_id(Uuid::now_v7().to_string())));
    let answers = app.opt_in().check_batch(batch, MARKETING).await.expect("answers");
    let allowed: Vec<_> = answers.allowed_indexes().collect();
    assert_eq!(allowed, [2_999, 5_999, 8_999]);
    assert_eq!(answers.get(9_999).map(|it| it.reason), Some(CheckReason::UnknownContact));
}

/// While contacts are merged and their numbers change, no check by contact_id is answered by the row of
/// somebody else.
#[apply(on_each_store!)]
async fn batch_by_contact_id_follows_changes_of_number(app: TestApp) {
    let contact = app.make_opted_in(phone(1)).await;
    let out = app.make_contact(phone(2)).await;
    app.opt_in().record_opt_out(&out).await.expect("an opt-out");
    let changes = async {
        for n in 10..40 {
            let moved = app.contacts().link_identity(&contact).phone(phone(n));
            let moved = moved.carry_opt_in(OptInSource::Platform, Default::default());
            moved.await.expect("moved");
        }
    };
    let checks = async {
        for _ in 0..60 {
            let batch = [Recipient::from(&contact), Recipient::from(&out)];
            let Ok(answers) = app.opt_in().check_batch(batch, MessageCategory::Marketing).await
            else {
                continue;
            };
            let reasons: Vec<_> = answers.iter().map(|it| it.reason).collect();
            assert_eq!(reasons, [CheckReason::OptedIn, CheckReason::OptedOut]);
        }
    };
    futures::join!(changes, checks);
}
