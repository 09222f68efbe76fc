//! The audit log as a file that is rotated while the server runs.

use std::fs;

use contacts_tests::ServiceProcess;
use rustix::process::{Pid, Signal, kill_process};

use crate::url;

fn lines(path: &std::path::Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn a_rotated_audit_log_goes_on_in_a_new_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (database, log) = (url(&at("contacts.db")), at("audit.jsonl"));
    let log_flag = log.to_str().expect("text");
    let arguments = ["--database-url", &database, "--audit-log", log_flag];
    let mut server = ServiceProcess::launch_with(&arguments);
    server.wait_until_ready();
    let count = async || server.client().contacts().list().await.map(drop).expect("a page");
    count().await;
    fs::rename(&log, at("audit.1")).expect("renamed");
    let process = Pid::from_raw(server.pid().cast_signed()).expect("a process");
    kill_process(process, Signal::HUP).expect("sent");
    count().await;
    server.stop();
    // The first line may come after the file was renamed.
    assert_eq!(lines(&at("audit.1")) + lines(&log), 2);
    assert!(lines(&log) >= 1);
}
