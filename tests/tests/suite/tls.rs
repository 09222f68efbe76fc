//! TLS for clients, with certificates made for the test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contacts_sdk::{ClientBuilder, ContactsClient};
use contacts_service::Config;
use contacts_tests::{Backend, TestApp, builder_with_long_deadlines};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A test that waits longer than this for anything has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An authority that signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for 127.0.0.1, and its key.
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// The server's files.
struct Files(TempDir);

impl Files {
    fn new(authority: &Authority) -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        files.replace(authority);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    fn replace(&self, authority: &Authority) {
        let (certificate, key) = authority.sign();
        self.write("server.key", &key);
        self.write("server.pem", &certificate);
    }

    fn set(&self, config: &mut Config) {
        config.access.tls_cert = Some(self.path("server.pem"));
        config.access.tls_key = Some(self.path("server.key"));
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}

fn builder(app: &TestApp, authority: &Authority) -> ClientBuilder {
    builder_with_long_deadlines(&format!("https://{}", app.address()))
        .connect_timeout(PATIENCE)
        .tls_authority(authority.pem())
}

async fn works(client: &ContactsClient) {
    assert_eq!(client.contacts().count().await.expect("a count"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_verify_the_server() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let files = Files::new(&ours);
    let app = TestApp::start(Backend::Sqlite).await;
    app.restart_with(|config| files.set(config)).await;
    let client = builder(&app, &ours).connect().await.expect("a connection");
    works(&client).await;
    let refused = builder(&app, &theirs).connect().await.expect_err("another authority");
    assert!(refused.is_unavailable(), "{refused:?}");
    let plain = app.builder().connect().await;
    let count = async { plain?.contacts().count().await };
    assert!(count.await.expect_err("no TLS").is_unavailable());
    works(&client).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_19_clients_need_a_certificate_of_the_authority() {
    let (server, clients, theirs) = (Authority::new(), Authority::new(), Authority::new());
    let files = Files::new(&server);
    files.write("clients.pem", &clients.pem());
    let app = TestApp::start(Backend::Sqlite).await;
    app.restart_with(|config| {
        files.set(config);
        config.access.tls_client_ca = Some(files.path("clients.pem"));
    })
    .await;
    let (certificate, key) = clients.sign();
    let client = builder(&app, &server).tls_identity(certificate, key).connect().await;
    works(&client.expect("a connection")).await;

    let (certificate, key) = theirs.sign();
    let (of_server, server_key) = server.sign();
    for identity in [None, Some((certificate, key)), Some((of_server, server_key))] {
        let builder = builder(&app, &server);
        let builder = match identity {
            Some((certificate, key)) => builder.tls_identity(certificate, key),
            None => builder,
        };
        // With TLS 1.3, the client learns of it at its first call.
        let used = async { builder.connect().await?.contacts().count().await };
        let error = used.await.expect_err("no certificate of the authority");
        assert!(error.is_unavailable(), "{error:?}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_certificates_are_used_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old);
    let app = TestApp::start(Backend::Sqlite).await;
    app.restart_with(|config| files.set(config)).await;
    let before = builder(&app, &old).connect().await.expect("a connection");
    works(&before).await;

    // A file that cannot be used changes nothing.
    files.write("server.pem", "no certificate");
    tokio::time::sleep(Duration::from_secs(6)).await;
    works(&builder(&app, &old).connect().await.expect("a connection")).await;

    files.replace(&new);
    let renewed = timeout(PATIENCE, async {
        loop {
            if let Ok(client) = builder(&app, &new).connect().await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    works(&renewed.await.expect("the new certificate in time")).await;
    works(&before).await;
    assert!(builder(&app, &old).connect().await.is_err());
    app.finish().await;
}

/// Reads until the server closes the connection.
async fn closed(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    let reading = async { while matches!(stream.read(&mut buffer).await, Ok(1..)) {} };
    timeout(PATIENCE, reading).await.expect("closed in time");
}

/// Row 11. The limit is 10 s by default, and 1 s here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_slow_handshakes_are_cut() {
    let files = Files::new(&Authority::new());
    let app = TestApp::start(Backend::Sqlite).await;
    assert!(app.config().timeouts.preface_timeout <= Duration::from_secs(10));
    app.restart_with(|config| {
        files.set(config);
        config.timeouts.preface_timeout = Duration::from_secs(1);
    })
    .await;
    let connect = || TcpStream::connect(app.address());

    let mut silent = connect().await.expect("a connection");
    closed(&mut silent).await;

    // The beginning of a ClientHello of 512 bytes.
    let mut half = connect().await.expect("a connection");
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.expect("sent");
    closed(&mut half).await;

    let (mut reader, mut writer) = connect().await.expect("a connection").into_split();
    let trickle = tokio::spawn(async move {
        let head = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        for byte in head.into_iter().chain(std::iter::repeat(7)) {
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut buffer = [0; 1024];
    let reading = async { while matches!(reader.read(&mut buffer).await, Ok(1..)) {} };
    timeout(PATIENCE, reading).await.expect("closed in time");
    trickle.abort();

    // Plain text is no TLS.
    let mut plain = connect().await.expect("a connection");
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    closed(&mut plain).await;
    app.finish().await;
}
