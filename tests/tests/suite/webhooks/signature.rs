//! `X-Hub-Signature-256`.

use super::*;
use contacts_sdk::reason;
use contacts_tests::{Refused, apply, logged, on_each_store};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

fn sign(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a secret");
    let code = mac.chain_update(body).finalize().into_bytes();
    let digits: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Restarts the server with these secrets.
async fn restart_with(app: &TestApp, secrets: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), secrets).expect("written");
    let path = file.path().to_owned();
    app.restart_with(|config| config.webhook.webhook_secret_file = Some(path)).await;
    file
}

#[apply(on_each_store!)]
async fn only_signed_webhooks_are_taken_when_a_secret_is_set(app: TestApp) {
    known_by_both(&app).await;
    let _file = restart_with(&app, OLD).await;
    let body = webhook([stop(ago(0))]).to_string();
    for (signature, advice) in [
        (String::new(), "forward its X-Hub-Signature-256 header"),
        ("sha256=12".to_owned(), "malformed"),
        (sign(NEW, &body), "byte for byte"),
        (sign(OLD, &format!("{body} ")), "byte for byte"),
        (sign(OLD, "").replace("sha256", "sha1"), "malformed"),
    ] {
        let call = app.webhooks().ingest(body.clone()).signature(signature).await;
        let error = call.refused_at(reason::INVALID_SIGNATURE, "signature");
        assert!(error.message().contains(advice), "{error}");
        assert!(!error.to_string().contains(OLD) && !error.to_string().contains(PHONE), "{error}");
    }
    assert_eq!(reason_of(&app, phone_id(PHONE)).await, CheckReason::OptedIn);
    let call = app.webhooks().ingest(body.clone()).signature(sign(OLD, &body));
    let report = call.await.expect("a webhook");
    assert!(report.signature_verified);
    assert_eq!(reason_of(&app, phone_id(PHONE)).await, CheckReason::PlatformOptedOut);
    assert!(!logged().contains(OLD), "a secret is in the log");
}

#[apply(on_each_store!)]
async fn secrets_are_rotated_without_a_gap(app: TestApp) {
    let body = webhook([]).to_string();
    for (secrets, accepted) in [
        (OLD.to_owned(), [true, false]),
        (format!("# new since May\n{NEW}\n{OLD}\n"), [true, true]),
        (format!("{NEW}\n"), [false, true]),
    ] {
        let _file = restart_with(&app, &secrets).await;
        for (secret, accepted) in [OLD, NEW].into_iter().zip(accepted) {
            let call = app.webhooks().ingest(body.clone()).signature(sign(secret, &body)).await;
            match accepted {
                true => assert!(call.expect("a webhook").signature_verified),
                false => drop(call.refused_at(reason::INVALID_SIGNATURE, "signature")),
            }
        }
    }
}
