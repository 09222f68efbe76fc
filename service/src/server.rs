//! A server from its settings to its end.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{Config, Database, Retention};
use crate::domain::error::Error;
use crate::domain::keyring::Keyring;
use crate::grpc;
use crate::key_file::{self, KeyFileError};
use crate::operations::{retention, workspaces};
use crate::store::{Store, loggable, postgres, sqlite};

/// Why a server does not start or ended early, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As in the settings.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Anybody could use the service.
    #[error(
        "{address} can be reached by other machines, and this version has no TLS and no \
         authentication: listen on 127.0.0.1, or say --insecure if your network protects it"
    )]
    Exposed {
        /// As in the settings.
        address: String,
    },
    /// The database does not open.
    #[error("cannot open {database}: {}", root(.source))]
    Database {
        /// As in the settings, without password.
        database: String,
        /// Why.
        source: Error,
    },
    /// There are no keys.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Nobody said where the keys are.
    #[error(
        "a Postgres database needs --key-file, the same for all its servers: make one with \
         `contacts-service key create --key-file contacts.key`"
    )]
    NoKeyFile,
    /// Serving ended by itself.
    #[error("cannot serve: {0}")]
    Serve(#[from] std::io::Error),
}

/// The cause at the bottom of an error: what a person starting the server can
/// do something about.
fn root(error: &Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Opens the socket of these settings.
///
/// # Errors
/// When the address is in use or does not exist, or others could reach it.
pub async fn bind(config: &Config) -> Result<TcpListener, ServerError> {
    let address = &config.listen;
    let failed = |source| ServerError::Listen { address: address.clone(), source };
    let found: Vec<SocketAddr> = lookup_host(address).await.map_err(failed)?.collect();
    if !config.insecure && found.iter().any(|address| !address.ip().is_loopback()) {
        return Err(ServerError::Exposed { address: address.clone() });
    }
    TcpListener::bind(found.as_slice()).await.map_err(failed)
}

/// Opens the database of these settings.
///
/// # Errors
/// When it cannot be opened, or is Postgres and not migrated.
pub async fn open_store(config: &Config) -> Result<Store, ServerError> {
    let clock = system_clock();
    let keyring = keyring(config).await?;
    if config.migrate {
        migrate(config, false).await?;
    }
    let opened = match &config.database {
        Database::Sqlite(path) => sqlite::open(path, clock, keyring).await,
        Database::Postgres(url) => {
            postgres::open(url, postgres::PostgresOptions::default(), clock, keyring).await
        }
    };
    let opened = opened.map_err(|source| failed(&config.database, source))?;
    Ok(opened.with_response_retention(config.retention.response_retention))
}

/// The clock of every store that this program opens.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
fn system_clock() -> crate::store::Clock {
    Arc::new(chrono::Utc::now)
}

async fn migrate_postgres(url: &str, citus: bool) -> Result<(), Error> {
    postgres::migrate(url).await?;
    if citus {
        postgres::distribute(url).await?;
    }
    Ok(())
}

/// Where the keys of these settings are.
///
/// # Errors
/// When the database is Postgres and no file is named.
pub fn key_path(config: &Config) -> Result<PathBuf, ServerError> {
    match (&config.key_file, &config.database) {
        (Some(path), _) => Ok(path.clone()),
        (None, Database::Sqlite(path)) => {
            let mut path = path.as_os_str().to_owned();
            path.push(".key");
            Ok(path.into())
        }
        (None, Database::Postgres(_)) => Err(ServerError::NoKeyFile),
    }
}

/// Reads the keys. A new SQLite database gets one beside it.
async fn keyring(config: &Config) -> Result<Keyring, ServerError> {
    let path = key_path(config)?;
    match (key_file::read(&path), &config.key_file, &config.database) {
        (Err(KeyFileError::Missing(_)), None, Database::Sqlite(database)) => {
            let keyed = sqlite::is_keyed(database).await;
            if keyed.map_err(|source| failed(&config.database, source))? {
                return Err(KeyFileError::Missing(path).into());
            }
            Ok(key_file::create(&path)?)
        }
        (read, ..) => Ok(read?),
    }
}

/// Brings a database up to this version; with `citus` distributes its tables.
/// Several may try at once.
///
/// # Errors
/// When it cannot be reached or changed.
pub async fn migrate(config: &Config, citus: bool) -> Result<(), ServerError> {
    let database = &config.database;
    let keyring = keyring(config).await?;
    let clock = system_clock();
    let migrated = match database {
        Database::Sqlite(path) => match sqlite::open(path, clock, keyring).await {
            Ok(store) => {
                store.close().await;
                Ok(())
            }
            Err(error) => Err(error),
        },
        Database::Postgres(url) => migrate_postgres(url, citus).await,
    };
    migrated.map_err(|source| failed(database, source))
}

/// What is done beside serving, now and every hour. Several servers may.
async fn maintain(store: &Store, retention: Retention) -> Infallible {
    const EVERY: Duration = Duration::from_secs(3600);
    loop {
        let done = async {
            retention::sweep(store, retention.suppression_retention.0).await?;
            store.vacuum().await
        };
        if let Err(error) = done.await {
            let cause = StdError::source(&error).map(loggable);
            tracing::warn!(error.cause = cause, "maintenance is put off");
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn failed(database: &Database, source: Error) -> ServerError {
    ServerError::Database { database: database.to_string(), source }
}

/// A server whose database is open.
pub struct Server {
    config: Config,
    store: Store,
}

impl Server {
    /// Opens the database, and makes the workspace `default` in a new one.
    ///
    /// # Errors
    /// When the database cannot be opened or written.
    pub async fn open(config: Config) -> Result<Self, ServerError> {
        let store = open_store(&config).await?;
        let default = workspaces::ensure_default(&store).await;
        default.map_err(|source| failed(&config.database, source))?;
        Ok(Self { config, store })
    }

    /// Serves until `shutdown`: then no connection is accepted any more, streams
    /// are told to go on elsewhere, calls under way end, and what is left after
    /// the grace period is cut.
    ///
    /// # Errors
    /// When serving ends by itself.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let Self { config, store } = self;
        let drain = CancellationToken::new();
        let grace = config.limits.shutdown_grace;
        let mut serving = Box::pin(grpc::serve(
            store.clone(),
            listener,
            &config.limits,
            !config.no_reflection,
            drain.clone(),
        ));
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = shutdown => None,
            never = maintain(&store, config.retention) => match never {},
        };
        let result = match ended {
            Some(ended) => ended,
            None => {
                tracing::info!("stopping");
                drain.cancel();
                timeout(grace, &mut serving).await.unwrap_or_else(|_| {
                    tracing::warn!("calls were still under way after the grace period");
                    Ok(())
                })
            }
        };
        // Cuts what is left.
        drop(serving);
        // Changes go on when their callers are gone; a database waits for them,
        // but not for one that hangs.
        if timeout(grace, store.close()).await.is_err() {
            tracing::warn!("the database did not close in time");
        }
        Ok(result?)
    }

    /// Starts a server inside of this program.
    ///
    /// # Errors
    /// When its address or its database cannot be had.
    pub async fn start(config: Config) -> Result<RunningServer, ServerError> {
        let listener = bind(&config).await?;
        let address = listener.local_addr()?;
        let server = Self::open(config).await?;
        let shutdown = CancellationToken::new();
        let serving = server.serve(listener, shutdown.clone().cancelled_owned());
        Ok(RunningServer { address, task: tokio::spawn(serving), shutdown: shutdown.drop_guard() })
    }
}

/// A server inside of this program. Stops when it is dropped, too, but then
/// nobody waits for it.
pub struct RunningServer {
    address: SocketAddr,
    task: JoinHandle<Result<(), ServerError>>,
    shutdown: DropGuard,
}

impl RunningServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, and waits until it has.
    ///
    /// # Errors
    /// When it ended by itself before.
    pub async fn stop(self) -> Result<(), ServerError> {
        drop(self.shutdown);
        self.task.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
    }
}

/// Opens the database and serves until `shutdown`, see [`Server`].
///
/// # Errors
/// When the database cannot be opened, or serving ends by itself.
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

    #[tokio::test]
    async fn only_this_machine_is_served_unless_told_otherwise() {
        let bind = |listen: &str, insecure| {
            let listen = listen.to_owned();
            let config = Config { listen, insecure, ..Config::for_tests("unused.db") };
            async move { bind(&config).await }
        };
        assert!(bind("127.0.0.1:0", false).await.is_ok());
        assert!(bind("localhost:0", false).await.is_ok());
        assert!(bind("0.0.0.0:0", true).await.is_ok());
        let error = bind("0.0.0.0:0", false).await.expect_err("exposed");
        assert!(error.to_string().contains("--insecure"), "{error}");
        let error = bind("127.0.0.1", false).await.expect_err("no port");
        assert!(error.to_string().starts_with("cannot listen on 127.0.0.1"), "{error}");
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_in_a_sentence() {
        let taken = bind(&Config::for_tests("unused.db")).await.expect("a port");
        let listen = taken.local_addr().expect("an address").to_string();
        let config = Config { listen, ..Config::for_tests("unused.db") };
        let error = bind(&config).await.expect_err("taken").to_string();
        assert!(error.contains("in use"), "{error}");
    }

    #[tokio::test]
    async fn a_database_out_of_reach_is_told_without_its_password() {
        let database = "postgres://ana:secret@127.0.0.1:1/contacts".parse().expect("a URL");
        let config = Config { database, ..Config::for_tests("unused.db") };
        let error = open_store(&config).await.err().expect("no keys").to_string();
        assert!(error.contains("contacts-service key create"), "{error}");

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("contacts.key");
        key_file::create(&path).expect("a key file");
        let config = Config { key_file: Some(path), ..config };
        let error = open_store(&config).await.err().expect("nobody listens").to_string();
        assert!(error.contains("cannot open") && !error.contains("secret"), "{error}");
    }
}
