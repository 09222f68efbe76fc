//! A server without file descriptors to spare.

use std::time::Duration;

use contacts_sdk::{MessageCategory, NewContact, OptInSource};
use contacts_tests::{Backend, ServiceProcess, TestDatabase, built_program, phone};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const MARKETING: MessageCategory = MessageCategory::Marketing;
/// A test that waits longer has failed.
const LONG: Duration = Duration::from_secs(60);

/// Takes the last file descriptors of a server that was just started, then checks.
async fn checks_work_without_descriptors(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let url = database.settings_url();
    let server = ServiceProcess::start(&url);
    let client = server.client();
    client.contacts().create(NewContact::new().phone(phone(1))).await.expect("a contact");
    client.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");

    // The connection of the client stays; nobody has checked yet.
    server.permit_no_more_files();
    let mut taken = Vec::new();
    for _ in 0..20 {
        taken.push(TcpStream::connect(server.address()).await.expect("a place in the backlog"));
    }
    let batch = vec![phone(1); 100];
    for _ in 0..3 {
        // As many at a time as there are connections for checks, and more.
        let checks = (0..50).map(|_| async {
            let check = client.opt_in().check(phone(1), MARKETING).await;
            assert!(check.expect("an answer").is_allowed());
        });
        futures::future::join_all(checks).await;
        let answers = client.opt_in().check_batch(&batch, MARKETING).await;
        assert!(answers.expect("answers").allowed(99));
    }
    assert!(server.log().contains("no connection could be accepted"), "{}", server.log());

    // Those who go away leave room for others.
    drop(taken);
    server.permit_files(1024);
    timeout(LONG, async {
        let other = server.client();
        while other.opt_in().check(phone(1), MARKETING).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("new connections are accepted again");
    drop(server);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_work_without_descriptors_on_sqlite() {
    checks_work_without_descriptors(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_work_without_descriptors_on_postgres() {
    checks_work_without_descriptors(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_leave_descriptors_for_the_database() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let url = database.settings_url();
    let mut server =
        ServiceProcess::launch_with_files(&built_program(), 100, &["--database-url", &url]);
    server.wait_until_ready();
    let client = server.client();
    client.contacts().create(NewContact::new().phone(phone(1))).await.expect("a contact");
    let mut taken = Vec::new();
    for _ in 0..200 {
        taken.push(TcpStream::connect(server.address()).await.expect("a connection"));
    }
    // What opens further connections of the database.
    let reads = (0..50).map(|_| async { client.contacts().count().await.expect("a count") });
    assert_eq!(futures::future::join_all(reads).await, [1; 50]);
    assert!(!server.log().contains("no connection could be accepted"), "{}", server.log());
    server.stop();
}
