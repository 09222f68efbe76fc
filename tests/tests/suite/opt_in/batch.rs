//! BatchCheckOptIn and CheckOptInStream.

use contacts_proto::v1;
use contacts_sdk::{CheckReason, OptInSource, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};
use futures::{StreamExt, stream};

use super::{MARKETING, UTILITY};

/// 1 opted in, 2 opted out, 3 was never asked, 4 is a non-contact who opted out, 5 is unknown.
async fn make_people(app: &TestApp) {
    app.make_opted_in(phone(1)).await;
    app.make_opted_in(phone(2)).await;
    app.make_contact(phone(3)).await;
    for n in [2, 4] {
        app.opt_in().record_opt_out(phone(n)).await.expect("an opt-out");
    }
}

#[apply(on_each_store!)]
async fn batch_answers_are_in_request_order(app: TestApp) {
    make_people(&app).await;
    let mut numbers = phones(1..6);
    numbers.extend(
        ["+1 (555) 000-0001", "", "abc", "12", "\0", &phone(1), "US.13491208655302741918"]
            .map(str::to_owned),
    );
    let answers = app.opt_in().check_batch(&numbers, MARKETING).await.expect("answers");
    let reasons: Vec<_> = answers.iter().map(|outcome| outcome.reason).collect();
    let bad = CheckReason::InvalidPhoneNumber;
    assert_eq!(
        reasons,
        [
            CheckReason::OptedIn,
            CheckReason::OptedOut,
            CheckReason::NotAsked,
            CheckReason::OptedOut,
            CheckReason::UnknownContact,
            CheckReason::OptedIn,
            bad,
            bad,
            bad,
            bad,
            CheckReason::OptedIn,
            bad,
        ]
    );
    assert_eq!(answers.allowed_indexes().collect::<Vec<_>>(), [0, 5, 10]);
    assert!(answers.check_time().is_some());
    // A single check returns the same.
    for (number, outcome) in numbers.iter().zip(answers.iter()).filter(|(_, o)| o.reason != bad) {
        let single = app.opt_in().check(number, MARKETING).await.expect("a check");
        assert_eq!((single.reason, single.is_allowed()), (outcome.reason, outcome.is_allowed()));
    }
}

/// Without separators, the SDK sends numbers as integers; this sends each way what it says.
#[apply(on_each_store!)]
async fn numbers_may_be_integers(app: TestApp) {
    make_people(&app).await;
    // The long form of a Brazilian number, checked by both forms.
    app.make_opted_in("5521987654321").await;
    let number = |n| phone(n).parse().expect("digits");
    let request = v1::BatchCheckOptInRequest {
        phone_numbers: vec![format!("+{}", phone(2))],
        phones: vec![number(1), number(2), 552_187_654_321, 0, 12, u64::MAX, number(4), number(5)],
        recipients: vec![v1::Recipient {
            recipient: Some(v1::recipient::Recipient::PhoneNumber(phone(3))),
        }],
        ..Default::default()
    };
    let expected = [
        v1::CheckReason::OptedOut,
        v1::CheckReason::OptedIn,
        v1::CheckReason::OptedOut,
        v1::CheckReason::OptedIn,
        v1::CheckReason::InvalidPhoneNumber,
        v1::CheckReason::InvalidPhoneNumber,
        v1::CheckReason::InvalidPhoneNumber,
        v1::CheckReason::OptedOut,
        v1::CheckReason::UnknownContact,
        v1::CheckReason::NotAsked,
    ];
    let answer = app.client().raw_opt_in().batch_check_opt_in(request.clone()).await;
    let answer = answer.expect("answers").into_inner();
    assert_eq!(answer.reasons().collect::<Vec<_>>(), expected);
    let allowed = answer.decisions().map(|decision| decision == v1::Decision::Allow);
    let opted_in = expected.map(|reason| reason == v1::CheckReason::OptedIn);
    assert_eq!(allowed.collect::<Vec<_>>(), opted_in);

    let batch = v1::CheckOptInStreamRequest {
        phone_numbers: request.phone_numbers,
        phones: request.phones,
        recipients: request.recipients,
        ..Default::default()
    };
    let too_many =
        v1::CheckOptInStreamRequest { phones: vec![number(1); 10_001], ..Default::default() };
    let requests = stream::iter([batch, too_many]);
    let answers = app.client().raw_opt_in().check_opt_in_stream(requests).await;
    let mut answers: Vec<_> = answers.expect("a stream").into_inner().collect().await;
    assert_eq!(answers.len(), 2);
    answers.remove(1).refused_at(reason::LIMIT_EXCEEDED, "phones");
    let first = answers.remove(0).expect("answers");
    assert_eq!(first.reasons().collect::<Vec<_>>(), expected);
}

#[apply(on_each_store!)]
async fn batch_checks_one_category(app: TestApp) {
    app.make_contact(phone(1)).await;
    let opt_in = app.opt_in().record_opt_in(phone(1), OptInSource::Paper).categories([UTILITY]);
    opt_in.await.expect("an opt-in");
    for (category, allowed) in [(UTILITY, true), (MARKETING, false)] {
        let answers = app.opt_in().check_batch(&[phone(1)], category).await.expect("answers");
        assert_eq!(answers.allowed(0), allowed);
    }
}

#[apply(on_each_store!)]
async fn batch_size_is_limited(app: TestApp) {
    make_people(&app).await;
    let mut numbers = vec![phone(9); 10_000];
    numbers[9_999] = phone(1);
    let answers = app.opt_in().check_batch(&numbers, MARKETING).await.expect("answers");
    assert_eq!(answers.allowed_indexes().collect::<Vec<_>>(), [9_999]);
    numbers.push(phone(1));
    let error = app.opt_in().check_batch(&numbers, MARKETING).await;
    let error = error.refused_at(reason::LIMIT_EXCEEDED, "phones");
    assert_eq!((error.metadata("limit"), error.metadata("actual")), (Some("10000"), Some("10001")));
    let none = app.opt_in().check_batch([""; 0], MARKETING).await.expect("no answers");
    assert!(none.is_empty());
}

#[apply(on_each_store!)]
async fn stream_answers_batches_in_order(app: TestApp) {
    make_people(&app).await;
    // Batches of different sizes, so that a small one could overtake a large one.
    let batch =
        |n: usize| (0..=(97 * n) % 500).map(|i| phone(if i == n { 1 } else { 9 })).collect();
    let batches: Vec<Vec<String>> = (0..40).map(batch).collect();
    let mut checked = app.opt_in().check_stream(MARKETING).send(stream::iter(batches.clone()));
    for expected in batches {
        let batch = checked.next().await.expect("a batch").expect("answers");
        assert_eq!(batch.recipients, expected);
        let allowed: Vec<_> = batch.allowed().cloned().collect();
        let expected: Vec<_> = expected.into_iter().filter(|number| *number == phone(1)).collect();
        assert_eq!(allowed, expected);
    }
    assert!(checked.next().await.is_none());
}

#[apply(on_each_store!)]
async fn open_check_stream_sees_new_statements(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let (ask, batches) = futures::channel::mpsc::unbounded();
    let mut checked = app.opt_in().check_stream(MARKETING).send(batches);
    for round in 0..10 {
        let agrees = round % 2 == 0;
        ask.unbounded_send(vec![phone(1)]).expect("asked");
        let answer = checked.next().await.expect("a batch").expect("answers");
        assert_eq!(answer.results.allowed(0), agrees, "{round}");
        let recorded = match agrees {
            true => app.opt_in().record_opt_out(phone(1)).await,
            false => app.opt_in().record_opt_in(phone(1), OptInSource::Paper).await,
        };
        recorded.expect("an event");
    }
}

#[apply(on_each_store!)]
async fn invalid_batch_ends_the_stream_after_earlier_answers(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let request = |phone_numbers, category| v1::CheckOptInStreamRequest {
        phone_numbers,
        category,
        ..Default::default()
    };
    let wrong = [
        (request(vec![phone(1); 10_001], 0), reason::LIMIT_EXCEEDED, "phone_numbers"),
        (request(vec![phone(1)], 9), reason::INVALID_ARGUMENT, "category"),
    ];
    for (wrong, reason, field) in wrong {
        let requests =
            stream::iter([request(vec![phone(1)], 1), wrong, request(vec![phone(1)], 1)]);
        let answers = app.client().raw_opt_in().check_opt_in_stream(requests).await;
        let mut answers: Vec<_> = answers.expect("a stream").into_inner().collect().await;
        assert_eq!(answers.len(), 2);
        answers.remove(1).refused_at(reason, field);
        let first = answers.remove(0).expect("an answer");
        assert_eq!(first.decisions, [i32::from(v1::Decision::Allow)]);
    }
}
