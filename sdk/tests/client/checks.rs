//! Checks fail closed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contacts_proto::v1;
use contacts_sdk::{CheckReason, ErrorKind, MessageCategory, OptInChecker, Recipient, reason};
use futures::{StreamExt, stream};
use tonic::{Code, Request, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use crate::fake::{Fake, Messages, builder, refusal, unavailable};

const MARKETING: MessageCategory = MessageCategory::Marketing;

fn answering(decision: i32, reason: v1::CheckReason) -> Fake {
    Fake::default().on(move |request: Request<v1::CheckOptInRequest>| async move {
        assert_eq!(request.get_ref().category, v1::MessageCategory::Marketing as i32);
        let reason = reason.into();
        Ok(v1::CheckOptInResponse { decision, reason, ..v1::CheckOptInResponse::default() })
    })
}

fn failing(status: Status) -> Fake {
    Fake::default().on(move |_: Request<v1::CheckOptInRequest>| {
        let status = status.clone();
        async { Err::<v1::CheckOptInResponse, _>(status) }
    })
}

#[tokio::test]
async fn only_the_decision_allow_permits_sending() {
    let allow = v1::Decision::Allow as i32;
    for decision in [allow, v1::Decision::Deny as i32, 0, 3, -1] {
        let checks = answering(decision, v1::CheckReason::OptedIn).client().await.opt_in();
        let result = checks.check("15551234567", MARKETING).await.expect("an answer");
        assert_eq!(result.is_allowed(), decision == allow, "{decision}");
        assert_eq!(checks.may_send("15551234567", MARKETING).await, decision == allow);
        let checker: &dyn OptInChecker = &checks;
        let person = Recipient::phone("15551234567");
        assert_eq!(checker.may_send(person, MARKETING).await, decision == allow);
    }
}

#[tokio::test]
async fn a_check_that_asked_for_a_receipt_fails_without_one() {
    let old = answering(v1::Decision::Allow.into(), v1::CheckReason::OptedIn).client().await;
    let check = || old.opt_in().check("15551234567", MARKETING);
    assert_eq!(check().await.expect("an answer").receipt, None);
    let refused = check().receipt().await.expect_err("no receipt");
    assert_eq!(refused.kind(), ErrorKind::InvalidResponse);
}

#[tokio::test]
async fn may_send_is_false_for_every_error() {
    for status in [
        unavailable(),
        refusal(Code::NotFound, reason::WORKSPACE_NOT_FOUND, &[]),
        Status::internal("broken"),
        Status::unauthenticated("who"),
    ] {
        let checks = failing(status).client().await.opt_in();
        assert!(checks.check("15551234567", MARKETING).await.is_err());
        assert!(!checks.may_send("15551234567", MARKETING).await);
    }
    let unreachable = builder("127.0.0.1:1").connect_lazy().expect("a client");
    assert!(!unreachable.opt_in().may_send("15551234567", MARKETING).await);

    let silent = Fake::default().on(|_: Request<v1::CheckOptInRequest>| {
        futures::future::pending::<Result<v1::CheckOptInResponse, Status>>()
    });
    let address = silent.start().await;
    let client = builder(&address).check_deadline(Duration::from_millis(100)).connect().await;
    let began = Instant::now();
    assert!(!client.expect("a client").opt_in().may_send("15551234567", MARKETING).await);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_check_respects_the_retry_delay_of_the_server() {
    let calls = AtomicUsize::new(0);
    let fake = Fake::default().on(move |_: Request<v1::CheckOptInRequest>| {
        let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(150)));
                return Err(Status::with_error_details(Code::Unavailable, "busy", details));
            }
            let decision = v1::Decision::Allow.into();
            Ok(v1::CheckOptInResponse { decision, ..v1::CheckOptInResponse::default() })
        }
    });
    let checks = fake.client().await.opt_in();
    let began = Instant::now();
    assert!(checks.may_send("15551234567", MARKETING).await);
    assert!(began.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_batch_has_one_result_per_number() {
    let fake = Fake::default().on(|request: Request<v1::BatchCheckOptInRequest>| async move {
        let numbers = &request.get_ref().phones;
        let mut decisions: Vec<i32> =
            numbers.iter().map(|number| if number % 10 == 1 { 1 } else { 2 }).collect();
        let reasons: Vec<i32> =
            decisions.iter().map(|decision| if *decision == 1 { 1 } else { 7 }).collect();
        if request.get_ref().workspace_id == "short" {
            decisions.pop();
        }
        Ok(v1::BatchCheckOptInResponse { decisions, reasons, check_time: None })
    });
    let client = fake.client().await;
    let numbers = ["11", "12", "21"];
    let answers = client.opt_in().check_batch(numbers, MARKETING).await.expect("answers");
    assert_eq!(answers.allowed_indexes().collect::<Vec<_>>(), [0, 2]);
    assert!(answers.allowed(0) && !answers.allowed(1) && !answers.allowed(3));
    assert_eq!(answers.get(1).map(|it| it.reason), Some(CheckReason::InvalidPhoneNumber));
    assert_eq!(answers.iter().len(), 3);

    let short = client.with_workspace("short").opt_in().check_batch(numbers, MARKETING).await;
    assert_eq!(short.expect_err("one too few").kind(), ErrorKind::InvalidResponse);
}

/// Allows numbers that end in 1. Each connection ends after its number of responses; the last one never
/// ends.
fn streaming(answers: &'static [usize], end: fn() -> Option<Status>) -> (Fake, Arc<Mutex<usize>>) {
    let connections = Arc::new(Mutex::new(0));
    let opened = connections.clone();
    let fake = Fake::default().on(move |request: Request<Streaming<_>>| {
        let mut opened = opened.lock().expect("connections");
        let limit = answers.get(*opened).copied().unwrap_or(usize::MAX);
        *opened += 1;
        async move {
            let replies = request.into_inner().take(limit).map(
                |batch: Result<v1::CheckOptInStreamRequest, Status>| {
                    let numbers = batch?.phones;
                    let decisions: Vec<i32> =
                        numbers.iter().map(|number| if number % 10 == 1 { 1 } else { 2 }).collect();
                    let reasons = vec![1; decisions.len()];
                    Ok(v1::CheckOptInStreamResponse { decisions, reasons, check_time: None })
                },
            );
            let end = stream::iter(end().map(Err));
            Ok(replies.chain(end).boxed() as Messages<v1::CheckOptInStreamResponse>)
        }
    });
    (fake, connections)
}

#[tokio::test]
async fn a_check_stream_keeps_its_order_over_broken_connections() {
    for end in [(|| Some(unavailable())) as fn() -> Option<Status>, || None] {
        let (fake, connections) = streaming(&[3, 2, 0, 4], end);
        let checks = fake.client().await.opt_in();
        let batches = (1..21).map(|n| vec![format!("{n}1"), format!("{n}2")]);
        let mut checked =
            checks.check_stream(MARKETING).max_in_flight(3).send(stream::iter(batches));
        for n in 1..21 {
            let batch = checked.next().await.expect("a batch").expect("answers");
            assert_eq!(batch.allowed().collect::<Vec<_>>(), [&format!("{n}1")]);
        }
        assert!(checked.next().await.is_none());
        assert_eq!(*connections.lock().expect("connections"), 5);
    }
}

#[tokio::test]
async fn a_check_stream_without_progress_fails() {
    let (fake, connections) = streaming(&[1, 0, 0, 0, 0, 0, 0, 0], || None);
    let checks = fake.client().await.opt_in();
    let batches = stream::iter((1..4).map(|n| vec![n.to_string()]));
    let mut checked = checks.check_stream(MARKETING).send(batches);
    checked.next().await.expect("a batch").expect("answers");
    let error = checked.next().await.expect("an end").expect_err("broken");
    assert!(error.is_incomplete() && error.is_unavailable(), "{error}");
    assert!(checked.next().await.is_none());
    // The first connection counts only if it ended while a batch was pending.
    assert!((5..=6).contains(&*connections.lock().expect("connections")));
}
