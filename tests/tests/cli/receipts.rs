//! Receipts are verified offline, and what is wrong is told by text and exit code.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use contacts_sdk::MessageCategory;
use contacts_tests::ServiceProcess;

use crate::{Ended, program, run, run_on, url};

/// A receipt about somebody unknown, signed by a server on this SQLite file.
async fn receipt(path: &Path, number: &str) -> String {
    let key = format!("{}.key", path.display());
    let mut server =
        ServiceProcess::launch_with(&["--database-url", &url(path), "--key-file", &key]);
    server.wait_until_ready();
    let check = server.client().opt_in().check(number, MessageCategory::Marketing).receipt();
    let receipt = check.await.expect("a check").receipt.expect("a receipt");
    server.stop();
    receipt
}

fn verify(arguments: &[&str]) -> Ended {
    run(program().args(["receipt", "verify"]).args(arguments))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_verified_without_the_database() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    run_on(&path, &["migrate"]).assert_succeeded();
    let receipt = receipt(&path, "5521987654321").await;
    let listed = run_on(&path, &["receipt", "public-keys"]);
    let line = listed.assert_succeeded().trim().to_owned();
    let (id, key) = line.split_once('\t').expect("an id and a key");
    // The key file alone is enough, and so is the public key alone.
    fs::remove_file(&path).expect("removed");
    let stated = run_on(&path, &["receipt", "verify", &receipt]);
    let stated: serde_json::Value = serde_json::from_str(stated.assert_succeeded()).expect("JSON");
    assert_eq!(
        (&stated["decision"], &stated["reason"]),
        (&"DENY".into(), &"UNKNOWN_CONTACT".into())
    );
    assert_eq!(stated["key_id"], id);
    fs::remove_file(format!("{}.key", path.display())).expect("removed");
    run_on(&path, &["receipt", "verify", &receipt]).assert_refused(1, "there is no key file");
    let with_key = ["--public-key", key];
    verify(&[&[receipt.as_str()], &with_key[..]].concat()).assert_succeeded();
    for about in ["5521987654321", "+55 21 8765-4321"] {
        verify(&[&[receipt.as_str(), "--about", about], &with_key[..]].concat()).assert_succeeded();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_receipt_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, other) = (directory.path().join("a.db"), directory.path().join("b.db"));
    for path in [&path, &other] {
        run_on(path, &["migrate"]).assert_succeeded();
    }
    let receipt = receipt(&path, "15551234567").await;
    let no_salt = receipt.rsplit_once('.').expect("a salt").0;
    let parts: Vec<_> = receipt.split('.').collect();
    // The statement of one receipt under the signature of another.
    let another = self::receipt(&path, "15551234568").await;
    let statement = another.split('.').nth(1).expect("a statement");
    let forged = format!("cr1.{statement}.{}.{}", parts[2], parts[3]);
    let other_salt = format!("{no_salt}.{}", "A".repeat(22));
    let verify =
        |text: &str, about: &[&str]| run_on(&path, &[&["receipt", "verify", text], about].concat());
    verify(&receipt, &[]).assert_succeeded();
    verify(no_salt, &[]).assert_succeeded();
    verify("ALLOW", &[]).assert_refused(3, "this is not a decision receipt");
    verify("cr2.a.b", &[]).assert_refused(3, "verify it with a newer version");
    for length in [4, parts[1].len(), no_salt.len() - 1, receipt.len() - 1] {
        let refused = verify(&receipt[..length], &[]);
        refused.assert_refused(3, "the end of the receipt is missing");
    }
    verify(&other_salt, &[]).assert_refused(5, "the part after the third dot was changed");
    verify(&forged, &[]).assert_refused(5, "the receipt was changed or forged");
    let elsewhere = run_on(&other, &["receipt", "verify", &receipt]);
    elsewhere.assert_refused(4, "which is not among the given public keys");
    for about in ["15551234568", "US.13491208655302741918", "01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f"]
    {
        verify(&receipt, &["--about", about]).assert_refused(6, "about another person");
    }
    verify(no_salt, &["--about", "15551234567"]).assert_refused(7, "has no salt");
    let refused = verify(&receipt, &["--about", "ana@example.com"]);
    refused.assert_refused(2, "invalid value for '--about <PERSON>': expected a phone number");
    assert!(!refused.stderr.contains("ana@"), "{refused:?}");
    verify(&receipt, &["--public-key", "abc"]).assert_refused(2, "--public-key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_read_from_standard_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    run_on(&path, &["migrate"]).assert_succeeded();
    let receipt = receipt(&path, "15551234567").await;
    let piped = |text: &str| {
        let mut command = program();
        command.args(["receipt", "verify", "-", "--database-url", &url(&path)]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        // A program that reads no more closes the pipe.
        let _ = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
        child.wait_with_output().expect("ended").status.code()
    };
    assert_eq!(piped(&format!("{receipt}\n")), Some(0));
    assert_eq!(piped(""), Some(3));
    assert_eq!(piped(&receipt.repeat(10_000)), Some(3), "only the beginning is read");
}
