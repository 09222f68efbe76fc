//! Erases a thousand contacts with recognisable texts in every field, and searches all tables and files
//! for them. No import makes them opted in again.

mod traces;

use std::path::{Path, PathBuf};
use std::time::Duration;

use contacts_sdk::{
    Evidence, ImportConsent, ImportOptions, MessageCategory, NewContact, OnConflict, OptInSource,
    Recipient,
};
use contacts_service::store::sqlite::Access;
use contacts_tests::{Backend, TestApp, apply, contains, logged, on_each_store};
use futures::stream::{self, StreamExt};
use sqlx::Executor;
use uuid::Uuid;

const ERASED: usize = 1000;
/// One of this many contacts is not erased.
const STAYS: usize = 7;
const AT_ONCE: usize = 16;

/// A word in every text of the erased contacts.
const WORD: &str = "zqxgone";
const PHONES: &str = "4917299";

fn phone(n: usize) -> String {
    let prefix = if stays(n) { "4917100" } else { PHONES };
    format!("{prefix}{n:06}")
}

fn stays(n: usize) -> bool {
    n.is_multiple_of(STAYS)
}

fn text(n: usize, what: &str) -> String {
    let word = if stays(n) { "kept" } else { WORD };
    format!("{word}{what}{n:06}")
}

fn user(n: usize) -> String {
    format!("DE.{}", text(n, "user"))
}

fn person(n: usize) -> NewContact {
    NewContact::new()
        .phone(phone(n))
        .whatsapp_user_id(user(n))
        .first_name(text(n, "first"))
        .last_name(text(n, "last"))
        .email(format!("{}@example.com", text(n, "mail")))
        .attribute("city", &*text(n, "city"))
}

fn evidence(n: usize) -> Evidence {
    Evidence::new()
        .wording(text(n, "wording"))
        .business_name(text(n, "business"))
        .url(text(n, "url"))
        .message_id(text(n, "message"))
        .actor(text(n, "actor"))
}

/// A stop of a person, by a message whose id names them.
fn webhook(n: usize) -> String {
    serde_json::json!({"entry": [{"changes": [{"field": "messages", "value": {
        "contacts": [{"profile": {"name": text(n, "profile")}, "wa_id": phone(n),
            "user_id": user(n)}],
        "statuses": [{"id": text(n, "wamid"), "recipient_id": phone(n), "timestamp": "1767225600",
            "errors": [{"code": 131_050, "title": text(n, "title")}]}]}}]}]})
    .to_string()
}

/// Creates all contacts, with consent and stored responses.
async fn fill(app: &TestApp, people: usize) {
    app.make_attributes().await;
    // Some opted out before they were contacts.
    let before = |n: usize| async move {
        let id = Uuid::new_v4().to_string();
        let out = app.opt_in().record_opt_out(phone(n)).reason_text(text(n, "said"));
        out.request_id(id).await.expect("an opt-out");
    };
    stream::iter((0..people).filter(|n| n.is_multiple_of(5)))
        .for_each_concurrent(AT_ONCE, before)
        .await;
    let each = |n: usize| async move {
        let id = || Uuid::new_v4().to_string();
        let made = app.contacts().create(person(n)).request_id(id()).await.expect("a contact");
        let agree = app.opt_in().record_opt_in(&made, OptInSource::WebForm).evidence(evidence(n));
        agree.request_id(id()).await.expect("an opt-in");
        // Updates move their rows within the tables.
        let longer = format!("{} {}", text(n, "longer"), "x".repeat(n % 60));
        let update = app.contacts().update(&made).last_name(longer).request_id(id());
        update.await.expect("a contact");
        if n.is_multiple_of(4) {
            let told = app.webhooks().ingest(webhook(n)).await.expect("a webhook");
            assert_eq!(told.counts.recorded, 1);
        }
        if n.is_multiple_of(3) {
            let out = app.opt_in().record_opt_out(&made).reason_text(text(n, "said"));
            out.request_id(id()).await.expect("an opt-out");
        }
        if n < traces::LIVES {
            traces::live(app, n).await.expect("a life");
        }
    };
    stream::iter(0..people).for_each_concurrent(AT_ONCE, each).await;
}

#[apply(on_each_store!)]
async fn erased_data_is_in_no_table_and_no_file(app: TestApp) {
    let people = ERASED * STAYS / (STAYS - 1);
    fill(&app, people).await;
    let gone: Vec<_> = (0..people).filter(|n| !stays(*n)).collect();
    for needle in [WORD, PHONES] {
        assert!(app.database().columns_with(needle).await.len() > 1, "{needle}");
    }
    traces::assert_left(&app).await;
    let erase = |n: usize| {
        let app = &app;
        let who = if n < traces::LIVES { traces::name(n) } else { Recipient::phone(phone(n)) };
        async move { drop(app.contacts().delete(who).await.expect("a receipt")) }
    };
    stream::iter(gone.clone()).for_each_concurrent(AT_ONCE, erase).await;
    nothing_is_left(&app, "erased").await;
    let again = |n: usize| traces::again(&app, n);
    let lives = gone.iter().copied().filter(|n| *n < traces::LIVES);
    stream::iter(lives).for_each_concurrent(AT_ONCE, again).await;
    nothing_is_left(&app, "sent again").await;

    match app.backend() {
        Backend::Sqlite => no_file_has_it(&app).await,
        Backend::Postgres => no_data_file_has_it(&app).await,
    }
    let told = traces::told(&app, &gone).await;
    assert!(told.contains("kept"), "nothing is told");
    assert!(!told.contains(WORD) && !told.contains(PHONES), "an export names somebody");
    let observed =
        [("log", logged()), ("metrics", app.metrics().await), ("audit log", app.audit_log())];
    for (what, text) in observed {
        let text = text.to_lowercase();
        assert!(text.contains("contactservice/deletecontact"), "the {what} has nothing");
        assert!(!text.contains(WORD) && !text.contains(PHONES), "the {what} names somebody");
    }
    assert_eq!(app.contacts().count().await.expect("a count"), (people - gone.len()) as u64);

    // An import claims consent for them.
    for claims in [true, false, true] {
        let rows: Vec<_> = gone.iter().map(|n| person(*n)).collect();
        let options = ImportOptions::new().on_conflict(OnConflict::Merge);
        let options = if claims { options.consent(ImportConsent::opted_in()) } else { options };
        let outcome = app.contacts().import(options).send(rows).await.expect("an import");
        assert_eq!(outcome.failed as usize, if claims { gone.len() } else { 0 });
        let numbers: Vec<_> = gone.iter().map(|n| phone(*n)).collect();
        let checks = app.opt_in().check_batch(&numbers, MessageCategory::Marketing).await;
        assert_eq!(checks.expect("answers").allowed_indexes().count(), 0);
    }
}

async fn nothing_is_left(app: &TestApp, when: &str) {
    // Until they are rewritten: the first words of pages of the name index, and samples.
    let until_rewritten =
        |name: &String| name == "name_search_idx.term" || name.starts_with("pg_stats.");
    for needle in [WORD, PHONES] {
        let mut found = app.database().columns_with(needle).await;
        // Of thousands of times in microseconds, one has the digits of the numbers now and then.
        found.retain(|name| !until_rewritten(name) && !name.ends_with("_time"));
        assert_eq!(found, Vec::<String>::new(), "{needle}, {when}");
    }
}

/// The server vacuums a large file once a day, or by command.
async fn no_file_has_it(app: &TestApp) {
    let store = app.open_store(Access::Write).await;
    store.vacuum(true).await.expect("a vacuum");
    store.close().await;
    let path = app.database().path().to_owned();
    let log = PathBuf::from(format!("{}-wal", path.display()));
    for _ in 0..600 {
        if named_in(&path) + named_in(&log) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("after a minute {} and {} name somebody", named_in(&path), named_in(&log));
}

/// Runs VACUUM FULL with ANALYZE, then a second vacuum that removes the planner's older samples. The
/// write-ahead log is not searched: it keeps old data until Postgres recycles it.
async fn no_data_file_has_it(app: &TestApp) {
    let mut db = app.database().connect().await;
    let folder: String = sqlx::query_scalar(
        "SELECT current_setting('data_directory') || '/base/' || oid
             FROM pg_database WHERE datname = current_database()",
    )
    .fetch_one(&mut db)
    .await
    .expect("a folder");
    let mut left = Vec::new();
    // A vacuum keeps rows that an open transaction could still see, such as one of autovacuum.
    for _ in 0..10 {
        for statement in ["VACUUM (FULL, ANALYZE)", "VACUUM FULL pg_statistic", "CHECKPOINT"] {
            db.execute(statement).await.expect(statement);
        }
        let files = std::fs::read_dir(&folder).expect("the server's files");
        let files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        assert!(files.len() > 100, "{}", files.len());
        left = files.into_iter().filter(|file| named_in(file) > 0).collect();
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{left:?} name somebody");
}

/// The number of search texts that a file contains.
fn named_in(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap_or_default().to_ascii_lowercase();
    [WORD, PHONES].into_iter().filter(|needle| contains(&bytes, needle)).count()
}
