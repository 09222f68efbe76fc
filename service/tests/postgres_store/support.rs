//! Databases, stores and contacts for the tests.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use contacts_service::domain::Time;
use contacts_service::domain::attribute::{AttributeDefinition, AttributeType};
use contacts_service::domain::consent::{
    ALL_SENDERS, Evidence, MessageCategory, OptInStatus, Sending, Source, Statement,
};
use contacts_service::domain::contact::{Profile, Recipient};
use contacts_service::domain::import::{ChunkOutcome, ImportOptions, ImportRow, OnConflict};
use contacts_service::domain::keyring::Keyring;
use contacts_service::domain::phone::{PhoneNumber, match_key_of};
use contacts_service::domain::tag::Tag;
use contacts_service::operations::{attributes, import, tags, workspaces};
use contacts_service::opt_in::{CheckQuery, Checker, MirrorLimits};
use contacts_service::store::postgres::{self, PostgresOptions};
use contacts_service::store::sqlite::{self, Access, SqliteOptions};
use contacts_service::store::{Clock, GivenUp, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// Runs a test with a database of its own. Prints a notice if there is no server.
pub fn with_database<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F) {
    let Some(server) = server() else { return };
    runtime().block_on(async { test(Database::create(&server).await).await });
}

/// The same with row-level security.
pub fn with_confined_database<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F) {
    let Some(server) = server() else { return };
    runtime().block_on(async {
        let database = Database::create(&server).await;
        test(database.confined().await).await;
    });
}

/// Returns the URL of the server. Prints a notice if there is none.
#[expect(clippy::print_stderr, reason = "the one way to say that a test did not run")]
pub fn server() -> Option<String> {
    let url = std::env::var("CONTACTS_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        eprintln!(
            "SKIPPED: CONTACTS_TEST_POSTGRES_URL is not set; run \
             tests/tools/postgres -- cargo test -p contacts-service --test postgres_store"
        );
    }
    url
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A new database on the test server.
pub struct Database {
    /// For a superuser.
    pub url: String,
    /// For stores.
    pub store_url: String,
}

impl Database {
    pub async fn create(server: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(server).await.unwrap();
        let sql = format!("CREATE DATABASE {name}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let (front, _) = server.rsplit_once('/').unwrap();
        let url = format!("{front}/{name}");
        Self { store_url: url.clone(), url }
    }

    /// Creates a schema with row-level security, of a role that is subject to it.
    async fn confined(self) -> Self {
        let mut connection = self.connect().await;
        connection
            .execute(
                "DO $$ BEGIN
                     CREATE ROLE contacts_confined LOGIN;
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                 END $$;
                 DO $$ BEGIN
                     EXECUTE format('ALTER DATABASE %I OWNER TO contacts_confined',
                         current_database());
                 END $$",
            )
            .await
            .unwrap();
        let (_, rest) = self.url.split_once('@').unwrap();
        let store_url = format!("postgres://contacts_confined@{rest}");
        postgres::migrate(&store_url, false).await.unwrap();
        postgres::set_row_level_security(&store_url, true).await.unwrap();
        Self { store_url, ..self }
    }

    /// Opens a connection apart from those of the store.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// Migrates the database and opens a store with the default workspace.
    pub async fn store(&self) -> Store {
        self.store_with(PostgresOptions::default(), Clock::system()).await
    }

    pub async fn store_with(&self, options: PostgresOptions, clock: Clock) -> Store {
        postgres::migrate(&self.store_url, false).await.unwrap();
        let store = postgres::open(&self.store_url, options, clock, keyring()).await.unwrap();
        workspaces::ensure_default(&store).await.unwrap();
        store
    }

    /// Counts connections of the store in a state such as `idle in transaction`.
    pub async fn sessions(&self, state: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE $1",
        )
        .bind(format!("{state}%"))
        .fetch_one(&mut self.connect().await)
        .await
        .unwrap()
    }
}

/// The keyring of all stores.
pub fn keyring() -> Keyring {
    Keyring::new(&[7; 32])
}

/// A checker that reads from this store.
pub fn checker(store: &Store) -> Checker {
    let mirror = MirrorLimits { bytes: 64 << 20, after_checks: 1 };
    Checker::new(store.clone(), Duration::from_secs(2), mirror)
}

/// A SQLite store to compare with.
pub async fn sqlite_store(clock: Clock) -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("contacts.db");
    let options = SqliteOptions::default();
    let store = sqlite::open(&path, Access::Create, &options, clock, keyring()).await.unwrap();
    workspaces::ensure_default(&store).await.unwrap();
    (store, directory)
}

/// A clock that does not move until it is set.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    pub fn at(micros: i64) -> Self {
        Self(Arc::new(AtomicI64::new(micros)))
    }

    pub fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::of(move || time(hands.0.load(Ordering::SeqCst)))
    }
}

pub fn time(micros: i64) -> Time {
    DateTime::from_timestamp_micros(micros).unwrap()
}

pub fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::parse(number).unwrap()
}

pub fn person(number: &str) -> Recipient {
    Recipient::Key(match_key_of(number).unwrap())
}

/// A profile with only a phone number.
pub fn profile(number: &str) -> Profile {
    Profile { phone_number: Some(phone(number)), ..Profile::default() }
}

pub fn statement(status: OptInStatus) -> Statement {
    Statement {
        status,
        categories: MessageCategory::ALL.to_vec(),
        source: Source::WebForm,
        evidence: Evidence::default(),
        reason_text: String::new(),
        occurred_time: None,
        expire_time: None,
    }
}

/// Imports profiles as one chunk.
pub async fn import(store: &Store, profiles: impl IntoIterator<Item = Profile>) -> ChunkOutcome {
    let row = |profile| ImportRow { profile, consent: None, fault: None };
    import_rows(store, profiles.into_iter().map(row).collect()).await
}

pub async fn import_rows(store: &Store, rows: Vec<ImportRow>) -> ChunkOutcome {
    let options = ImportOptions {
        on_conflict: OnConflict::Merge,
        create_missing_tags: true,
        add_tags: Vec::new(),
        consent: None,
    };
    let chunks = Arc::new(vec![rows.into_iter().enumerate().collect()]);
    let import = import::ImportChunks {
        workspace_id: String::new(),
        began_in: None,
        options,
        chunks,
        others_object: false,
        given_up: GivenUp::RunsAgain,
    };
    store.write(import).await.unwrap().remove(0)
}

pub async fn create_tag(store: &Store, tag_id: &str) {
    let tag = Tag::bare(tag_id, time(0));
    store.write(tags::CreateTag { workspace_id: String::new(), tag }).await.unwrap();
}

pub fn definition(id: &str, attribute_type: AttributeType) -> AttributeDefinition {
    AttributeDefinition {
        attribute_id: id.to_owned(),
        display_name: id.to_owned(),
        attribute_type,
        enum_options: Vec::new(),
        description: String::new(),
        create_time: time(0),
        update_time: time(0),
    }
}

pub async fn create_attribute(store: &Store, attribute: AttributeDefinition) {
    let create = attributes::CreateAttribute { workspace_id: String::new(), attribute };
    store.write(create).await.unwrap();
}

/// A profile with tags and attributes.
pub fn rich_profile(number: &str) -> Profile {
    use contacts_service::domain::attribute::AttributeValue;
    Profile {
        phone_number: Some(phone(number)),
        first_name: "José".to_owned(),
        last_name: "García".to_owned(),
        email: "jose@example.com".to_owned(),
        tags: ["vip".to_owned()].into(),
        attributes: BTreeMap::from([
            ("city".to_owned(), AttributeValue::String("São Paulo".to_owned())),
            ("orders".to_owned(), AttributeValue::Number(7.0)),
        ]),
        ..Profile::default()
    }
}

/// Creates the definitions that [`rich_profile`] uses.
pub async fn create_definitions(store: &Store) {
    create_tag(store, "vip").await;
    create_attribute(store, definition("city", AttributeType::String)).await;
    create_attribute(store, definition("orders", AttributeType::Number)).await;
}

/// A check of a marketing message from any number.
pub fn marketing(recipient: &Recipient) -> CheckQuery<'_> {
    let sending =
        Sending { category: MessageCategory::Marketing, sender_phone_number_id: ALL_SENDERS };
    CheckQuery { workspace_id: "", recipient, also: &[], sending, as_of_time: None }
}
