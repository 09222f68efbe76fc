//! IngestWhatsAppWebhook: Meta's webhooks as they come.

mod hostile;
mod ids;
mod lives;
mod objections;
mod redelivery;
mod signature;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contacts_sdk::{
    CheckReason, Contact, MessageCategory, NewContact, OptInEventKind, OptInSource, Recipient,
    WebhookOutcome, WebhookReport, WebhookStatementKind,
};
use contacts_service::domain::Time;
use contacts_service::domain::error::Result;
use contacts_service::operations::lock_workspace;
use contacts_service::store::sqlite::Access;
use contacts_service::store::{
    Lock, Operation, Order, OrderBy, Selection, Transaction, decode_profile,
};
use contacts_tests::TestApp;
use serde_json::{Value, json};

const MARKETING: MessageCategory = MessageCategory::Marketing;

/// The business's numbers.
const SENDER: &str = "106540352242922";
const OTHER_SENDER: &str = "106540352242923";

pub(crate) const PHONE: &str = "16505551234";
pub(crate) const NEW_PHONE: &str = "12195555358";
pub(crate) const USER: &str = "US.13491208655302741918";
const NEW_USER: &str = "US.55501208655302741918";

/// Seconds since 1970, this many seconds ago.
pub(crate) fn ago(seconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    now - seconds
}

pub(crate) fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn phone_id(phone: &str) -> Recipient {
    Recipient::phone(phone)
}

fn user_id(user: &str) -> Recipient {
    Recipient::whatsapp_user_id(user)
}

/// A webhook with these changes, each in an entry of its own.
pub(crate) fn webhook(changes: impl IntoIterator<Item = Value>) -> Value {
    let entries = changes.into_iter().map(|change| json!({"id": "1022", "changes": [change]}));
    json!({"object": "whatsapp_business_account", "entry": entries.collect::<Vec<_>>()})
}

/// A change with one item in a list.
fn change(list: &str, item: Value) -> Value {
    change_of(list, &[item], &[])
}

fn change_of(list: &str, items: &[Value], contacts: &[Value]) -> Value {
    let field = if list == "user_preferences" { list } else { "messages" };
    json!({"field": field, "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": SENDER},
        "contacts": contacts,
        list: items,
    }})
}

fn preference(value: &str, phone: Option<&str>, user: Option<&str>, at: u64) -> Value {
    json!({
        "wa_id": phone,
        "user_id": user,
        "detail": "User requested to change marketing messages",
        "category": "marketing_messages",
        "value": value,
        "timestamp": at,
    })
}

/// A stop of the person who has both ids.
fn stop(at: u64) -> Value {
    change("user_preferences", preference("stop", Some(PHONE), Some(USER), at))
}

fn resume(at: u64) -> Value {
    change("user_preferences", preference("resume", Some(PHONE), Some(USER), at))
}

fn text(phone: &str, body: &str, at: u64) -> Value {
    json!({"from": phone, "id": format!("wamid.{phone}{at}"), "timestamp": at.to_string(),
        "type": "text", "text": {"body": body}})
}

/// A message of a person whom `contacts` names by both ids.
fn pair(phone: &str, user: &str, at: u64) -> Value {
    let contact = json!({"profile": {"name": "Sheena"}, "wa_id": phone, "user_id": user});
    change_of("messages", &[text(phone, "hello", at)], &[contact])
}

fn system(from: Option<&str>, system: Value, at: u64) -> Value {
    let message = json!({"from": from, "id": format!("wamid.system{at}"),
        "timestamp": at.to_string(), "type": "system", "system": system});
    change("messages", message)
}

pub(crate) fn number_changed(old: &str, new: &str, users: Option<(&str, &str)>, at: u64) -> Value {
    let (previous, user) = users.unzip();
    let body = json!({"type": "user_changed_number", "wa_id": new, "user_id": user,
        "previous_user_id": previous, "body": "User changed their number"});
    system(Some(old), body, at)
}

fn user_id_changed(previous: &str, new: &str, at: u64) -> Value {
    let body = json!({"type": "user_changed_user_id", "user_id": new,
        "previous_user_id": previous});
    system(None, body, at)
}

async fn ingest(app: &TestApp, payload: &Value) -> WebhookReport {
    app.webhooks().ingest(payload.to_string()).await.expect("a webhook")
}

/// Ingests one change, and returns what became of its statements.
async fn outcomes(app: &TestApp, change: Value) -> Vec<(WebhookStatementKind, WebhookOutcome)> {
    let report = ingest(app, &webhook([change])).await;
    report.results.iter().map(|result| (result.kind, result.outcome)).collect()
}

async fn reason_of(app: &TestApp, person: Recipient) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

async fn kinds(app: &TestApp, person: Recipient) -> Vec<OptInEventKind> {
    let events = app.opt_in().events(person).page_size(1000).await.expect("events").items;
    events.iter().map(|event| event.kind).collect()
}

/// A contact with the phone number, opted in.
async fn known_by_phone(app: &TestApp) -> Contact {
    opted_in(app, NewContact::new().phone(PHONE)).await
}

/// A contact with the user id alone, opted in.
async fn known_by_user(app: &TestApp) -> Contact {
    opted_in(app, NewContact::new().whatsapp_user_id(USER)).await
}

/// A contact with both ids, opted in.
async fn known_by_both(app: &TestApp) -> Contact {
    opted_in(app, NewContact::new().phone(PHONE).whatsapp_user_id(USER)).await
}

/// A contact that was there, and opted in, before the webhooks of a test were sent.
async fn opted_in(app: &TestApp, contact: NewContact) -> Contact {
    let contact = app.contacts().create(contact).await.expect("a contact");
    let record = app.opt_in().record_opt_in(&contact, OptInSource::WebForm);
    record.occurred_time(time(ago(3600))).await.expect("an opt-in");
    make_older(app, "default").await;
    contact
}

/// Has the contacts of a workspace created two hours earlier.
pub(crate) async fn make_older(app: &TestApp, workspace_id: &str) {
    let store = app.open_store(Access::Write).await;
    store.write(MakeOlder(workspace_id.to_owned())).await.expect("older contacts");
    store.close().await;
}

struct MakeOlder(String);

impl Operation for MakeOlder {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> Result<()> {
        let workspace = lock_workspace(tx, &self.0, Lock::Exclusive).await?;
        let all = Selection { filter: None, words: Vec::new(), now: Time::UNIX_EPOCH };
        let order = Order { by: OrderBy::CreateTime, descending: false };
        let page = tx.db.list_contacts(&workspace, &all, order, None, 1000).await?;
        let mut changes = Vec::new();
        for row in &page.rows {
            let before = decode_profile(row)?;
            let mut after = before.clone();
            after.create_time -= Duration::from_secs(7200);
            changes.push((before, after));
        }
        tx.db.update_contacts(&workspace, &changes).await
    }
}

/// Everything the database says of people: contacts, consent, the ledger. A redelivery changes none
/// of it.
async fn everything(app: &TestApp) -> Vec<(String, Vec<u8>)> {
    const TABLES: [&str; 8] = [
        "workspace.",
        "contact.",
        "consent.",
        "opt_in_event_pack.",
        "opt_in_event_detail_pack.",
        "opt_in_event_subject.",
        "opt_in_event_pointer.",
        "webhook_record.",
    ];
    let dump = app.database().dump().await;
    let dump = dump.into_iter().map(|column| {
        // Rows come in no order.
        let mut lines: Vec<_> = column.bytes.split(|byte| *byte == b'\n').collect();
        lines.sort_unstable();
        (column.name, lines.concat())
    });
    dump.filter(|(name, _)| TABLES.iter().any(|table| name.starts_with(table))).collect()
}
