//! Which files are created, by whom, and who may read them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use contacts_tests::ServiceProcess;

use crate::{run_on, url};

/// Every command that needs an existing database.
const COMMANDS: [&[&str]; 8] = [
    &["audit", "verify"],
    &["workspace", "list"],
    &["workspace", "create", "acme"],
    &["erasure", "list"],
    &["erasure", "replay", "/dev/null"],
    &["key", "list"],
    &["key", "rotate"],
    &["vacuum"],
];

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name");
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

#[test]
fn only_servers_and_migrations_create_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("typo.db");
    for command in COMMANDS {
        let refused = run_on(&path, command);
        refused.assert_refused(1, &format!("there is no database {}", path.display()));
        assert_eq!(names(directory.path()), [""; 0], "{command:?}");
    }
    run_on(&path, &["migrate"]).assert_succeeded();
    assert_eq!(names(directory.path()), ["typo.db", "typo.db.key", "typo.db.lock"]);
    for command in COMMANDS {
        run_on(&path, command).assert_succeeded();
    }
}

#[test]
fn a_lost_key_file_is_not_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    run_on(&path, &["migrate"]).assert_succeeded();
    let key = directory.path().join("contacts.db.key");
    fs::remove_file(&key).expect("removed");
    for command in COMMANDS {
        run_on(&path, command).assert_refused(1, &format!("no key file {}", key.display()));
    }
    assert!(!key.exists());
}

#[test]
fn an_empty_file_has_no_schema() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    fs::write(&path, "").expect("an empty file");
    run_on(&path, &["key", "create"]).assert_succeeded();
    run_on(&path, &["workspace", "list"]).assert_refused(1, "it has no schema yet");
    assert_eq!(fs::read(&path).expect("the file"), b"", "nothing was written");
}

#[test]
fn files_are_for_their_owner_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    let database = url(&path);
    run_on(&path, &["key", "create"]).assert_succeeded();
    let key = directory.path().join("contacts.db.key");
    let key = key.to_str().expect("a path of characters");
    let mut server = ServiceProcess::launch_with(&["--database-url", &database, "--key-file", key]);
    server.wait_until_ready();
    let expected = [
        "contacts.db",
        "contacts.db-shm",
        "contacts.db-wal",
        "contacts.db.key",
        "contacts.db.lock",
    ];
    assert_eq!(names(directory.path()), expected);
    for name in expected {
        let metadata = fs::metadata(directory.path().join(name)).expect("a file");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    server.stop();
    // What an operator set stays.
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
    run_on(&path, &["migrate"]).assert_succeeded();
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}
