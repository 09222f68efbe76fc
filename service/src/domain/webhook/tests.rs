mod properties;
mod samples;

use serde_json::{Value, json};

use super::*;
use crate::domain::phone::{PhoneNumber, WhatsAppUserId};

/// Every sample payload, by its file's name.
macro_rules! samples {
    ($($name:literal),+ $(,)?) => {
        const SAMPLES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("samples/", $name, ".json")))),+];
    };
}

samples!(
    "identity_key_changed",
    "malformed_items",
    "message_button",
    "message_interactive",
    "message_text",
    "message_without_phone_number",
    "number_changed",
    "number_changed_before_august_2026",
    "number_changed_before_v12",
    "preference_before_user_ids",
    "preference_in_system_message",
    "preference_resume",
    "preference_stop",
    "several_entries",
    "status_delivered_with_contact",
    "status_of_group",
    "status_stopped_marketing",
    "statuses_of_other_kinds",
    "template_status",
    "user_id_changed",
);

fn sample(name: &str) -> &'static str {
    SAMPLES.iter().find(|(known, _)| *known == name).expect("a sample").1
}

fn stop_words() -> StopWords {
    StopWords::new(&["STOP", "Stop promotions"]).expect("stop words")
}

fn read(payload: impl AsRef<[u8]>) -> Webhook {
    parse(payload.as_ref(), &stop_words()).expect("a webhook")
}

/// A webhook with one item in one list.
fn with_item(list: &str, item: Value) -> Value {
    let field = if list == "user_preferences" { list } else { "messages" };
    with_value(field, json!({"metadata": {"phone_number_id": "106540352242922"}, list: [item]}))
}

fn with_value(field: &str, value: Value) -> Value {
    let change = json!({"field": field, "value": value});
    json!({"object": "whatsapp_business_account", "entry": [{"changes": [change]}]})
}

fn preference(value: &str) -> Value {
    json!({
        "wa_id": "16505551234",
        "user_id": "US.1349",
        "category": "marketing_messages",
        "value": value,
        "timestamp": 1_767_225_600,
    })
}

fn number_change() -> Value {
    json!({
        "from": "16505551234",
        "id": "wamid.S",
        "timestamp": "1767225600",
        "type": "system",
        "system": {
            "type": "user_changed_number",
            "wa_id": "12195555358",
            "user_id": "US.5550",
            "previous_user_id": "US.1349",
        },
    })
}

/// Everything a webhook says, a line each.
fn lines(webhook: &Webhook) -> Vec<String> {
    let fault = |unreadable: &Unreadable| format!("{} {}", unreadable.path, unreadable.fault);
    let mut lines: Vec<_> = webhook.unreadable.iter().map(fault).collect();
    for change in &webhook.changes {
        lines.extend(change.actions.iter().map(line));
        lines.extend(change.unreadable.iter().map(fault));
        let ignored = change.ignored.iter();
        lines.extend(ignored.map(|(what, count)| format!("ignored {count} {}", what.as_str())));
    }
    lines
}

fn read_lines(payload: &Value) -> Vec<String> {
    lines(&read(payload.to_string()))
}

fn line(action: &Action) -> String {
    let names = |ids: &[Identity]| {
        let names = ids.iter().map(|id| match id {
            Identity::Phone(number) => number.to_string(),
            Identity::User(id) => id.to_string(),
        });
        names.collect::<Vec<_>>().join("+")
    };
    let at = |time: &Option<crate::domain::Time>| match time {
        Some(time) => time.timestamp().to_string(),
        None => "?".to_owned(),
    };
    let by = |id: &Option<MessageId>| match id {
        Some(id) => format!(" by {}", id.as_str()),
        None => String::new(),
    };
    match action {
        Action::PlatformStop { sender_phone_number_id, identities, occurred_time, message_id } => {
            let sender =
                if sender_phone_number_id.is_empty() { "all" } else { sender_phone_number_id };
            let (at, by) = (at(occurred_time), by(message_id));
            format!("stop {sender} of {} at {at}{by}", names(identities))
        }
        Action::PlatformResume { sender_phone_number_id, identities, occurred_time } => format!(
            "resume {sender_phone_number_id} of {} at {}",
            names(identities),
            occurred_time.timestamp()
        ),
        Action::NumberChanged { old, new_phone_number, new_user_id, occurred_time, message_id } => {
            let user = new_user_id.as_ref().map(|id| format!("+{id}")).unwrap_or_default();
            let (at, by) = (occurred_time.timestamp(), by(message_id));
            format!("number of {} is {new_phone_number}{user} at {at}{by}", names(old))
        }
        Action::UserIdChanged { previous, new, phone_number, occurred_time, message_id } => {
            let phone = phone_number.map(|number| format!(" of {number}")).unwrap_or_default();
            let (at, by) = (occurred_time.timestamp(), by(message_id));
            format!("user id {previous} is {new}{phone} at {at}{by}")
        }
        Action::Pair { phone_number, user_id, occurred_time, message_id } => {
            let (at, by) = (occurred_time.timestamp(), by(message_id));
            format!("pair {phone_number}+{user_id} at {at}{by}")
        }
        Action::OptOutWord { identities, text, message_id, occurred_time } => {
            format!(
                "word {text:?} of {} at {}{}",
                names(identities),
                at(occurred_time),
                by(message_id)
            )
        }
    }
}

#[test]
fn an_objection_needs_only_one_readable_id() {
    let stop = |changes: Value| {
        let mut item = preference("stop");
        for (name, value) in changes.as_object().expect("an object") {
            item[name] = value.clone();
        }
        read_lines(&with_item("user_preferences", item))
    };
    let path = "entry[0].changes[0].value.user_preferences[0]";
    for time in [json!(null), json!(0), json!(1_767_225_600_000_u64), json!("soon"), json!(1e300)] {
        let expected = ["stop 106540352242922 of 16505551234+US.1349 at ?"];
        assert_eq!(stop(json!({"timestamp": time})), expected, "{time}");
    }
    for value in ["STOP", " stop ", "Stop"] {
        assert_eq!(stop(json!({"value": value})).len(), 1, "{value}");
    }
    assert_eq!(stop(json!({"category": "everything"})), stop(json!({})));
    assert_eq!(
        stop(json!({"wa_id": "x\0y"})),
        ["stop 106540352242922 of US.1349 at 1767225600", &format!("{path}.wa_id is malformed")]
    );
    // Each field is read as either kind of id.
    assert_eq!(
        stop(json!({"wa_id": "US.1349", "user_id": 16_505_551_234_u64})),
        ["stop 106540352242922 of 16505551234+US.1349 at 1767225600"]
    );
    // The parent id names the person only if nothing else does.
    assert_eq!(
        stop(json!({"wa_id": "", "user_id": null, "parent_user_id": "US.ENT.7"})),
        ["stop 106540352242922 of US.ENT.7 at 1767225600"]
    );
    assert_eq!(
        stop(json!({"wa_id": "x", "user_id": [], "parent_user_id": "US.ENT.7"})),
        [format!("{path}.wa_id is malformed"), format!("{path}.user_id is malformed")]
    );
    assert_eq!(
        stop(json!({"wa_id": null, "user_id": null})),
        [format!("{path}.parent_user_id is missing")]
    );
}

#[test]
fn a_sender_that_cannot_be_one_means_all_senders_for_a_stop_and_none_for_a_resume() {
    let long = "1".repeat(65);
    for metadata in [
        json!(null),
        json!({}),
        json!({"phone_number_id": ""}),
        json!({"phone_number_id": "1 2"}),
        json!({"phone_number_id": long}),
        json!({"phone_number_id": ["1"]}),
        json!(["106540352242922"]),
    ] {
        let preferences = json!([preference("stop"), preference("resume")]);
        let value = json!({"metadata": metadata, "user_preferences": preferences});
        assert_eq!(
            read_lines(&with_value("user_preferences", value)),
            [
                "stop all of 16505551234+US.1349 at 1767225600",
                "entry[0].changes[0].value.user_preferences[1] does not tell which of the business's \
                 numbers it is about",
            ],
            "{metadata}"
        );
    }
}

#[test]
fn a_resume_with_a_doubtful_part_is_unreadable() {
    let path = "entry[0].changes[0].value.user_preferences[0]";
    for (field, value, fault) in [
        ("wa_id", json!("07700900123"), "is malformed"),
        ("wa_id", json!("US.1349"), "is malformed"),
        ("wa_id", json!({}), "is malformed"),
        ("wa_id", json!(1e300), "is malformed"),
        ("wa_id", json!("1650555\u{0}1234"), "is malformed"),
        ("user_id", json!("16505551234"), "is malformed"),
        ("user_id", json!(" US.1349"), "is malformed"),
        ("user_id", json!("us.1349"), "is malformed"),
        ("timestamp", json!(1_767_225_600_000_u64), "is malformed"),
        ("timestamp", json!("1767225600.5"), "is malformed"),
        ("timestamp", json!(1_200_000_000), "is malformed"),
        ("timestamp", json!(null), "is missing"),
    ] {
        let mut item = preference("resume");
        item[field] = value.clone();
        let found = read_lines(&with_item("user_preferences", item));
        assert_eq!(found, [format!("{path}.{field} {fault}")], "{value}");
    }
    let mut item = preference("resume");
    item["wa_id"] = json!(16_505_551_234_u64);
    item["user_id"] = json!("");
    item["timestamp"] = json!("1767225600");
    let found = read_lines(&with_item("user_preferences", item));
    assert_eq!(found, ["resume 106540352242922 of 16505551234 at 1767225600"]);
    for value in ["RESUME", "resume ", "start", ""] {
        let found = read_lines(&with_item("user_preferences", preference(value)));
        assert_eq!(found, ["ignored 1 unknown_preference"], "{value}");
    }
}

#[test]
fn a_change_of_ids_with_a_doubtful_part_is_unreadable() {
    let path = "entry[0].changes[0].value.messages[0]";
    for (field, value, place) in [
        ("from", json!("abc"), "from is malformed"),
        ("timestamp", json!("now"), "timestamp is malformed"),
        ("timestamp", json!(null), "timestamp is missing"),
        ("wa_id", json!("abc"), "system.wa_id is malformed"),
        ("wa_id", json!(null), "system.wa_id is missing"),
        ("wa_id", json!("+1 650 555 1234"), "system.wa_id contradicts another field"),
        ("new_wa_id", json!("12195555359"), "system.new_wa_id contradicts another field"),
        ("customer", json!("12195555359"), "system.customer contradicts another field"),
        ("user_id", json!("5550"), "system.user_id is malformed"),
        ("user_id", json!("US.1349"), "system.user_id contradicts another field"),
        ("previous_user_id", json!(true), "system.previous_user_id is malformed"),
    ] {
        let mut item = number_change();
        match field {
            "from" | "timestamp" => item[field] = value.clone(),
            _ => item["system"][field] = value.clone(),
        }
        let found = read_lines(&with_item("messages", item));
        assert_eq!(found, [format!("{path}.{place}")], "{field} {value}");
    }
    let mut item = number_change();
    item["from"] = json!("");
    item["system"]["previous_user_id"] = json!("");
    let found = read_lines(&with_item("messages", item));
    assert_eq!(found, [format!("{path}.from is missing")]);
    // A short form of a Brazilian number and the long one are one number.
    let mut item = number_change();
    item["from"] = json!("552187654321");
    item["system"]["wa_id"] = json!("5521987654321");
    let found = read_lines(&with_item("messages", item));
    assert_eq!(found, [format!("{path}.system.wa_id contradicts another field")]);
}

#[test]
fn the_old_number_of_a_user_id_change_is_not_guessed() {
    let mut item = number_change();
    item["system"]["type"] = json!("user_changed_user_id");
    let found = read_lines(&with_item("messages", item.clone()));
    assert_eq!(found, ["user id US.1349 is US.5550 of 12195555358 at 1767225600 by wamid.S"]);
    item["system"]["previous_user_id"] = json!(null);
    let found = read_lines(&with_item("messages", item));
    let path = "entry[0].changes[0].value.messages[0]";
    assert_eq!(found, [format!("{path}.system.previous_user_id is missing")]);
}

#[test]
fn of_repeated_names_an_objection_takes_all_and_a_permission_none() {
    let item =
        r#""category": "marketing_messages", "timestamp": 1767225600, "wa_id": "16505551234""#;
    let payload = |root: &str, change: &str, metadata: &str, item: &str| {
        format!(
            r#"{{"object": "whatsapp_business_account", {root} "entry": [{{"changes": [{{
                "field": "user_preferences", {change} "value": {{
                    "metadata": {{"phone_number_id": "1", {metadata} "x": 1}},
                    "user_preferences": [{{{item}}}]}}}}]}}]}}"#
        )
    };
    let path = "entry[0].changes[0].value.user_preferences[0]";
    let repeated = format!("{path} has a repeated name, so it has two meanings");
    let found = |payload: String| lines(&read(payload));
    for (payload, expected) in [
        (
            payload("", "", "", &format!(r#"{item}, "value": "stop", "value": "resume""#)),
            vec!["stop 1 of 16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "resume", "value": "stop""#)),
            vec!["stop 1 of 16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "stop", "wa_id": "12195555358""#)),
            vec!["stop 1 of 12195555358+16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "stop", "timestamp": 1767225601"#)),
            vec!["stop 1 of 16505551234 at ?".to_owned()],
        ),
        (
            payload("", "", r#""phone_number_id": "2","#, &format!(r#"{item}, "value": "stop""#)),
            vec!["stop all of 16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "resume", "wa_id": "16505551234""#)),
            vec![repeated.clone()],
        ),
        (
            payload(
                "",
                r#""field": "user_preferences","#,
                "",
                &format!(r#"{item}, "value": "resume""#),
            ),
            vec![repeated.clone()],
        ),
        (
            payload(r#""object": "page","#, "", "", &format!(r#"{item}, "value": "resume""#)),
            vec![repeated],
        ),
        (
            payload("", "", r#""phone_number_id": "2","#, &format!(r#"{item}, "value": "resume""#)),
            vec![format!("{path} does not tell which of the business's numbers it is about")],
        ),
    ] {
        assert_eq!(found(payload.clone()), expected, "{payload}");
    }
}

#[test]
fn a_repeated_type_does_not_hide_a_stop_word() {
    let payload = r#"{"object": "whatsapp_business_account", "entry": [{"changes": [{
        "field": "messages", "value": {"messages": [{"from": "16505551234", "id": "wamid.1",
        "timestamp": "1767225600", "type": "system", "type": "text", "text": {"body": "stop"}}]}}]}]}"#;
    assert_eq!(
        lines(&read(payload)),
        ["word \"STOP\" of 16505551234 at 1767225600 by wamid.1", "ignored 1 system_message",]
    );
}

#[test]
fn outside_what_meta_documents_only_objections_are_taken() {
    let value = json!({
        "metadata": {"phone_number_id": "1"},
        "contacts": [{"wa_id": "16505551234", "user_id": "US.1349"}],
        "user_preferences": [preference("stop"), preference("resume")],
        "messages": [number_change()],
    });
    let expected = ["stop 1 of 16505551234+US.1349 at 1767225600", "ignored 4 elsewhere"];
    let mut payloads = vec![with_value("standby", value.clone())];
    for object in [json!("page"), json!(null), json!(["whatsapp_business_account"])] {
        let mut payload = with_value("user_preferences", value.clone());
        payload["object"] = object;
        payloads.push(payload);
    }
    for payload in payloads {
        assert_eq!(read_lines(&payload), expected, "{payload}");
    }
}

#[test]
fn contacts_are_paired_only_through_a_message_of_theirs() {
    let contact = |phone: &str, user: &str| json!({"wa_id": phone, "user_id": user});
    let found = |contacts: Value, item: Value| {
        let value = json!({"contacts": contacts, "messages": [item]});
        read_lines(&with_value("messages", value))
    };
    let message = |from: &str, user: &str| {
        json!({
            "from": from, "from_user_id": user, "id": "wamid.M", "timestamp": "1767225600",
            "type": "text", "text": {"body": "Hello"},
        })
    };
    let (ana, bo) = (contact("5521987654321", "BR.1"), contact("16505551234", "US.1"));
    let pair = "pair 5521987654321+BR.1 at 1767225600 by wamid.M";
    let contradiction = ["ignored 1 message", "ignored 1 contradictory_contact"];
    for (contacts, from, user, expected) in [
        (json!([ana, bo]), "5521987654321", "BR.1", &[pair, "ignored 1 message"][..]),
        // Through either id, and in the other form of the number.
        (json!([ana]), "552187654321", "", &[pair, "ignored 1 message"]),
        (json!([ana, ana]), "", "BR.1", &[pair, "ignored 1 message"]),
        (json!([ana]), "16505551234", "US.1", &["ignored 1 message"]),
        (json!([contact("", "BR.1")]), "5521987654321", "BR.1", &["ignored 1 message"]),
        (json!([contact("x", "BR.1")]), "5521987654321", "BR.1", &["ignored 1 message"]),
        (json!([ana]), "5521987654321", "BR.2", &contradiction),
        (json!([ana]), "16505551234", "BR.1", &contradiction),
        (json!([ana, bo]), "5521987654321", "US.1", &contradiction),
        (json!([ana, contact("5521987654321", "BR.2")]), "5521987654321", "BR.1", &contradiction),
        (json!([ana, contact("16505551234", "BR.1")]), "5521987654321", "", &contradiction),
        (
            json!([ana]),
            "5521987654321",
            "?",
            &["ignored 1 message", "ignored 1 unreadable_contact"],
        ),
    ] {
        let payload = found(contacts.clone(), message(from, user));
        assert_eq!(payload, expected, "{contacts} {from} {user}");
    }
    let mut undated = message("5521987654321", "BR.1");
    undated["timestamp"] = json!("1767225600000");
    assert_eq!(found(json!([ana]), undated), ["ignored 1 message", "ignored 1 unreadable_contact"]);
}

#[test]
fn a_stop_names_the_contact_by_both_ids() {
    let value = |item: Value| {
        let contacts = json!([{"wa_id": "16505551234", "user_id": "US.1349"}]);
        json!({"metadata": {"phone_number_id": "1"}, "contacts": contacts, "user_preferences": [item]})
    };
    let mut item = preference("stop");
    item["user_id"] = json!(null);
    let found = read_lines(&with_value("user_preferences", value(item)));
    assert_eq!(
        found,
        ["pair 16505551234+US.1349 at 1767225600", "stop 1 of 16505551234+US.1349 at 1767225600",]
    );
    // A resume does not.
    let mut item = preference("resume");
    item["user_id"] = json!(null);
    let found = read_lines(&with_value("user_preferences", value(item)));
    assert_eq!(found[1], "resume 1 of 16505551234 at 1767225600");
}

#[test]
fn without_stop_words_no_message_is_an_objection() {
    for name in ["message_text", "message_button", "message_interactive"] {
        let webhook = parse(sample(name).as_bytes(), &StopWords::default()).expect("a webhook");
        let words = webhook.actions().filter(|action| matches!(action, Action::OptOutWord { .. }));
        assert_eq!(words.count(), 0, "{name}");
    }
}

#[test]
fn an_edited_message_may_become_an_objection() {
    let edit = json!({"original_message_id": "wamid.O", "message": {"type": "text", "text": {"body": "Stop"}}});
    let item = json!({
        "from": "16505551234", "id": "wamid.E", "timestamp": "1767225600", "type": "edit", "edit": edit,
    });
    let found = read_lines(&with_item("messages", item));
    assert_eq!(found, ["word \"STOP\" of 16505551234 at 1767225600 by wamid.E"]);
}

#[test]
fn bytes_that_are_no_text_do_not_cost_an_objection() {
    let payload = sample("preference_stop").as_bytes();
    let at = payload.windows(10).position(|bytes| bytes == b"Ana Souza\"").expect("the name");
    let mut broken = payload.to_vec();
    broken[at + 1] = 0xFF;
    assert_eq!(lines(&read(&broken)), lines(&read(payload)));
}

#[test]
fn what_is_no_webhook_is_refused() {
    let words = stop_words();
    for (payload, error) in [
        ("", WebhookError::NotJson { line: 1, column: 0 }),
        ("{\"entry\": [", WebhookError::NotJson { line: 1, column: 11 }),
        ("{\"entry\": []} x", WebhookError::NotJson { line: 1, column: 15 }),
        ("{\"entry\": [\"\0\"]}", WebhookError::NotJson { line: 1, column: 12 }),
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
    assert_eq!(refused(&large), "the payload has 262157 bytes and may have 262144");
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
fn debug_output_and_errors_name_nobody() {
    for (name, payload) in SAMPLES {
        let webhook = read(payload);
        let told = format!("{webhook:?}{:?}", lines(&Webhook::default()));
        for personal in
            ["6505551234", "21955553", "87654321", "1349", "1A2B", "wamid", "Sheena", "Ana"]
        {
            assert!(!told.contains(personal), "{name} tells {personal}: {told}");
        }
    }
}

#[test]
fn every_sample_file_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/domain/webhook/samples");
    assert_eq!(std::fs::read_dir(folder).expect("samples").count(), SAMPLES.len());
}

#[test]
fn message_ids_are_visible_ascii() {
    assert!(MessageId::parse(&"w".repeat(256)).is_some());
    for id in ["", "a b", "é", "a\0", &"w".repeat(257)] {
        assert_eq!(MessageId::parse(id), None);
    }
}

/// Ids of one kind, for the properties.
fn is_id(text: &str) -> bool {
    PhoneNumber::parse(text).is_ok() || WhatsAppUserId::parse(text).is_ok()
}
