use chrono::SecondsFormat;
use contacts_proto::receipt::VerifiedReceipt;
use contacts_proto::{Timestamp, v1};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::domain::Time;

/// What a receipt states, as JSON with the names of the contract. Fields that are not set are left
/// out. The hashes of the recipients are, too: ask [`VerifiedReceipt::is_about`].
pub fn to_json(receipt: &VerifiedReceipt) -> Value {
    let v1::DecisionStatement {
        key_id: _,
        workspace_id,
        recipient_hashes: _,
        salt_hash: _,
        category,
        sender_phone_number_id,
        as_of_time,
        decision,
        reason,
        contact_id,
        identity_id,
        event_id,
        consent_time,
        check_time,
    } = &receipt.statement;
    let category_name = v1::MessageCategory::try_from(*category).map(|it| it.as_str_name());
    let decision_name = v1::Decision::try_from(*decision).map(|it| it.as_str_name());
    let reason_name = v1::CheckReason::try_from(*reason).map(|it| it.as_str_name());
    let fields = [
        ("key_id", Some(json!(receipt.key_id.to_string()))),
        ("workspace_id", Some(json!(workspace_id))),
        ("category", Some(name(category_name, "MESSAGE_CATEGORY_", *category))),
        ("sender_phone_number_id", text(sender_phone_number_id)),
        ("as_of_time", time(as_of_time.as_ref())),
        ("decision", Some(name(decision_name, "DECISION_", *decision))),
        ("reason", Some(name(reason_name, "CHECK_REASON_", *reason))),
        ("contact_id", id(contact_id)),
        ("identity_id", id(identity_id)),
        ("event_id", id(event_id)),
        ("consent_time", time(consent_time.as_ref())),
        ("check_time", time(check_time.as_ref())),
    ];
    let set = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(set.collect::<Map<_, _>>())
}

/// The short name of an enum's value; the number of one that this version does not know.
fn name<E>(name: Result<&'static str, E>, prefix: &str, number: i32) -> Value {
    name.map_or(json!(number), |name| json!(name.strip_prefix(prefix).unwrap_or(name)))
}

fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!(text))
}

fn id(bytes: &[u8]) -> Option<Value> {
    Uuid::from_slice(bytes).ok().map(|id| json!(id.to_string()))
}

fn time(timestamp: Option<&Timestamp>) -> Option<Value> {
    let Timestamp { seconds, nanos } = *timestamp?;
    let time = Time::from_timestamp(seconds, nanos.try_into().ok()?)?;
    Some(json!(time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
}
