mod limits;
mod objections;
mod permissions;
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

/// Ids of one kind, for the properties.
fn is_id(text: &str) -> bool {
    PhoneNumber::parse(text).is_ok() || WhatsAppUserId::parse(text).is_ok()
}
