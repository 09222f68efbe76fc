//! Mistakes are told in one line, with an exit code: 2 for the command line, 1 for the rest.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::{program, run, run_on};

#[test]
fn mistakes_on_the_command_line_exit_with_2() {
    for (arguments, said) in [
        (&["--log-level", "loud"][..], "invalid value 'loud' for '--log-level <LEVEL>'"),
        (&["--log-format", "xml"], "invalid value 'xml' for '--log-format <FORMAT>'"),
        (&["--idle-timeout", "60"], "such as 250ms or 30s"),
        (&["--sqlite-read-cache", "16"], "such as 512KiB or 16MiB"),
        (&["--max-concurrent-requests", "0"], "expected a number between 1 and"),
        (&["--response-retention", "1h"], "expected a time of at least 24h"),
    ] {
        let mut command = program();
        let ended = run(command.arg("serve").args(arguments));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
}

#[test]
fn mistakes_in_the_database_url_show_no_password() {
    for (url, said) in [
        ("mysql://ana:s3cr3t@db/contacts", "unknown scheme \"mysql\": expected sqlite://PATH"),
        ("contacts.db", "not a URL: expected sqlite://PATH"),
        ("sqlite://", "expected the path of a file"),
        ("postgres://ana:s3cr3t#@db/contacts", "percent-encoded"),
        ("postgres://ana:s3cr3t@db/contacts?sslmod=require", "unknown parameter \"sslmod\""),
        ("postgres://ana:s3cr3t@db/contacts?sslmode=on", "expected disable, prefer, require"),
    ] {
        let ended = run(program().args(["workspace", "list", "--database-url", url]));
        ended.assert_refused(2, said);
        assert!(!ended.stderr.contains("s3cr3t"), "{ended:?}");
        // The same from the environment.
        let ended = run(program().args(["workspace", "list"]).env("CONTACTS_DATABASE_URL", url));
        ended.assert_refused(2, said);
        assert!(!ended.stderr.contains("s3cr3t"), "{ended:?}");
    }
}

#[test]
fn files_that_are_no_database_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("no/such/contacts.db");
    let text = directory.path().join("notes.txt");
    fs::write(&text, "not a database").expect("written");
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"]] {
        let no_directory =
            format!("there is no directory {}", directory.path().join("no/such").display());
        run_on(&missing, command).assert_refused(1, &no_directory);
        let is_directory = format!("{} is a directory", directory.path().display());
        run_on(directory.path(), command).assert_refused(1, &is_directory);
        let no_database = format!("{} is not a SQLite database", text.display());
        run_on(&text, command).assert_refused(1, &no_database);
    }
    for path in [&missing, &text, &directory.path().to_owned()] {
        let refused = run_on(path, &["workspace", "list"]);
        refused.assert_refused(1, path.to_str().expect("a path of characters"));
    }
}

#[test]
fn a_key_file_that_cannot_be_used_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    let key = directory.path().join("contacts.db.key");
    run_on(&path, &["migrate"]).assert_succeeded();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("a mode");
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for command in [&serve[..], &["workspace", "list"]] {
        run_on(&path, command).assert_refused(1, "run chmod 600");
    }
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("a mode");
    fs::write(&key, "1 nonsense\n").expect("written");
    run_on(&path, &serve).assert_refused(1, "is not a key file: line 1");
    fs::remove_file(&key).expect("removed");
    fs::create_dir(&key).expect("a directory");
    fs::set_permissions(&key, Permissions::from_mode(0o700)).expect("a mode");
    run_on(&path, &serve).assert_refused(1, "cannot use the key file");
    let lost = directory.path().join("no/such/contacts.key");
    let created = run(program().args(["key", "create", "--key-file"]).arg(&lost));
    created.assert_refused(1, &format!("cannot use the key file {}", lost.display()));
}

#[test]
fn an_address_in_use_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let path = directory.path().join("contacts.db");
    let refused = run_on(&path, &["serve", "--listen", &address]);
    refused.assert_refused(1, &format!("cannot listen on {address}"));
    run_on(&path, &["serve", "--listen", "0.0.0.0:0"]).assert_refused(1, "--insecure");
}

#[test]
fn a_configuration_file_that_cannot_be_used_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.toml");
    let config = |text: &str| {
        fs::write(&path, text).expect("written");
        run(program().args(["workspace", "list", "--config"]).arg(&path))
    };
    config("colour = 'red'").assert_refused(2, "contacts.toml: unknown key \"colour\"");
    config("idle-timeout = '1'").assert_refused(2, "contacts.toml: idle-timeout: expected");
    config("idle-timeout = ").assert_refused(2, "contacts.toml: line 1: ");
    fs::remove_file(&path).expect("removed");
    let missing = run(program().env("CONTACTS_CONFIG", &path).arg("serve"));
    missing.assert_refused(2, "contacts.toml: No such file");
}
