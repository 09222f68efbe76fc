//! Record what people tell WhatsApp itself: reads the webhooks Meta sends and records who stopped or
//! resumed marketing.
//!
//! ```sh
//! cargo run --example webhook -- http://127.0.0.1:50051 < examples/data/webhook-user-preferences.json
//! ```
//!
//! In your own endpoint, check the webhook's signature first (`X-Hub-Signature-256`), call `record`
//! with the body, and answer 200 only after it returned Ok: Meta sends what was not answered again.

use std::error::Error;
use std::time::{Duration, SystemTime};

use contacts_sdk::{ContactsClient, Evidence, PlatformPreference, Recipient};
use serde_json::Value;
use uuid::Uuid;

/// "The recipient has chosen to stop receiving marketing messages from your business."
///
/// The one error of a message that tells of consent. 131047 (the 24 hours are over), 131049 and 130472
/// (WhatsApp sends this person no more marketing now) say nothing of what the person wants.
const STOPPED_MARKETING: i64 = 131_050;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let client = ContactsClient::builder(server).connect().await?;
    let body: Value = serde_json::from_reader(std::io::stdin())?;
    println!("{} recorded", record(&client, &body).await?);
    Ok(())
}

/// Records all that a webhook tells of preferences, and counts it. The same webhook again changes
/// nothing.
async fn record(client: &ContactsClient, body: &Value) -> Result<usize, Box<dyn Error>> {
    let said = said(body);
    for Said { person, preference, sender, when, message_id, request_id } in &said {
        let mut record = client
            .opt_in()
            .record_platform_preference(person, *preference)
            .sender_phone_number_id(*sender)
            .evidence(Evidence::new().message_id(*message_id))
            .request_id(request_id.to_string());
        if let Some(when) = when {
            record = record.occurred_time(*when);
        }
        record.await?;
    }
    Ok(said.len())
}

/// One thing a person told WhatsApp.
struct Said<'b> {
    person: Recipient,
    preference: PlatformPreference,
    /// The number of the business's it is about.
    sender: &'b str,
    when: Option<SystemTime>,
    /// Empty in a `user_preferences` webhook, which is of no message.
    message_id: &'b str,
    request_id: Uuid,
}

/// Finds what is known and passes over the rest: Meta adds fields and kinds of webhooks.
fn said(body: &Value) -> Vec<Said<'_>> {
    let mut said = Vec::new();
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
            said.extend(Said::new(stated, ["wa_id", "user_id"], preference, sender, ""));
        }
        for status in list(value, "statuses") {
            let stopped = |error: &Value| error["code"].as_i64() == Some(STOPPED_MARKETING);
            if list(status, "errors").iter().any(stopped) {
                let names = ["recipient_id", "recipient_user_id"];
                let message_id = status["id"].as_str().unwrap_or_default();
                said.extend(Said::new(status, names, PlatformPreference::Stop, sender, message_id));
            }
        }
    }
    said
}

impl<'b> Said<'b> {
    /// `names` are the fields of a phone number and of a business-scoped user id. None if neither is
    /// there.
    fn new(
        stated: &'b Value,
        names: [&str; 2],
        preference: PlatformPreference,
        sender: &'b str,
        message_id: &'b str,
    ) -> Option<Self> {
        let [phone, user_id] = names.map(|name| stated[name].as_str().filter(|id| !id.is_empty()));
        let person = match (phone, user_id) {
            // The phone number says who it is when both are sent.
            (Some(phone), _) => Recipient::phone(phone),
            (None, Some(user_id)) => Recipient::whatsapp_user_id(user_id),
            (None, None) => return None,
        };
        // A number in some webhooks, text in others.
        let time = &stated["timestamp"];
        let seconds = time.as_u64().or_else(|| time.as_str()?.parse().ok());
        // The same webhook makes the same id: sent again, it is recorded once.
        let name =
            [sender, message_id, phone.or(user_id)?, &time.to_string(), &format!("{preference:?}")];
        Some(Self {
            person,
            preference,
            sender,
            when: seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
            message_id,
            request_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.join("\n").as_bytes()),
        })
    }
}

fn list<'b>(value: &'b Value, field: &str) -> &'b [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}
