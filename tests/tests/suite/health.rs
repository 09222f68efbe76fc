//! The standard health service.

use std::time::Duration;

use contacts_sdk::MessageCategory;
use contacts_tests::{Backend, Refused, TestApp, apply, on_each_store, phone};
use futures::StreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[apply(on_each_store!)]
async fn the_server_and_each_service_are_healthy(app: TestApp) {
    let mut health = HealthClient::new(app.narrow_channel().await);
    for service in ["", "Attribute", "Contact", "OptIn", "Tag", "Webhook", "Workspace"] {
        let name = match service {
            "" => String::new(),
            name => format!("whatatalk.contacts.v1.{name}Service"),
        };
        let answer = health.check(of(&name)).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{name}");
    }
    let unknown = health.check(of("nobody")).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
}

#[apply(on_each_store!)]
async fn health_watch_reports_a_stopping_server(app: TestApp) {
    let mut health = HealthClient::new(app.narrow_channel().await);
    let mut watch = health.watch(of("")).await.expect("a watch").into_inner();
    let first = watch.next().await.expect("a status").expect("a status");
    assert_eq!(first.status(), ServingStatus::Serving);
    let (last, ()) = futures::join!(watch.next(), app.stop());
    assert_eq!(last.expect("a status").expect("a status").status(), ServingStatus::NotServing);
}

#[apply(on_each_store!)]
async fn health_answers_when_the_server_is_full(app: TestApp) {
    app.restart_with(|config| config.limits.max_concurrent_bulk = 4).await;
    // Two open streams use all the places that a connection gets.
    let mut open = Vec::new();
    for _ in 0..2 {
        let (ask, questions) = futures::channel::mpsc::unbounded();
        let question = contacts_proto::v1::CheckOptInStreamRequest {
            phone_numbers: vec![phone(1)],
            ..Default::default()
        };
        ask.unbounded_send(question).expect("asked");
        let conversation = app.client().raw_opt_in().check_opt_in_stream(questions).await;
        let mut conversation = conversation.expect("a conversation").into_inner();
        conversation.next().await.expect("a response").expect("a response");
        open.push((ask, conversation));
    }
    let count = contacts_proto::v1::CountContactsRequest::default();
    let mut raw = app.client().raw_contacts();
    let error = raw.count_contacts(count.clone()).await.refused_for("OVERLOADED");
    assert!(error.retry_delay().is_some());
    assert_eq!(app.health().await, ServingStatus::Serving);
    drop(open);
    // The SDK retries until a place is free.
    app.contacts().count().await.expect("a count");
    for _ in 0..5 {
        raw.count_contacts(count.clone()).await.expect("a count");
    }
}

/// SQLite only: another process keeps the file from being written, and no statement of the server
/// gets further than its `BEGIN`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_cannot_write_is_not_ready() {
    const LONG: Duration = Duration::from_secs(60);
    let app = TestApp::start(Backend::Sqlite).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let mut health = HealthClient::new(app.narrow_channel().await);
    let mut watch = health.watch(of("")).await.expect("a watch").into_inner();
    let mut next = async || {
        let status = timeout(LONG, watch.next()).await.expect("in time").expect("a status");
        status.expect("a status").status()
    };
    assert_eq!(next().await, ServingStatus::Serving);

    let url = app.database().settings_url();
    let mut other = SqliteConnection::connect(&url).await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
    assert_eq!(next().await, ServingStatus::NotServing);
    // Whoever asks all the same gets what can be read.
    let checked = app.opt_in().check(phone(1), MessageCategory::Marketing).await;
    assert!(!checked.expect("a check").is_allowed());
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("the lock is free");
    assert_eq!(next().await, ServingStatus::Serving);
    app.finish().await;
}

/// Postgres only: a primary that an operator set to read only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_of_a_read_only_postgres_is_not_ready() {
    const LONG: Duration = Duration::from_secs(60);
    let app = TestApp::start(Backend::Postgres).await;
    let mut health = HealthClient::new(app.narrow_channel().await);
    let mut watch = health.watch(of("")).await.expect("a watch").into_inner();
    let mut next = async || {
        let status = timeout(LONG, watch.next()).await.expect("in time").expect("a status");
        status.expect("a status").status()
    };
    assert_eq!(next().await, ServingStatus::Serving);
    let set = async |value: &str| {
        let mut admin = app.database().connect().await;
        // Also of this connection, which has to be able to undo it.
        admin.execute("SET default_transaction_read_only = off").await.expect("set");
        let sql = format!(
            "DO $$ BEGIN
                 EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {value}',
                                current_database());
             END $$"
        );
        admin.execute(AssertSqlSafe(sql)).await.expect("altered");
        // The setting is that of new connections.
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        admin.execute(others).await.expect("terminated");
    };
    set("on").await;
    while next().await == ServingStatus::Serving {}
    set("off").await;
    while next().await == ServingStatus::NotServing {}
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.finish().await;
}
