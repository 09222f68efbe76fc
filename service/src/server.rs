//! A server from its settings to its end.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::config::{Auth, Config};
use crate::database::{self, DatabaseFileError, DatabaseLock};
use crate::domain::error::Error;
use crate::grpc;
use crate::key_file::KeyFileError;
use crate::maintenance::maintain;
use crate::operations::{api_tokens, workspaces};
use crate::runtime::{SideRuntime, Watchdog};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::telemetry::audit::AuditLog;
use crate::telemetry::metrics::{BUILD_INFO, Metrics, endpoint};
use crate::tls::{Tls, TlsError};
use crate::webhook_secrets::{WebhookSecretError, WebhookSecrets};

/// Why a server did not start, or stopped by itself, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or not one of this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Address in the settings.
        address: String,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// Other machines could use the service.
    #[error(
        "{address} can be reached by other machines: set {missing}, or listen on 127.0.0.1, or set \
         --insecure if the network or a proxy protects the port"
    )]
    Exposed {
        /// Address in the settings.
        address: String,
        /// The settings that would protect it.
        missing: &'static str,
    },
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database cannot be opened.
    #[error("cannot open {database}: {}", root(.source))]
    Database {
        /// URL in the settings, without password.
        database: String,
        /// Error of the store.
        source: Error,
    },
    /// The SQLite file cannot be used.
    #[error(transparent)]
    DatabaseFile(#[from] DatabaseFileError),
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The file with the secrets of webhooks cannot be used.
    #[error(transparent)]
    WebhookSecrets(#[from] WebhookSecretError),
    /// The settings name no key file for a Postgres database.
    #[error(
        "a Postgres database needs --key-file, the same for all its servers: create one with \
         `contacts-service key create --key-file contacts.key`"
    )]
    NoKeyFile,
    /// The audit log cannot be written.
    #[error("cannot write the audit log {path}: {source}")]
    AuditLog {
        /// Path in the settings.
        path: String,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// Serving failed.
    #[error("cannot serve: {0}")]
    Serve(#[from] std::io::Error),
}

/// The innermost cause of an error: what the person who starts the server can act on.
fn root(error: &Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Binds the listen address.
///
/// # Errors
/// When the address is in use or does not exist, or other machines could reach it.
pub async fn bind(config: &Config) -> Result<TcpListener, ServerError> {
    bind_to(&config.listener.listen, config).await
}

async fn bind_to(address: &str, config: &Config) -> Result<TcpListener, ServerError> {
    let failed = |source| ServerError::Listen { address: address.to_owned(), source };
    let found: Vec<SocketAddr> = lookup_host(address).await.map_err(failed)?.collect();
    if found.iter().any(|address| !address.ip().is_loopback())
        && let Some(missing) = missing_protection(config)
    {
        return Err(ServerError::Exposed { address: address.to_owned(), missing });
    }
    TcpListener::bind(found.as_slice()).await.map_err(failed)
}

/// The settings that a server needs which other machines can reach.
fn missing_protection(config: &Config) -> Option<&'static str> {
    match (config.access.auth, &config.access.tls_cert) {
        _ if config.listener.insecure => None,
        (Auth::Tokens, Some(_)) => None,
        (Auth::Tokens, None) => Some("--tls-cert and --tls-key"),
        (Auth::None, Some(_)) => Some("--auth tokens"),
        (Auth::None, None) => Some("--auth tokens, --tls-cert and --tls-key"),
    }
}

/// Time that the database has to finish writes and to close, when the server stops.
const CLOSING: Duration = Duration::from_secs(1);

/// Keeps the TLS certificates current.
async fn watch(tls: Option<&Tls>) -> Infallible {
    match tls {
        Some(tls) => tls.watch().await,
        None => std::future::pending().await,
    }
}

/// A server whose database is open.
pub struct Server {
    config: Config,
    store: Store,
    engine: String,
    lock: Option<DatabaseLock>,
    webhook_secrets: WebhookSecrets,
    tls: Option<Tls>,
    metrics: Arc<Metrics>,
    metrics_listener: Option<TcpListener>,
    audit: Arc<AuditLog>,
}

impl Server {
    /// Opens the database, and creates the workspace `default` in a new one. Binds the address for
    /// metrics, if there is one.
    ///
    /// # Errors
    /// When the database cannot be opened or written, or is a SQLite file that another server uses;
    /// when the file with the secrets of webhooks cannot be used, or the audit log not be written;
    /// or when the address for metrics is in use, does not exist, or other machines could reach it.
    pub async fn open(config: Config) -> Result<Self, ServerError> {
        let metrics_listener = match &config.listener.metrics_listen {
            Some(address) => Some(bind_to(address, &config).await?),
            None => None,
        };
        let metrics = Arc::new(match metrics_listener {
            Some(_) => Metrics::recorded(),
            None => Metrics::default(),
        });
        let audit = AuditLog::open(&config.log.audit_log, &metrics).map_err(|source| {
            ServerError::AuditLog { path: config.log.audit_log.to_string(), source }
        })?;
        let secret_file = config.webhook.webhook_secret_file.as_deref();
        let webhook_secrets =
            secret_file.map(WebhookSecrets::read).transpose()?.unwrap_or_default();
        let tls = Tls::open(&config.access)?;
        let (store, lock) = database::open_and_upgrade(&config).await?;
        let store = store.measured(&metrics);
        let failed =
            |source| ServerError::Database { database: config.database.url.to_string(), source };
        workspaces::ensure_default(&store).await.map_err(failed)?;
        store.connect_checks().await.map_err(failed)?;
        let engine = store.engine_version().await.map_err(failed)?;
        if config.access.auth == Auth::Tokens
            && !api_tokens::any_valid(&store).await.map_err(failed)?
        {
            tracing::warn!(
                "there is no valid API token: create one with `contacts-service token create`"
            );
        }
        metrics.gauge(&BUILD_INFO, &[env!("CARGO_PKG_VERSION"), &engine]).set(1.0);
        let audit = Arc::new(audit);
        Ok(Self {
            config,
            store,
            engine,
            lock,
            webhook_secrets,
            tls,
            metrics,
            metrics_listener,
            audit,
        })
    }

    /// Address that metrics are served on.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `shutdown`. Then it reports NOT_SERVING; after the shutdown delay it accepts no
    /// more connections, ends streams with SERVER_DRAIN or SHUTTING_DOWN, waits for running calls,
    /// and cuts off those that are left, so that the grace period is enough for the database too.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        log_start(&self, listener.local_addr()?);
        let Self {
            config,
            store,
            lock,
            webhook_secrets,
            tls,
            metrics,
            metrics_listener,
            audit,
            ..
        } = self;
        let watchdog = Watchdog::start()?;
        watchdog.measured(&metrics);
        // Until the end, so that the shutdown can be watched.
        let _endpoint = metrics_listener.map(|listener| {
            AbortOnDropHandle::new(tokio::spawn(endpoint::serve(Arc::clone(&metrics), listener)))
        });
        let steps = Shutdown::default();
        let grace = config.timeouts.shutdown_grace;
        let api = (store.clone(), webhook_secrets);
        let listener = (listener, tls.clone());
        let telemetry = (metrics, Arc::clone(&audit));
        let background = SideRuntime::background()?;
        let serving = grpc::serve(api, telemetry, listener, &config, background, steps.clone());
        let mut serving = Box::pin(serving);
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = shutdown => None,
            never = maintain(&store, config.retention) => match never {},
            never = watch(tls.as_ref()) => match never {},
        };
        let result = match ended {
            Some(ended) => ended,
            None => {
                tracing::info!("stopping");
                steps.begun.cancel();
                let ended = timeout(config.timeouts.shutdown_delay, &mut serving).await.ok();
                steps.drain.cancel();
                let calls_grace = grace - CLOSING.min(grace / 4);
                match ended {
                    Some(ended) => ended,
                    None => timeout(calls_grace, &mut serving).await.unwrap_or_else(|_| {
                        tracing::warn!("cutting off calls that still run after the grace period");
                        Ok(())
                    }),
                }
            }
        };
        // Cuts off the calls that are left.
        drop(serving);
        // Writes go on when their clients are gone. The database waits for them, but not forever.
        if timeout(CLOSING, store.close()).await.is_err() {
            tracing::warn!("the database did not close in time");
        }
        audit.flush().await;
        drop(lock);
        tracing::info!("stopped");
        Ok(result?)
    }

    /// Starts a server inside this program.
    ///
    /// # Errors
    /// When its address is taken, or its database cannot be opened.
    pub async fn start(config: Config) -> Result<RunningServer, ServerError> {
        let listener = bind(&config).await?;
        let address = listener.local_addr()?;
        let server = Self::open(config).await?;
        let metrics_address = server.metrics_address();
        let shutdown = CancellationToken::new();
        let serving = server.serve(listener, shutdown.clone().cancelled_owned());
        let task = tokio::spawn(serving);
        Ok(RunningServer { address, metrics_address, task, shutdown: shutdown.drop_guard() })
    }
}

/// A server inside this program. Dropping it stops it too, without waiting until it has.
pub struct RunningServer {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    task: JoinHandle<Result<(), ServerError>>,
    shutdown: DropGuard,
}

impl RunningServer {
    /// Address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Address that metrics are served on.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Stops it, and waits until it has.
    ///
    /// # Errors
    /// When it had stopped by itself.
    pub async fn stop(self) -> Result<(), ServerError> {
        drop(self.shutdown);
        self.task.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
    }
}

/// One line with what an operator needs to know of this server, and no secrets.
fn log_start(server: &Server, address: SocketAddr) {
    let Server { config, engine, .. } = server;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database.engine = engine.as_str(),
        database.url = %config.database.url,
        listen.address = %address,
        listen.metrics = server.metrics_address().map(tracing::field::display),
        access.log = ?config.log.access_log,
        audit.log = %config.log.audit_log,
        listen.insecure = config.listener.insecure,
        listen.tls = config.access.tls_cert.is_some(),
        listen.client_certificates = config.access.tls_client_ca.is_some(),
        access.auth = config.access.auth.name(),
        limits.max_concurrent_requests = config.limits.max_concurrent_requests,
        limits.max_concurrent_bulk = config.limits.max_concurrent_bulk,
        limits.max_connections = config.limits.max_connections,
        limits.max_connection_streams = config.limits.max_connection_streams,
        limits.max_request_size = %config.limits.max_request_size,
        timeouts.idle = ?config.timeouts.idle_timeout,
        timeouts.default_deadline = ?config.timeouts.default_deadline,
        timeouts.max_deadline = ?config.timeouts.max_deadline,
        timeouts.shutdown_delay = ?config.timeouts.shutdown_delay,
        timeouts.shutdown_grace = ?config.timeouts.shutdown_grace,
        "listening"
    );
}

/// Opens the database and serves until `shutdown`, see [`Server`].
///
/// # Errors
/// When the database cannot be opened, or serving fails.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let shutdown = pin!(shutdown);
    Server::open(config).await?.serve(listener, shutdown).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AuditTarget;
    use crate::key_file;

    fn config(listen: &str) -> Config {
        let mut config = Config::for_tests("unused.db");
        listen.clone_into(&mut config.listener.listen);
        config
    }

    #[tokio::test]
    async fn other_machines_are_served_only_with_insecure() {
        for listen in ["127.0.0.1:0", "localhost:0"] {
            assert!(bind(&config(listen)).await.is_ok());
        }
        let mut insecure = config("0.0.0.0:0");
        for (auth, cert, missing) in [
            (Auth::None, None, "--auth tokens, --tls-cert and --tls-key"),
            (Auth::Tokens, None, "set --tls-cert and --tls-key,"),
            (Auth::None, Some("x.pem"), "set --auth tokens,"),
        ] {
            insecure.access.auth = auth;
            insecure.access.tls_cert = cert.map(Into::into);
            let error = bind(&insecure).await.expect_err("exposed").to_string();
            assert!(error.contains("--insecure") && error.contains(missing), "{error}");
        }
        insecure.access.auth = Auth::Tokens;
        assert!(bind(&insecure).await.is_ok());
        insecure.access.auth = Auth::None;
        insecure.listener.insecure = true;
        assert!(bind(&insecure).await.is_ok());
        let error = bind(&config("127.0.0.1")).await.expect_err("no port");
        assert!(error.to_string().starts_with("cannot listen on 127.0.0.1"), "{error}");
    }

    #[tokio::test]
    async fn metrics_are_shown_to_other_machines_only_with_insecure() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut exposed = Config::for_tests(folder.path().join("contacts.db"));
        exposed.listener.metrics_listen = Some("0.0.0.0:0".to_owned());
        let error = Server::open(exposed.clone()).await.err().expect("exposed").to_string();
        assert!(error.contains("0.0.0.0:0") && error.contains("--insecure"), "{error}");
        exposed.listener.insecure = true;
        let server = Server::open(exposed).await.expect("a server");
        assert!(server.metrics_address().is_some());
    }

    #[tokio::test]
    async fn an_audit_log_that_cannot_be_written_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::for_tests(folder.path().join("contacts.db"));
        let path = folder.path().join("none").join("audit.jsonl");
        config.log.audit_log = AuditTarget::File(path.clone());
        let error = Server::open(config).await.err().expect("no folder").to_string();
        assert!(error.contains(&*path.to_string_lossy()), "{error}");
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_in_one_line() {
        let taken = bind(&config("127.0.0.1:0")).await.expect("a port");
        let address = taken.local_addr().expect("an address").to_string();
        let error = bind(&config(&address)).await.expect_err("taken").to_string();
        assert!(error.contains("in use"), "{error}");
    }

    #[tokio::test]
    async fn an_unreachable_database_is_told_without_its_password() {
        let mut config = config("127.0.0.1:0");
        config.database.url = "postgres://ana:secret@127.0.0.1:1/contacts".parse().expect("a URL");
        let error = Server::open(config.clone()).await.err().expect("no keys").to_string();
        assert!(error.contains("contacts-service key create"), "{error}");

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("contacts.key");
        key_file::create(&path).expect("a key file");
        config.database.key_file = Some(path);
        let error = Server::open(config).await.err().expect("nobody listens").to_string();
        assert!(error.contains("cannot open") && !error.contains("secret"), "{error}");
    }
}
