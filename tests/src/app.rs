//! The server under test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contacts_sdk::{
    Attributes, ClientBuilder, Contacts, ContactsClient, MessageCategory, OptIn, Tags, Webhooks,
    Workspaces,
};
use contacts_service::config::{AccessLogMode, AuditTarget, Database};
use contacts_service::store::Store;
use contacts_service::store::sqlite::Access;
use contacts_service::{Config, RunningServer, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::backend::{Backend, TestDatabase, key_file};
use crate::wire::Wire;
use crate::without_conditions::WithoutConditions;

/// A test that waits longer than this for anything has failed.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The file of the audit log.
const AUDIT_LOG: &str = "audit.jsonl";

/// A server with a new database, and a client of it. Clones share the server.
#[derive(Clone)]
pub struct TestApp {
    server: Arc<TestServer>,
    client: ContactsClient,
}

struct TestServer {
    /// The settings, with the address of the first start.
    config: Config,
    backend: Backend,
    address: SocketAddr,
    running: Mutex<Option<RunningServer>>,
    database: TestDatabase,
    /// Has the audit log.
    logs: TempDir,
}

/// Runs one test on one database, and checks that the server shuts down cleanly after it.
pub async fn run<F: Future<Output = ()>>(backend: Backend, test: impl FnOnce(TestApp) -> F) {
    let app = TestApp::start(backend).await;
    Box::pin(test(app.clone())).await;
    app.finish().await;
}

impl TestApp {
    /// Starts a server on a free port.
    pub async fn start(backend: Backend) -> Self {
        let database = TestDatabase::for_suite(backend).await;
        Self::start_on(backend, database, (backend == Backend::Postgres).then(key_file)).await
    }

    /// Starts a server on a Postgres database.
    pub async fn start_with(database: TestDatabase) -> Self {
        Self::start_on(Backend::Postgres, database, Some(key_file())).await
    }

    /// The same. On the way there, its statements lose their conditions
    /// on the workspace.
    pub async fn start_without_conditions(database: TestDatabase) -> Self {
        let proxy = WithoutConditions::before(database.server_address()).await;
        Self::start_with(database.behind(proxy)).await
    }

    /// Copies the database. Stops the server for that time.
    pub async fn backup(&self) -> TestDatabase {
        self.stop().await;
        let backup = self.database().copy().await;
        self.restart().await;
        backup
    }

    /// Starts another server, on a backup of this one's database.
    pub async fn restore(&self, backup: TestDatabase) -> Self {
        self.restore_with(backup, self.key_file()).await
    }

    /// The same with another key file.
    pub async fn restore_with(&self, backup: TestDatabase, key: PathBuf) -> Self {
        Self::start_on(self.backend(), backup, Some(key)).await
    }

    async fn start_on(backend: Backend, database: TestDatabase, key: Option<PathBuf>) -> Self {
        crate::logs::begin();
        let mut config = Config::for_tests("unused");
        config.database = Database { url: database.settings.clone(), key_file: key };
        config.migrate = true;
        let logs = tempfile::tempdir().expect("a folder");
        config.listener.metrics_listen = Some("127.0.0.1:0".to_owned());
        config.log.access_log = AccessLogMode::All;
        config.log.audit_log = AuditTarget::File(logs.path().join(AUDIT_LOG));
        let running = Server::start(config.clone()).await.expect("the server starts");
        let address = running.address();
        config.listener.listen = address.to_string();
        let running = Mutex::new(Some(running));
        let server = Arc::new(TestServer { config, backend, address, running, database, logs });
        let client = builder(address).connect().await.expect("a connection");
        Self { server, client }
    }

    /// The kind of database.
    pub fn backend(&self) -> Backend {
        self.server.backend
    }

    /// The database of the server.
    pub fn database(&self) -> &TestDatabase {
        &self.server.database
    }

    /// The server's settings, to open its database from the test or to start another server.
    pub fn config(&self) -> &Config {
        &self.server.config
    }

    /// Opens the server's database while the server runs, as a command does.
    pub async fn open_store(&self, access: Access) -> Store {
        let database = &self.server.config.database;
        let opened = contacts_service::database::open_existing(database, access, false).await;
        opened.expect("a store").0
    }

    /// Runs SQL statements on the database while the server runs.
    pub async fn run_sql(&self, sql: &'static str) {
        self.server.database.run_sql(sql).await;
    }

    /// The key file of the server.
    pub fn key_file(&self) -> PathBuf {
        contacts_service::database::key_path(&self.server.config.database).expect("a key file")
    }

    /// The address the server listens on, which stays the same after a restart.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The metrics of the server, in the text format of Prometheus.
    pub async fn metrics(&self) -> String {
        let (status, text) = self.ask_metrics("GET", "/metrics").await;
        assert!(status.ends_with(" 200 OK"), "{status}");
        text
    }

    /// Sends a request to the endpoint of metrics: the first line of the response, and its body.
    pub async fn ask_metrics(&self, method: &str, path: &str) -> (String, String) {
        let running = self.server.running.lock().await;
        let address = running.as_ref().and_then(RunningServer::metrics_address).expect("it runs");
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: metrics\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).await.expect("a response");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    /// The lines of the audit log of all servers of this test that were stopped.
    pub fn audit_log(&self) -> String {
        std::fs::read_to_string(self.server.logs.path().join(AUDIT_LOG)).unwrap_or_default()
    }

    /// Stops the server gracefully.
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Stops the server, and removes its database.
    pub async fn finish(self) {
        self.server.stop().await;
        self.server.database.remove().await;
    }

    /// Stops the server if it runs, and starts it on the same database and address.
    pub async fn restart(&self) {
        self.restart_with(|_| {}).await;
    }

    /// [`TestApp::restart`] with changed settings.
    pub async fn restart_with(&self, change: impl FnOnce(&mut Config)) {
        self.server.stop().await;
        let mut config = self.server.config.clone();
        change(&mut config);
        let running = Server::start(config).await.expect("the server starts again");
        *self.server.running.lock().await = Some(running);
    }

    /// Builds another client of this server.
    pub fn builder(&self) -> ClientBuilder {
        builder(self.address())
    }

    /// A tonic channel with small flow-control windows, so that the server notices a slow reader at once.
    pub async fn narrow_channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address()))
            .expect("an address")
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(65_535)
            .connect()
            .await
            .expect("a connection")
    }

    /// A raw HTTP/2 connection, for requests that no gRPC library sends.
    pub async fn wire(&self) -> Wire {
        Wire::connect(self.address()).await
    }

    /// The SDK client of this test.
    pub fn client(&self) -> &ContactsClient {
        &self.client
    }

    /// ContactService.
    pub fn contacts(&self) -> Contacts {
        self.client.contacts()
    }

    /// OptInService.
    pub fn opt_in(&self) -> OptIn {
        self.client.opt_in()
    }

    /// TagService.
    pub fn tags(&self) -> Tags {
        self.client.tags()
    }

    /// AttributeService.
    pub fn attributes(&self) -> Attributes {
        self.client.attributes()
    }

    /// WebhookService.
    pub fn webhooks(&self) -> Webhooks {
        self.client.webhooks()
    }

    /// WorkspaceService.
    pub fn workspaces(&self) -> Workspaces {
        self.client.workspaces()
    }

    /// The server's status in the health service.
    pub async fn health(&self) -> ServingStatus {
        let channel = self.narrow_channel().await;
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(channel).check(request).await.expect("a health check");
        answer.into_inner().status()
    }

    /// Checks that the server is healthy and that reads, writes and checks work.
    pub async fn assert_alive(&self) {
        // A probe may have met what the test did to the database: the next one does not.
        let begin = Instant::now();
        while self.health().await != ServingStatus::Serving {
            assert!(begin.elapsed() < Duration::from_secs(20), "it stays NOT_SERVING");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let alive = "15559999999";
        self.opt_in().record_opt_out(alive).await.expect("a write");
        let checked = self.opt_in().check(alive, MessageCategory::Marketing).await;
        assert!(!checked.expect("a check").is_allowed());
        self.contacts().count().await.expect("a read");
    }
}

impl TestServer {
    async fn stop(&self) {
        let Some(running) = self.running.lock().await.take() else { return };
        let stopped = timeout(TIMEOUT, running.stop()).await;
        stopped.expect("the server stops in time").expect("the server stops without an error");
    }
}

fn builder(address: SocketAddr) -> ClientBuilder {
    ContactsClient::builder(format!("http://{address}")).deadline(TIMEOUT).check_deadline(TIMEOUT)
}
