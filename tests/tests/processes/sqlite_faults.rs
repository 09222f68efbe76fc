//! Faults of the disk under a SQLite file: the server goes on answering, and writes again by itself
//! once it can.

#![cfg(target_os = "linux")]

use std::fs;

use contacts_sdk::{ErrorKind, MessageCategory, NewContact, RetryPolicy};
use contacts_tests::{Backend, ServiceProcess, TestDatabase, builder_with_long_deadlines, phone};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Limits the size of the files that a process writes, as a full disk does.
fn limit_files(server: &ServiceProcess, bytes: Option<u64>) {
    let pid = Pid::from_raw(server.pid() as i32).expect("a process");
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(pid), Resource::Fsize, limit).expect("a limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_recover_by_themselves_after_a_full_disk() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let url = format!("sqlite://{}", database.path().display());
    let server = ServiceProcess::start(&url);
    let builder = builder_with_long_deadlines(&server.url()).retry_policy(RetryPolicy::never());
    let client = builder.connect_lazy().expect("a client");
    client.opt_in().record_opt_out(phone(0)).await.expect("an opt-out");

    let mut total = 0;
    for _ in 0..3 {
        let log = format!("{}-wal", database.path().display());
        let size = fs::metadata(log).expect("a log").len();
        limit_files(&server, Some(size + 50_000));
        let refused = loop {
            let contact = NewContact::new().phone(phone(1000 + total));
            match client.contacts().create(contact.first_name("x".repeat(200))).await {
                Ok(_) => total += 1,
                Err(error) => break error,
            }
            assert!(total < 10_000, "the disk is never full");
        };
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
        // It stays so as long as the disk is full.
        for n in 0..5 {
            let again = client.opt_in().record_opt_out(phone(n)).await.expect_err("a full disk");
            assert_eq!(again.kind(), ErrorKind::Unavailable, "{again}");
            assert!(again.is_retryable(), "{again}");
        }
        // Who reads notices nothing.
        let checked = client.opt_in().check(phone(0), MessageCategory::Marketing).await;
        assert!(!checked.expect("a check").is_allowed());
        assert_eq!(client.contacts().count().await.expect("a count"), total as u64);

        limit_files(&server, None);
        for n in 0..20 {
            client.opt_in().record_opt_out(phone(n)).await.expect("space again");
        }
    }
    let (ok, shown) = crate::audit::verify(&url, &[]);
    assert!(ok, "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_once_the_file_is_gone() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let server = ServiceProcess::start(&format!("sqlite://{}", database.path().display()));
    let builder = builder_with_long_deadlines(&server.url()).retry_policy(RetryPolicy::never());
    let client = builder.connect_lazy().expect("a client");
    client.opt_in().record_opt_out(phone(0)).await.expect("an opt-out");

    let aside = database.path().with_extension("aside");
    fs::rename(database.path(), &aside).expect("moved");
    for replaced in [false, true] {
        if replaced {
            fs::copy(&aside, database.path()).expect("a copy");
        }
        let refused = client.opt_in().record_opt_out(phone(1)).await.expect_err("no file");
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
        let checked = client.opt_in().check(phone(0), MessageCategory::Marketing).await;
        assert_eq!(checked.expect_err("no file").kind(), ErrorKind::Unavailable);
    }
    fs::rename(&aside, database.path()).expect("moved back");
    client.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
}
