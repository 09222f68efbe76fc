//! Where settings come from, and what is shown of them.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use contacts_tests::terminate;
use serde_json::Value;

use crate::{program, run, url};

/// Starts a server and stops it; the line that it logged when it began to listen.
fn start_up_line(command: &mut Command) -> Value {
    let mut child = command
        .args(["--log-format", "json", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).expect("a line");
    terminate(&child);
    let mut log = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
    assert!(child.wait().expect("its end").success(), "{log}");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.into_iter().find(|line| line["message"] == "listening").expect("a start-up line")
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("contacts.toml");
    let database = url(&directory.path().join("contacts.db"));
    let text = format!(
        "database-url = '{database}'\nmax-concurrent-requests = 11\nmax-request-size = '5MiB'\n\
         idle-timeout = '31s'\ninsecure = true\n"
    );
    fs::write(&file, text).expect("written");
    let line = start_up_line(
        program()
            .env("CONTACTS_CONFIG", &file)
            .env("CONTACTS_IDLE_TIMEOUT", "32s")
            .env("CONTACTS_MAX_REQUEST_SIZE", "6MiB")
            .env("CONTACTS_INSECURE", "false")
            .args(["--idle-timeout", "33s"]),
    );
    assert_eq!(line["timeouts.idle"], "33s", "flag: {line}");
    assert_eq!(line["limits.max_request_size"], "6.0 MiB", "environment: {line}");
    assert_eq!(line["listen.insecure"], false, "environment: {line}");
    assert_eq!(line["limits.max_concurrent_requests"], 11, "file: {line}");
    assert_eq!(line["limits.max_connection_streams"], 1000, "default: {line}");

    // Other commands read the same file.
    let listed = run(program().args(["workspace", "list", "--config"]).arg(&file));
    assert_eq!(listed.assert_succeeded(), "default\tDefault\n");
}

#[test]
fn the_start_up_line_has_version_engine_address_and_limits() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = url(&directory.path().join("contacts.db"));
    let line = start_up_line(program().args(["--database-url", &database]));
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"), "{line}");
    let engine = line["database.engine"].as_str().expect("text");
    assert!(engine.starts_with("SQLite 3."), "{line}");
    assert_eq!(line["database.url"], database, "{line}");
    let address = line["listen.address"].as_str().expect("text");
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{line}");
    assert_eq!(line["limits.max_concurrent_requests"], 1024, "{line}");
    assert_eq!(line["timeouts.shutdown_grace"], "10s", "{line}");
}

#[test]
fn settings_of_a_server_do_not_disturb_other_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = url(&directory.path().join("contacts.db"));
    let run = |arguments: &[&str]| {
        run(program()
            .args(arguments)
            .env("CONTACTS_DATABASE_URL", &database)
            .env("CONTACTS_LISTEN", "127.0.0.1:1")
            .env("CONTACTS_MIGRATE", "true"))
    };
    run(&["migrate"]).assert_succeeded();
    run(&["audit", "verify"]).assert_succeeded();
}

#[test]
fn a_webhook_secret_file_that_cannot_be_used_stops_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = url(&directory.path().join("contacts.db"));
    let file = directory.path().join("secrets");
    let start = || {
        run(program()
            .args(["--database-url", &database, "--listen", "127.0.0.1:0"])
            .env("CONTACTS_WEBHOOK_SECRET_FILE", &file))
    };
    start().assert_refused(1, "cannot read the webhook secret file");
    for text in ["", "# none\n", "s3cr3t\n"] {
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a mode");
        let refused = start();
        refused.assert_refused(1, "secret");
        assert!(!format!("{refused:?}").contains("s3cr3t"), "{refused:?}");
    }
}

#[test]
fn help_shows_the_flags_that_a_command_uses_and_no_secret() {
    let help = |arguments: &[&str]| {
        let shown = run(program()
            .args(arguments)
            .arg("--help")
            .env("CONTACTS_DATABASE_URL", "postgres://ana:s3cr3t@db/contacts"));
        assert!(!shown.stdout.contains("s3cr3t"), "{shown:?}");
        shown.assert_succeeded().to_owned()
    };
    for command in
        [&["audit", "verify"][..], &["workspace", "create"], &["key", "list"], &["vacuum"]]
    {
        let shown = help(command);
        for flag in ["--config", "--database-url", "--key-file", "CONTACTS_DATABASE_URL"] {
            assert!(shown.contains(flag), "{command:?}: {flag}");
        }
        for flag in ["--listen", "--idle-timeout", "--postgres", "--sqlite", "--log-level"] {
            assert!(!shown.contains(flag), "{command:?}: {flag}");
        }
    }
    for shown in [help(&[]), help(&["serve"])] {
        for flag in ["--listen", "--idle-timeout", "--log-level", "CONTACTS_IDLE_TIMEOUT"] {
            assert!(shown.contains(flag), "{flag}");
        }
    }
}
