//! What is refused as a whole.

use super::*;

#[test]
fn what_is_no_webhook_is_refused() {
    let words = stop_words();
    for (payload, error) in [
        ("", WebhookError::NotJson { line: 1, column: 0 }),
        ("{\"entry\": [", WebhookError::NotJson { line: 1, column: 11 }),
        ("{\"entry\": []} x", WebhookError::NotJson { line: 1, column: 15 }),
        ("{\"entry\": [\"\0\"]}", WebhookError::NotJson { line: 1, column: 13 }),
        ("null", WebhookError::NotAWebhook),
        ("[]", WebhookError::NotAWebhook),
        ("{}", WebhookError::NotAWebhook),
        ("{\"entry\": {}}", WebhookError::NotAWebhook),
    ] {
        assert_eq!(parse(payload.as_bytes(), &words), Err(error), "{payload:?}");
    }
    assert_eq!(parse(b"{\"entry\": []}", &words), Ok(Webhook::default()));
}

#[test]
fn limits_are_named() {
    let refused = |payload: &str| parse(payload.as_bytes(), &stop_words()).unwrap_err().to_string();
    let large = format!("{{\"entry\": []}}{}", " ".repeat(MAX_PAYLOAD));
    assert_eq!(refused(&large), "the payload has 3145741 bytes and may have 3145728");
    assert!(parse(&large.as_bytes()[..MAX_PAYLOAD], &stop_words()).is_ok());

    let nested =
        |depth: usize| format!("{{\"entry\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(refused(&nested(32)), "the payload is nested more than 32 deep");
    assert!(parse(nested(31).as_bytes(), &stop_words()).is_ok());
    assert_eq!(refused(&"[".repeat(MAX_PAYLOAD)), "the payload is nested more than 32 deep");

    let list = |element: &str, count: usize| format!("[{}]", vec![element; count].join(","));
    let entries = |count| format!("{{\"entry\": {}}}", list("{}", count));
    assert_eq!(refused(&entries(1001)), "the payload has 1001 entries and may have 1000");
    assert!(parse(entries(1000).as_bytes(), &stop_words()).is_ok());

    let entry = |changes: usize| format!("{{\"changes\": {}}}", list("{}", changes));
    let changes = format!("{{\"entry\": [{},{}]}}", entry(600), entry(401));
    assert_eq!(refused(&changes), "the payload has 1001 changes and may have 1000");

    let value = format!("{{\"messages\": {0}, \"contacts\": {0}}}", list("{}", 2001));
    let items = format!("{{\"entry\": [{{\"changes\": [{{\"value\": {value}}}]}}]}}");
    assert_eq!(refused(&items), "the payload has 4002 items and may have 4000");
}

#[test]
fn the_largest_webhook_is_read_in_bounded_time() {
    // One person, so that every message finds the same contact.
    let message = json!({"from": "16505551234", "timestamp": "1767225600"});
    let contact = json!({"wa_id": "16505551234", "user_id": "US.1"});
    let value = json!({"messages": vec![message; 2000], "contacts": vec![contact; 2000]});
    let webhook = read(with_value("messages", value).to_string());
    assert_eq!(webhook.actions().count(), 2000);
}

#[test]
fn message_ids_are_visible_ascii() {
    assert!(MessageId::parse(&"w".repeat(256)).is_some());
    for id in ["", "a b", "é", "a\0", &"w".repeat(257)] {
        assert_eq!(MessageId::parse(id), None);
    }
}
