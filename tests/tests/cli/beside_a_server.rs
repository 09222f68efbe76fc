//! One server per SQLite file, and the commands that may run beside it.

use contacts_tests::ServiceProcess;
use tempfile::TempDir;

use crate::{run, run_on, url};

fn server(directory: &TempDir) -> ServiceProcess {
    ServiceProcess::start(&url(&directory.path().join("contacts.db")))
}

fn run_with_key(directory: &TempDir, arguments: &[&str]) -> crate::Ended {
    let url = url(&directory.path().join("contacts.db"));
    run(contacts_tests::service().args(arguments).args(["--database-url", &url]))
}

#[test]
fn a_second_server_is_refused_with_the_pid_of_the_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut first = server(&directory);
    let holder = format!("in use by process {}", first.pid());
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"]] {
        run_with_key(&directory, command).assert_refused(1, &holder);
    }
    // The lock ends with the process, however that ends.
    first.kill();
    let mut second = server(&directory);
    second.stop();
    run_with_key(&directory, &["migrate"]).assert_succeeded();
}

#[test]
fn restarts_right_after_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = server(&directory);
    for _ in 0..3 {
        server.restart();
    }
    server.stop();
}

#[test]
fn commands_that_do_not_disturb_a_server_run_beside_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = server(&directory);
    run_with_key(&directory, &["workspace", "create", "acme"]).assert_succeeded();
    let listed = run_with_key(&directory, &["workspace", "list"]);
    assert_eq!(listed.assert_succeeded(), "acme\tacme\ndefault\tDefault\n");
    for command in [&["audit", "verify"][..], &["erasure", "list"], &["key", "list"], &["vacuum"]] {
        run_with_key(&directory, command).assert_succeeded();
    }
    let holder = format!("in use by process {}", server.pid());
    run_with_key(&directory, &["erasure", "replay", "/dev/null"]).assert_refused(1, &holder);
    server.stop();
    run_with_key(&directory, &["erasure", "replay", "/dev/null"]).assert_succeeded();
}

#[test]
fn a_key_is_rotated_beside_a_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    run_on(&path, &["migrate"]).assert_succeeded();
    let key = directory.path().join("contacts.db.key");
    let key = key.to_str().expect("a path of characters");
    let arguments = ["--database-url", &url(&path), "--key-file", key];
    let mut server = ServiceProcess::launch_with(&arguments);
    server.wait_until_ready();
    let rotated = run_on(&path, &["key", "rotate"]);
    assert!(rotated.assert_succeeded().contains("added version 2"), "{rotated:?}");
    server.restart();
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_servers_last_write_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = server(&directory);
    let opt_in = server.client().opt_in();
    opt_in.record_opt_out("15551234567").await.expect("an opt-out");
    let verified = |events: &str| {
        let verified = run_with_key(&directory, &["audit", "verify"]);
        assert!(verified.assert_succeeded().contains(events), "{verified:?}");
    };
    verified("ok, 1 events");
    opt_in.record_opt_out("15551234568").await.expect("an opt-out");
    server.kill();
    verified("ok, 2 events");
    server = self::server(&directory);
    server.stop();
    verified("ok, 2 events");
}
