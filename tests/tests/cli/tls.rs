//! Postgres over TLS, with certificates made for the test.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use contacts_tests::{PostgresServer, ServiceProcess, service};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::{Ended, run};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
}

/// A certificate file that clients trust.
fn root(directory: &TempDir, name: &str, authority: &CertifiedIssuer<'_, KeyPair>) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, authority.pem()).expect("written");
    path
}

/// Writes a file that the database server can read.
fn write(data: &Path, name: &str, text: &str) {
    let path = data.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    let owner = fs::metadata(data).expect("the data directory");
    chown(&path, Some(owner.uid()), Some(owner.gid())).expect("its owner");
}

/// Gives a server a certificate for 127.0.0.1, and TLS.
async fn turn_on(server: &PostgresServer, authority: &CertifiedIssuer<'_, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    write(&server.data(), "server.crt", &certificate.pem());
    write(&server.data(), "server.key", &key.serialize_pem());
    server.execute("ALTER SYSTEM SET ssl = on").await;
    server.execute("SELECT pg_reload_conf()").await;
    let options: PgConnectOptions = server.url().parse().expect("a URL");
    let options = options.ssl_mode(PgSslMode::Require);
    for _ in 0..500 {
        if let Ok(connection) = options.connect().await {
            return connection.close().await.expect("closed");
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the server has no TLS");
}

fn migrate(url: &str) -> Ended {
    run(service().args(["migrate", "--database-url", url]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_verified_as_the_url_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ours, theirs) = (authority(), authority());
    let (right, wrong) =
        (root(&directory, "ca.pem", &ours), root(&directory, "other.pem", &theirs));
    let (right, wrong) = (right.display(), wrong.display());
    let postgres = PostgresServer::start(&[]).await;
    let url = postgres.url();
    migrate(&format!("{url}?sslmode=require")).assert_refused(1, "server does not support TLS");
    migrate(&format!("{url}?sslmode=prefer")).assert_succeeded();

    turn_on(&postgres, &ours).await;
    migrate(&format!("{url}?sslmode=require")).assert_succeeded();
    migrate(&format!("{url}?sslmode=verify-full&sslrootcert={right}")).assert_succeeded();
    let refused = migrate(&format!("{url}?sslmode=verify-full&sslrootcert={wrong}"));
    refused.assert_refused(1, "invalid peer certificate");
    let refused = migrate(&format!("{url}?sslmode=verify-ca&sslrootcert={wrong}"));
    refused.assert_refused(1, "invalid peer certificate");
    // Not among those that the system trusts.
    migrate(&format!("{url}?sslmode=verify-full")).assert_refused(1, "invalid peer certificate");
    let lost = directory.path().join("lost.pem");
    let refused = migrate(&format!("{url}?sslmode=verify-full&sslrootcert={}", lost.display()));
    refused.assert_refused(1, "No such file");

    // The certificate is for another name.
    let localhost = url.replace("127.0.0.1", "localhost");
    let refused = migrate(&format!("{localhost}?sslmode=verify-full&sslrootcert={right}"));
    refused.assert_refused(1, "invalid peer certificate");
    migrate(&format!("{localhost}?sslmode=verify-ca&sslrootcert={right}")).assert_succeeded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_uses_tls_on_all_its_connections() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = authority();
    let root = root(&directory, "ca.pem", &authority);
    let postgres = PostgresServer::start(&[]).await;
    turn_on(&postgres, &authority).await;
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", postgres.url(), root.display());
    let mut server = ServiceProcess::start(&url);
    let client = server.client();
    client.opt_in().record_opt_out("15551234567").await.expect("an opt-out");
    assert_eq!(client.contacts().count().await.expect("a count"), 0);
    let sessions: Vec<bool> = sqlx::query_scalar(
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name LIKE 'contacts-service %'",
    )
    .fetch_all(&mut postgres.connect("postgres").await)
    .await
    .expect("sessions");
    assert!(sessions.len() >= 2 && sessions.iter().all(|ssl| *ssl), "{sessions:?}");
    assert!(!server.log().contains("sslrootcert"), "{}", server.log());
    server.stop();
}
