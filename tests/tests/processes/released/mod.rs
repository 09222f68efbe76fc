//! Databases that release 0.1.0 left, brought up to this version: everything that was put in comes
//! out, on both engines. `tests/fixtures/release-0.1.0/README.md` says how they were made.

pub mod answers;
pub mod fill;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use contacts_sdk::{CheckReason, ContactsClient, MessageCategory, NewContact, OptInSource};
use contacts_tests::{Backend, PostgresServer, ServiceProcess, TestDatabase, assert_whole};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use tempfile::TempDir;

use self::answers::answers;
use self::fill::fill;
use super::audit;

/// The program of the release, to make the fixtures anew.
const RELEASE: &str = "CONTACTS_TEST_RELEASE";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/release-0.1.0").join(name)
}

/// What a server of this version says after the same was put in.
async fn expected() -> Vec<String> {
    let (server, _directory) = on_file(None);
    fill(&server.client()).await.expect("filled");
    answers(&server.client()).await
}

fn on_file(database: Option<&Path>) -> (ServiceProcess, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("contacts.db");
    if let Some(database) = database {
        fs::copy(database, &file).expect("a copy");
    }
    (ServiceProcess::start(&format!("sqlite://{}", file.display())), directory)
}

#[track_caller]
fn assert_same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_file_is_brought_up_to_date() {
    if let Ok(release) = std::env::var(RELEASE) {
        make_file(Path::new(&release)).await;
    }
    let (server, directory) = on_file(Some(&fixture("contacts.sqlite")));
    assert_same(&answers(&server.client()).await, &expected().await);
    works_on(&server.client()).await;
    assert_sealed(&format!("sqlite://{}", directory.path().join("contacts.db").display()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_postgres_database_is_brought_up_to_date() {
    if let Ok(release) = std::env::var(RELEASE) {
        make_dump(Path::new(&release)).await;
    }
    let database = TestDatabase::create(Backend::Postgres).await;
    let dump = fs::read_to_string(fixture("postgres.sql")).expect("a dump");
    // What psql alone understands.
    let sql: String =
        dump.lines().filter(|line| !line.starts_with('\\')).flat_map(|l| [l, "\n"]).collect();
    database.connect().await.execute(AssertSqlSafe(sql)).await.expect("restored");

    // Several servers find the old schema at once.
    let mut servers: Vec<_> = (0..3).map(|_| ServiceProcess::launch(database.url())).collect();
    servers.iter_mut().for_each(ServiceProcess::wait_until_ready);
    let expected = expected().await;
    for server in &servers {
        assert_same(&answers(&server.client()).await, &expected);
    }
    // Who is no contact is named nowhere any more, neither clearly nor in what was answered once.
    for nobody in [fill::STRANGER, fill::STRANGER_BY_ID, fill::ERASED, fill::ERASED_OBJECTOR] {
        assert_eq!(database.columns_with(nobody).await, Vec::<String>::new(), "of {nobody}");
    }
    works_on(&servers[0].client()).await;
    assert_whole(&mut database.connect().await).await;
    assert_sealed(database.url());
    drop(servers);
    database.remove().await;
}

/// The events of the release are in the chain, and those that came after.
fn assert_sealed(database: &str) {
    let (ok, shown) = audit::verify(database, &[]);
    assert!(ok && !shown.contains("ok, 0 events"), "{shown}");
}

/// New changes go on top of the old ones.
async fn works_on(client: &ContactsClient) {
    let (contacts, opt_in) = (client.contacts(), client.opt_in());
    // Who objected before the upgrade, as a stranger or before being erased, still does.
    for phone in [fill::STRANGER, fill::ERASED_OBJECTOR] {
        contacts.create(NewContact::new().phone(phone)).await.expect("a contact");
        let check = opt_in.check(phone, MessageCategory::Marketing).await.expect("an answer");
        assert_eq!(check.reason, CheckReason::OptedOut);
    }
    opt_in.record_opt_out(fill::ANA).await.expect("an opt-out");
    assert!(!opt_in.may_send(fill::ANA, MessageCategory::Marketing).await);
    opt_in.record_opt_in(fill::ANA, OptInSource::WebForm).await.expect("an opt-in");
    assert!(opt_in.may_send(fill::ANA, MessageCategory::Marketing).await);
    contacts.delete(fill::CHEN).await.expect("a receipt");
}

async fn make_file(release: &Path) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("contacts.db");
    let mut server =
        ServiceProcess::start_release(release, &format!("sqlite://{}", file.display()));
    fill(&server.client()).await.expect("filled");
    server.stop();
    drop(fs::remove_file(fixture("contacts.sqlite")));
    let url = format!("sqlite://{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.expect("the file");
    let copy = format!("VACUUM INTO '{}'", fixture("contacts.sqlite").display());
    connection.execute(AssertSqlSafe(copy)).await.expect("a copy");
}

async fn make_dump(release: &Path) {
    let postgres = PostgresServer::start(&[]).await;
    let mut server = ServiceProcess::start_release(release, &postgres.url());
    fill(&server.client()).await.expect("filled");
    server.stop();
    let dump = ["--inserts", "--no-owner", "--no-privileges", "--dbname", &postgres.url()];
    let dump = Command::new(postgres.program("pg_dump")).args(dump).output().expect("a dump");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    fs::write(fixture("postgres.sql"), dump.stdout).expect("written");
}
