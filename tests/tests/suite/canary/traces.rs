//! Further traces that the erased people left: numbers that they lost, changed, or had before they were
//! contacts; merges; and requests, webhooks and exports, which are sent again after the erasure.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use contacts_sdk::{
    ChunkResult, Error, Evidence, ImportConsent, ImportOptions, ImportRow, MessageCategory,
    NewContact, OnConflict, OptInSource, PlatformPreference, Recipient, WebhookOutcome,
};
use contacts_service::store::sqlite::Access;
use contacts_service::{erasures, ledger_export};
use contacts_tests::{TestApp, contains};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PHONES, WORD, person, phone, stays, text, user};

/// How many of the people lead such a life.
pub const LIVES: usize = 96;
const MARKETING: MessageCategory = MessageCategory::Marketing;

/// Words by which a trace is found before the erasure, and the column it is in.
pub const TRACES: [(&str, &str); 17] = [
    ("profile", "contact.record"),
    ("ext", "external_id.external_id"),
    ("outreleased", "opt_in_event_detail_pack.details"),
    ("outbefore", "opt_in_event_detail_pack.details"),
    ("outclaimed", "opt_in_event_detail_pack.details"),
    ("outalso", "opt_in_event_detail_pack.details"),
    ("outmerged", "opt_in_event_detail_pack.details"),
    ("outuser", "opt_in_event_detail_pack.details"),
    ("carriedmessage", "opt_in_event_detail_pack.details"),
    ("stopmessage", "opt_in_event_detail_pack.details"),
    ("wamid", "opt_in_event_detail_pack.details"),
    ("movedwamid", "opt_in_event_detail_pack.details"),
    ("importwording", "opt_in_event_detail_pack.details"),
    ("importurl", "opt_in_event_detail_pack.details"),
    ("mergedext", "external_id.external_id"),
    ("mergedname", "stored_response.response"),
    ("newuser", "consent.match_key"),
];

/// When numbers change: the same when it is told again, and after the contacts were created, within
/// what clocks may differ.
static MOVED: LazyLock<String> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    (now.as_secs() + 240).to_string()
});

/// A number that the person has beside the first one.
fn second(n: usize) -> String {
    let prefix = if stays(n) { "4917100" } else { PHONES };
    format!("{prefix}1{n:06}")
}

fn new_user(n: usize) -> String {
    format!("DE.{}", text(n, "newuser"))
}

/// The name by which a person is found whatever became of their numbers.
pub fn name(n: usize) -> Recipient {
    Recipient::external_id(text(n, "ext"))
}

/// A request_id that is the same when the request is sent again.
fn id(n: usize, request: u64) -> String {
    Uuid::from_u64_pair(0x0192_0c5e_7b1a_7c3d, 0x8000_0000_0000_0000 | (request << 32) | n as u64)
        .to_string()
}

/// What happens to a person after they were created, by their number.
pub async fn live(app: &TestApp, n: usize) -> Result<(), Error> {
    let (contacts, opt_in) = (app.contacts(), app.opt_in());
    for kept in [text(n, "profileext"), text(n, "ext")] {
        contacts.update(Recipient::phone(phone(n))).external_id(kept).await?;
    }
    let look = opt_in.check(name(n), MARKETING).receipt().await?;
    assert!(look.receipt.is_some());
    match n % 6 {
        // The number was released, after something was said under it.
        0 => {
            contacts.link_identity(name(n)).phone(second(n)).request_id(id(n, 1)).await?;
            say_no(app, n).await?;
            contacts.link_identity(name(n)).release(phone(n)).request_id(id(n, 3)).await?;
        }
        // A number, under which somebody objected before, was theirs for a while.
        1 => {
            say_no(app, n).await?;
            contacts.link_identity(name(n)).phone(second(n)).await?;
            let out = opt_in.record_opt_out(second(n)).reason_text(text(n, "outclaimed"));
            out.await?;
            contacts.link_identity(name(n)).phone(phone(n)).release(second(n)).await?;
        }
        // Two contacts were one person, and one more number was released.
        2 => {
            let other = NewContact::new().phone(second(n)).external_id(text(n, "mergedext"));
            let other = other.first_name(text(n, "mergedname")).email(mail(n));
            contacts.create(other).request_id(id(n, 1)).await?;
            say_no(app, n).await?;
            contacts.merge(name(n), second(n)).request_id(id(n, 3)).await?;
            contacts.link_identity(name(n)).release(second(n)).await?;
        }
        // Objections that name several ids at once, of which one was nobody's.
        3 => {
            say_no(app, n).await?;
            let stop = opt_in.record_platform_preference(name(n), PlatformPreference::Stop);
            let said = Evidence::new().message_id(text(n, "stopmessage"));
            let stop = stop.also(second(n)).sender_phone_number_id("42").evidence(said);
            stop.request_id(id(n, 3)).await?;
            let said = Evidence::new().message_id(text(n, "carriedmessage"));
            let link = contacts.link_identity(name(n)).phone(second(n));
            link.carry_opt_in(OptInSource::Platform, said).request_id(id(n, 4)).await?;
        }
        // Imports, with a row that fails and whose opt-out counts all the same.
        4 => {
            let failures = import(app, n).await?.failures;
            assert_eq!(failures.len(), 1);
        }
        // Webhooks, of a new number and user id, and words that nothing is made of.
        _ => {
            let report = app.webhooks().ingest(moved(n)).await?;
            let mut results = report.results.iter();
            let is_linked = results.any(|result| result.outcome == WebhookOutcome::Linked);
            assert!(is_linked, "{report:?}");
            say_no(app, n).await?;
            contacts.link_identity(name(n)).release(user(n)).await?;
        }
    }
    contacts.export_data(name(n)).await.map(drop)
}

fn mail(n: usize) -> String {
    format!("{}@example.com", text(n, "mergedmail"))
}

/// The person objects, in words, under the identity that their life is about.
async fn say_no(app: &TestApp, n: usize) -> Result<(), Error> {
    let opt_in = app.opt_in();
    let (who, what) = match n % 6 {
        0 => (Recipient::phone(phone(n)), "outreleased"),
        1 => (Recipient::phone(second(n)), "outbefore"),
        2 => (Recipient::phone(second(n)), "outmerged"),
        3 => (Recipient::phone(phone(n)), "outalso"),
        _ => (Recipient::whatsapp_user_id(user(n)), "outuser"),
    };
    let mut out = opt_in.record_opt_out(who).reason_text(text(n, what));
    if n % 6 == 3 {
        out = out.also(second(n)).also(Recipient::whatsapp_user_id(user(n)));
    }
    out.request_id(id(n, 2)).await.map(drop)
}

/// One row of the person, and one that says that they are somebody else's contact.
async fn import(app: &TestApp, n: usize) -> Result<ChunkResult, Error> {
    let said = |wording| {
        let evidence = Evidence::new().wording(text(n, wording)).url(text(n, "importurl"));
        ImportConsent::opted_out().evidence(evidence).occurred_time(SystemTime::UNIX_EPOCH)
    };
    let mine = person(n).last_name(text(n, "profileimported"));
    // The external id is that of this person, and cannot be another one.
    let other = NewContact::new().phone(phone(n)).external_id(text(n, "otherext"));
    let rows = [
        ImportRow::new(mine).consent(said("importwording")),
        ImportRow::new(other).consent(said("otherwording")),
    ];
    let options = ImportOptions::new().on_conflict(OnConflict::Merge);
    app.contacts().batch_upsert(rows).options(options).request_id(id(n, 1)).await
}

/// A number changed, told with names and texts.
fn moved(n: usize) -> String {
    let system = json!({"type": "user_changed_number", "wa_id": second(n), "user_id": new_user(n),
        "previous_user_id": user(n), "body": text(n, "body")});
    let message = |kind: &str, content: Value| {
        json!({"from": phone(n), "id": text(n, &format!("{kind}wamid")), "timestamp": *MOVED,
            "type": kind, kind: content})
    };
    let changed = json!({"from": phone(n), "id": text(n, "movedwamid"), "timestamp": *MOVED,
        "type": "system", "system": system});
    json!({"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages",
        "value": {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "42"},
        "contacts": [{"profile": {"name": text(n, "display")}, "wa_id": phone(n),
            "user_id": user(n)}],
        "messages": [message("text", json!({"body": text(n, "hello")})), changed]}}]}]})
    .to_string()
}

/// What others do again after the erasure, without knowing of it. Nothing of it brings a word back.
pub async fn again(app: &TestApp, n: usize) {
    if n.is_multiple_of(4) {
        app.webhooks().ingest(super::webhook(n)).await.expect("a webhook");
    }
    match n % 6 {
        4 => drop(import(app, n).await),
        5 => drop(app.webhooks().ingest(moved(n)).await.expect("a webhook")),
        _ => {}
    }
    if n % 6 != 4 {
        say_no(app, n).await.expect("an objection that is sent again");
    }
    for who in [Recipient::phone(phone(n)), Recipient::phone(second(n)), name(n)] {
        let check = app.opt_in().check(who, MARKETING).receipt().await.expect("a check");
        assert!(!check.is_allowed());
    }
}

/// What the service tells of everybody after the erasure: in exports of the ledger, lists of erasures and
/// events, and data of persons.
pub async fn told(app: &TestApp, gone: &[usize]) -> String {
    let store = app.open_store(Access::Read).await;
    let mut lines = Vec::new();
    let exported = ledger_export::export(&store, "", 0, |line| lines.push(line)).await;
    exported.expect("an export");
    let failed = |_: &str, error| panic!("{error}");
    let listed =
        erasures::list(&store, None, Default::default(), |line| lines.push(line), failed).await;
    listed.expect("the erasures");
    store.close().await;
    for n in gone.iter().filter(|n| **n < LIVES) {
        for number in [phone(*n), second(*n)] {
            let events = app.opt_in().events(&number).await.expect("events").items;
            lines.extend(events.iter().map(|event| format!("{event:?}")));
            if let Ok(data) = app.contacts().export_data(&number).await {
                lines.push(format!("{data:?}"));
            }
        }
    }
    lines.join("\n")
}

/// Panics if a trace is not there before the erasure: then it would not be looked for.
pub async fn assert_left(app: &TestApp) {
    let dump = app.database().dump().await;
    for (word, column) in TRACES {
        let found = dump.iter().filter(|found| found.name == column);
        let mut found = found.filter(|found| contains(&found.bytes, &format!("{WORD}{word}")));
        assert!(found.next().is_some(), "no {word} in {column}");
    }
}
