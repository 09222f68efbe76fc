//! The process ends although its runtime is stuck.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use contacts_service::shutdown;
use rustix::process::{Pid, Signal, kill_process};

/// Set in the process that gets stuck.
const STUCK: &str = "CONTACTS_TEST_STUCK";

#[test]
fn a_signal_ends_a_process_whose_runtime_is_stuck() {
    if std::env::var_os(STUCK).is_some() {
        get_stuck();
    }
    let test = std::env::current_exe().expect("the test's own path");
    let mut child = Command::new(test)
        .args(["--exact", "a_signal_ends_a_process_whose_runtime_is_stuck", "--nocapture"])
        .env(STUCK, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("a line").contains("stuck now")), "it is not stuck");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("a signal");
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().expect("killed");
            panic!("it still runs");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(status.code(), Some(70));
}

/// As the program does it, with a task that holds the only worker for ever.
fn get_stuck() -> ! {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stopped = shutdown::signal().expect("handlers");
        shutdown::exit_after_signal(Duration::from_millis(300)).expect("a handler");
        tokio::spawn(async {
            writeln!(std::io::stdout(), "stuck now").expect("said");
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        // The signal arrives, but nothing ends what is stuck.
        stopped.await;
    });
    drop(runtime);
    unreachable!("a runtime waits for its tasks")
}
