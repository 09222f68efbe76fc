//! `contacts-service audit verify`, run while a server is running.

use std::process::Output;

use contacts_tests::{Backend, ServiceProcess, TestDatabase, phone, service};

async fn tamper(database: &TestDatabase) {
    let mut ledger = database.read_ledger().await;
    ledger.at(2).fact.kind = 2;
    database.write_ledger(&ledger).await;
}

/// Runs the command. Returns whether it succeeded, and its output.
pub fn verify(database: &str, more: &[&str]) -> (bool, String) {
    let mut command = service();
    command.args(["audit", "verify", "--database-url", database]).args(more);
    let Output { status, stdout, .. } = command.output().expect("the program");
    (status.success(), String::from_utf8(stdout).expect("text"))
}

/// Records three events in one workspace and none in another. Returns the head of the first.
async fn fill(server: &ServiceProcess, database: &str) -> String {
    let client = server.client();
    client.workspaces().create("acme").await.expect("a workspace");
    for n in 0..3 {
        client.opt_in().record_opt_out(phone(n)).await.expect("an opt-out");
    }
    let (ok, shown) = verify(database, &[]);
    assert!(ok, "{shown}");
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[0].starts_with("acme\tok, 0 events, head 0:"), "{shown}");
    let head = lines[1].strip_prefix("default\tok, 3 events, head ").expect("the other");
    let (ok, again) = verify(database, &["--workspace", "default", "--head", head]);
    assert!(ok && again.lines().eq([lines[1]]), "{again}");
    head.to_owned()
}

fn assert_broken(database: &str, head: &str) {
    let (ok, shown) = verify(database, &[]);
    assert!(!ok && shown.contains("acme\tok, 0 events"), "{shown}");
    assert!(shown.contains("default\tbroken at position 2, event "), "{shown}");
    let (ok, shown) = verify(database, &["--workspace", "acme", "--head", head]);
    assert!(!ok && shown.starts_with("acme\tbroken at position 1: "), "another's head: {shown}");
    assert!(!verify(database, &["--head", head]).0, "of which workspace?");
    assert!(!verify(database, &["--workspace", "nobody"]).0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_of_a_broken_ledger_fails_on_sqlite() {
    let file = TestDatabase::create(Backend::Sqlite).await;
    let database = format!("sqlite://{}", file.path().display());
    let mut server = ServiceProcess::start(&database);
    let head = fill(&server, &database).await;
    tamper(&file).await;
    assert_broken(&database, &head);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_of_a_broken_ledger_fails_on_postgres() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let mut server = ServiceProcess::start(&database.url());
    let head = fill(&server, &database.url()).await;
    tamper(&database).await;
    assert_broken(&database.url(), &head);
    server.stop();
    database.remove().await;
}
