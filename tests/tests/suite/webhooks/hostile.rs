//! Payloads that Meta does not send.

use super::*;
use contacts_sdk::reason;
use contacts_tests::{Refused, apply, on_each_store, phone};

#[apply(on_each_store!)]
async fn what_is_no_webhook_is_refused_with_advice(app: TestApp) {
    let nested = |depth: usize| format!("{{\"entry\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let list = |of: &str, count: usize| format!("[{}]", vec![of; count].join(","));
    for (payload, expected, text) in [
        (String::new(), reason::INVALID_ARGUMENT, "no JSON"),
        ("{".to_owned(), reason::INVALID_ARGUMENT, "no JSON"),
        ("[1]".to_owned(), reason::INVALID_ARGUMENT, "no list named entry"),
        (nested(5000), reason::LIMIT_EXCEEDED, "nested"),
        (format!("{{\"entry\":{}}}", list("{}", 1001)), reason::LIMIT_EXCEEDED, "1001 entries"),
        (format!("{{\"entry\":{}}}", list("0", 300_000)), reason::LIMIT_EXCEEDED, "JSON values"),
        ("[".repeat(3 << 20), reason::LIMIT_EXCEEDED, "nested"),
        (" ".repeat((3 << 20) + 1), reason::LIMIT_EXCEEDED, "3145728"),
    ] {
        let error = app.webhooks().ingest(payload).await.refused_at(expected, "payload");
        assert!(error.message().contains(text), "{error}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn wrong_types_and_bytes_are_passed_over(app: TestApp) {
    known_by_both(&app).await;
    for value in [json!(null), json!(7), json!("stop"), json!([]), json!({}), json!([[[]]])] {
        for path in ["entry", "changes", "value", "user_preferences", "wa_id", "metadata"] {
            let mut payload = webhook([stop(ago(0))]);
            let at = match path {
                "entry" => "/entry/0",
                "changes" => "/entry/0/changes",
                "value" => "/entry/0/changes/0/value",
                "user_preferences" => "/entry/0/changes/0/value/user_preferences",
                "wa_id" => "/entry/0/changes/0/value/user_preferences/0/wa_id",
                _ => "/entry/0/changes/0/value/metadata",
            };
            *payload.pointer_mut(at).expect("a place") = value.clone();
            ingest(&app, &payload).await;
        }
    }
    // A name that is no UTF-8 does not cost the objection beside it.
    let mut body = webhook([stop(ago(0))]).to_string().into_bytes();
    let at = body.windows(4).position(|bytes| bytes == b"User").expect("a text");
    body[at] = 0xFF;
    let report = app.webhooks().ingest(body).await.expect("a webhook");
    assert_eq!(report.counts.recorded + report.counts.already_applied, 1);
    assert_eq!(reason_of(&app, phone_id(PHONE)).await, CheckReason::PlatformOptedOut);
    app.assert_alive().await;
}

/// A number that no type can hold costs no objection beside it.
#[apply(on_each_store!)]
async fn numbers_beyond_all_types_are_passed_over(app: TestApp) {
    known_by_both(&app).await;
    let odd =
        json!({"id": "1", "changes": [{"field": "account_update", "value": {"x": "NUMBER"}}]});
    let mut payload = webhook([stop(ago(0))]);
    let entries = payload.pointer_mut("/entry").and_then(|entry| entry.as_array_mut());
    entries.expect("entries").push(odd);
    for number in ["1e309", "-1e999", &"9".repeat(310)] {
        let body = payload.to_string().replace("\"NUMBER\"", number);
        let report = app.webhooks().ingest(body).await.expect("a webhook");
        assert_eq!(report.counts.recorded + report.counts.already_applied, 1, "{number}");
        assert_eq!(reason_of(&app, phone_id(PHONE)).await, CheckReason::PlatformOptedOut);
    }
}

/// The largest webhook takes several transactions and a bounded time.
#[apply(on_each_store!)]
async fn largest_webhook_is_applied(app: TestApp) {
    let at = ago(0);
    let stops: Vec<_> = (0..2000).map(|n| preference("stop", Some(&phone(n)), None, at)).collect();
    let messages: Vec<_> = (0..900).map(|n| text(&phone(n), "hello", at)).collect();
    let contacts: Vec<_> =
        (0..900).map(|n| json!({"wa_id": phone(n), "user_id": format!("US.{n}")})).collect();
    opted_in(&app, NewContact::new().phone(phone(0))).await;
    let payload = webhook([
        change_of("user_preferences", &stops, &[]),
        change_of("messages", &messages, &contacts),
    ]);
    let report = ingest(&app, &payload).await;
    let counts = report.counts;
    assert_eq!((counts.recorded, counts.linked, counts.unknown_contact), (2000, 1, 899));
    assert_eq!(reason_of(&app, phone_id(&phone(1999))).await, CheckReason::PlatformOptedOut);
    assert_eq!(reason_of(&app, user_id("US.0")).await, CheckReason::PlatformOptedOut);
}

/// A repeated name has all its values: no objection is lost, and none makes a transaction of any size.
#[apply(on_each_store!)]
async fn one_stop_of_thousands_of_ids_is_recorded_for_all(app: TestApp) {
    const IDS: usize = 2500;
    let ids: Vec<_> = (0..IDS).map(|n| format!("\"wa_id\":\"{}\"", phone(n))).collect();
    let payload = format!(
        "{{\"entry\":[{{\"changes\":[{{\"value\":{{\"user_preferences\":[{{{},\"value\":\"stop\",\
         \"timestamp\":{}}}]}}}}]}}]}}",
        ids.join(","),
        ago(0)
    );
    let report = app.webhooks().ingest(payload.clone()).await.expect("a webhook");
    assert_eq!(report.counts.recorded, 1);
    for n in [0, 99, 100, 1000, IDS - 1] {
        assert_eq!(reason_of(&app, phone_id(&phone(n))).await, CheckReason::PlatformOptedOut);
    }
    let again = app.webhooks().ingest(payload).await.expect("a webhook");
    assert_eq!(again.counts.already_applied, 1);
}
