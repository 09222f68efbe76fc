//! Errors of filters: the column, and what to write instead.

use contacts_sdk::{Error, NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

use super::select;

async fn error_of(app: &TestApp, filter: &str) -> Error {
    select(app, filter).await.refused_at(reason::INVALID_FILTER, "filter")
}

#[apply(on_each_store!)]
async fn unknown_names_suggest_similar_ones(app: TestApp) {
    app.make_tags(&["event_attendee"]).await;
    app.make_attributes().await;
    for (filter, column, suggestion) in [
        ("tags:event_atendee", "6", "event_attendee"),
        ("attributes.cty = x", "1", "attributes.city"),
        ("attributes.tier = gold", "19", "Gold"),
        ("frist_name = x", "1", "first_name"),
        ("city = x", "1", "attributes.city"),
        ("event_attendee", "1", "tags:event_attendee"),
        ("opted_in = true", "1", "opt_in = OPTED_IN"),
        ("first_name:* AND opt_in = YES", "27", "OPTED_IN"),
        ("attributes.orders = \"3\"", "21", "without quotes"),
        ("attributes.last_order > yesterday", "25", "2026-01-31"),
        ("first_name:* AND\nlast_nme:*", "18", "last_name"),
    ] {
        let error = error_of(&app, filter).await;
        assert_eq!(error.metadata("column"), Some(column), "{filter}: {error}");
        assert!(error.message().contains(suggestion), "{filter}: {error}");
    }
}

#[apply(on_each_store!)]
async fn every_call_rejects_an_invalid_filter(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let wrong = "tags:vpi";
    let mut stream = app.contacts().segment().filter(wrong).stream();
    for error in [
        app.contacts().list().filter(wrong).await.refused(),
        app.contacts().count().filter(wrong).await.refused(),
        stream.next().await.expect("an error").refused(),
        app.contacts().update_tags().filter(wrong, 0).add("vip").await.refused(),
    ] {
        let error = error.refused_at(reason::INVALID_FILTER, "filter");
        assert_eq!(error.metadata("column"), Some("6"));
        assert!(!error.is_incomplete(), "nothing was begun");
    }
    assert!(stream.next().await.is_none(), "a stream ends with its error");
}

#[apply(on_each_store!)]
async fn errors_do_not_repeat_values(app: TestApp) {
    app.make_attributes().await;
    let person = NewContact::new().phone(phone(1)).first_name("Zxqv");
    app.contacts().create(person).await.expect("a contact");
    for filter in [
        "first_name = \"Zxqv",
        "first_name = \"*Zxqv\"",
        "attributes.orders = \"Zxqv\"",
        "attributes.tier = \"Zxqv\"",
        "opt_in = Zxqv",
        "create_time > \"Zxqv\"",
        "first_name = \"a\" \"Zxqv\"",
        "Zxqv",
        "phone_number = \"Zxqv\"",
        "first_name IN (\"Zxqv\"",
    ] {
        let error = error_of(&app, filter).await;
        assert!(!format!("{error:?}").contains("Zxqv"), "{filter}: {error:?}");
    }
}
