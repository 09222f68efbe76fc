//! `contacts-service token`, and what a server needs to be reached by other machines.

use std::fs;

use contacts_sdk::ContactsClient;
use contacts_tests::{ServiceProcess, builder_with_long_deadlines};
use tempfile::TempDir;

use crate::{run_on, url};

/// A new database.
fn database() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    run_on(&path, &["migrate"]).assert_succeeded();
    (directory, path)
}

fn client(server: &ServiceProcess, secret: &str) -> ContactsClient {
    let builder = builder_with_long_deadlines(&server.url()).bearer_token(secret);
    builder.connect_lazy().expect("a client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_created_listed_rotated_and_revoked_beside_a_server() {
    let (_directory, path) = database();
    let mut server = ServiceProcess::launch_with(&[
        "--database-url",
        &url(&path),
        "--auth",
        "tokens",
        "--key-file",
        &format!("{}.key", path.display()),
    ]);
    server.wait_until_ready();
    assert!(server.log().contains("there is no valid API token"), "{}", server.log());

    let create = ["token", "create", "--name", "first\tone", "--scope", "admin"];
    let refused = run_on(&path, &create);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--workspace"), "{refused:?}");
    let created = run_on(&path, &[&create[..], &["--all-workspaces"]].concat());
    let secret = created.assert_succeeded().trim_end().to_owned();
    assert!(secret.starts_with("contacts_") && secret.len() == 52, "{created:?}");
    assert!(!created.stderr.contains(&secret), "{created:?}");
    client(&server, &secret).contacts().count().await.expect("a count");

    let listed = run_on(&path, &["token", "list"]);
    let line = listed.assert_succeeded().trim_end().to_owned();
    let columns: Vec<_> = line.split('\t').collect();
    assert_eq!(columns[1..], ["valid", "first\\tone", "admin", "*", "never"], "{line}");

    let scopes = ["--scope", "opt_in.check,contacts.read", "--workspace", "default"];
    let expiry = ["--expires-in", "90d"];
    let create = ["token", "create", "--name", "second"];
    run_on(&path, &[&create[..], &scopes, &expiry].concat()).assert_succeeded();
    let unknown = ["--scope", "contacts.delete", "--all-workspaces"];
    run_on(&path, &[&create[..], &unknown].concat()).assert_refused(2, "contacts.delete");
    let nowhere = ["--scope", "admin", "--workspace", "nowhere"];
    run_on(&path, &[&create[..], &nowhere].concat()).assert_refused(1, "no workspace");

    let rotated = run_on(&path, &["token", "rotate", columns[0], "--overlap", "1h"]);
    let second = rotated.assert_succeeded().trim_end().to_owned();
    assert!(rotated.stderr.contains(&format!("{} expires", columns[0])), "{rotated:?}");
    client(&server, &second).contacts().count().await.expect("a count");
    run_on(&path, &["token", "revoke", columns[0]]).assert_succeeded();
    run_on(&path, &["token", "rotate", columns[0]]).assert_refused(1, "revoked");
    let listed = run_on(&path, &["token", "list"]);
    let states: Vec<_> =
        listed.assert_succeeded().lines().map(|line| line.split('\t').nth(1)).collect();
    assert_eq!(states, [Some("revoked"), Some("valid"), Some("valid")]);
    for secret in [&secret, &second] {
        assert!(!server.log().contains(&**secret) && !listed.stdout.contains(&**secret));
    }
    server.stop();
}

#[test]
fn an_address_of_other_machines_needs_tokens_and_tls() {
    let (directory, path) = database();
    let listen = ["serve", "--listen", "0.0.0.0:0"];
    let refused = |more: &[&str], said: &str| {
        run_on(&path, &[&listen[..], more].concat()).assert_refused(1, said);
    };
    refused(&[], "set --auth tokens, --tls-cert and --tls-key");
    refused(&["--auth", "tokens"], "set --tls-cert and --tls-key,");
    refused(&["--tls-cert", "x.pem", "--tls-key", "x.key"], "set --auth tokens,");
    // The files are looked at before anything is served.
    let tls = ["--auth", "tokens", "--tls-cert", "/nowhere/x.pem"];
    refused(&tls, "--tls-key is missing");
    refused(&[&tls[..], &["--tls-key", "/nowhere/x.key"]].concat(), "cannot read /nowhere/x.pem");
    let empty = directory.path().join("empty.pem");
    fs::write(&empty, "").expect("written");
    let empty = empty.to_str().expect("a path");
    let tls = ["--auth", "tokens", "--tls-cert", empty, "--tls-key", empty];
    refused(&tls, "has no certificate in PEM");
    refused(&["--insecure", "--tls-client-ca", empty], "--tls-cert is missing");
}
