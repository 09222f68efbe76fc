//! Reads webhooks from Meta, and records which people stopped or resumed marketing messages in WhatsApp.
//!
//! ```sh
//! cargo run --example webhook -- http://127.0.0.1:50051 < examples/data/webhook-user-preferences.json
//! ```
//!
//! In your own endpoint, first verify the signature of the webhook (`X-Hub-Signature-256`). Then call
//! `record` with the body, and respond with 200 only if it returns `Ok`: Meta sends a webhook again until
//! it gets that response.

use std::error::Error;
use std::time::{Duration, SystemTime};

use contacts_sdk::{ContactsClient, Evidence, PlatformPreference, Recipient};
use serde_json::Value;
use uuid::Uuid;

/// "The recipient has chosen to stop receiving marketing messages from your business."
///
/// The only error of a message that is about consent. 131047 (the 24-hour window has closed), 131049 and
/// 130472 (WhatsApp limits marketing to this person) do not tell what the person wants.
const STOPPED_MARKETING: i64 = 131_050;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let client = ContactsClient::builder(server).connect().await?;
    let body: Value = serde_json::from_reader(std::io::stdin())?;
    println!("{} recorded", record(&client, &body).await?);
    Ok(())
}

/// Records all preferences in a webhook, and returns their number. Recording the same webhook twice has
/// no effect.
async fn record(client: &ContactsClient, body: &Value) -> Result<usize, Box<dyn Error>> {
    let changes = preference_changes(body);
    for change in &changes {
        let PreferenceChange {
            recipient,
            also,
            preference,
            sender,
            occurred,
            message_id,
            request_id,
        } = change;
        let mut record = client
            .opt_in()
            .record_platform_preference(recipient, *preference)
            .sender_phone_number_id(*sender)
            .evidence(Evidence::new().message_id(*message_id))
            .request_id(request_id.to_string());
        if let Some(occurred) = occurred {
            record = record.occurred_time(*occurred);
        }
        if let Some(also) = also {
            record = record.also(also);
        }
        record.await?;
    }
    Ok(changes.len())
}

/// A preference that a person set in WhatsApp.
struct PreferenceChange<'b> {
    recipient: Recipient,
    /// The other id of the person, if the webhook has both.
    also: Option<Recipient>,
    preference: PlatformPreference,
    /// Meta's id of the business's phone number that it applies to.
    sender: &'b str,
    occurred: Option<SystemTime>,
    /// Empty in a `user_preferences` webhook, which does not refer to a message.
    message_id: &'b str,
    request_id: Uuid,
}

/// Finds the preferences in a webhook. Ignores everything else, because Meta adds new fields and kinds.
fn preference_changes(body: &Value) -> Vec<PreferenceChange<'_>> {
    let mut found = Vec::new();
    for change in list(body, "entry").iter().flat_map(|entry| list(entry, "changes")) {
        let value = &change["value"];
        let sender = value["metadata"]["phone_number_id"].as_str().unwrap_or_default();
        for stated in list(value, "user_preferences") {
            if stated["category"] != "marketing_messages" {
                continue;
            }
            let preference = match stated["value"].as_str() {
                Some("stop") => PlatformPreference::Stop,
                Some("resume") => PlatformPreference::Resume,
                _ => continue,
            };
            found.extend(PreferenceChange::new(
                stated,
                ["wa_id", "user_id"],
                preference,
                sender,
                "",
            ));
        }
        for status in list(value, "statuses") {
            let stopped = |error: &Value| error["code"].as_i64() == Some(STOPPED_MARKETING);
            if list(status, "errors").iter().any(stopped) {
                let names = ["recipient_id", "recipient_user_id"];
                let message_id = status["id"].as_str().unwrap_or_default();
                found.extend(PreferenceChange::new(
                    status,
                    names,
                    PlatformPreference::Stop,
                    sender,
                    message_id,
                ));
            }
        }
    }
    found
}

impl<'b> PreferenceChange<'b> {
    /// `names` are the JSON fields of the phone number and the business-scoped user id. Returns `None` if
    /// both are missing.
    fn new(
        stated: &'b Value,
        names: [&str; 2],
        preference: PlatformPreference,
        sender: &'b str,
        message_id: &'b str,
    ) -> Option<Self> {
        let [phone, user_id] = names.map(|name| stated[name].as_str().filter(|id| !id.is_empty()));
        let user = user_id.map(Recipient::whatsapp_user_id);
        let (recipient, also) = match phone {
            Some(phone) => (Recipient::phone(phone), user),
            None => (user?, None),
        };
        // A number in some webhooks, and text in others.
        let time = &stated["timestamp"];
        let seconds = time.as_u64().or_else(|| time.as_str()?.parse().ok());
        // The same webhook always has the same id, so that it is recorded only once.
        let name =
            [sender, message_id, phone.or(user_id)?, &time.to_string(), &format!("{preference:?}")];
        Some(Self {
            recipient,
            also,
            preference,
            sender,
            occurred: seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
            message_id,
            request_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.join("\n").as_bytes()),
        })
    }
}

fn list<'b>(value: &'b Value, field: &str) -> &'b [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}
