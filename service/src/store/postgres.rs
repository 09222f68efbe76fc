//! Postgres: the same service on a real database, many processes of it, and
//! with Citus past one machine.
//!
//! Every statement names its workspace, and every key begins with it: Citus
//! sends each to the one machine that has it. Nothing here depends on a
//! sequence, a trigger, a notification or an advisory lock.

mod connection;
mod consent;
mod contacts;
mod copy;
mod definitions;
mod duplicates;
mod events;
mod filter;
mod idempotency;
mod ids;
mod pages;
mod receipts;
mod redirects;
mod rows;
mod schema;
mod session;
mod suppression;
mod terms;
mod usage;
mod workspaces;

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

pub use self::connection::PostgresOptions;
use self::connection::{DisconnectTracker, PoolRole, Watch, pool};
pub use self::schema::{distribute, migrate};
use self::session::PostgresSession;
use super::{Backend, CheckRows, Clock, ReadPurpose, Session, Store};
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids::IdMaker;
use crate::domain::keyring::{KeyId, Keyring};
use crate::domain::phone::MatchKey;

/// Opens a database that [`migrate`] made ready.
///
/// # Errors
/// When it cannot be reached, its schema is not the one of this version, or it
/// was used with other keys.
pub async fn open(
    url: &str,
    options: PostgresOptions,
    clock: Clock,
    keyring: Keyring,
) -> Result<Store> {
    let connect = connect_options(url)?;
    schema::verify(&connect, options.acquire_timeout).await?;
    let disconnects = Arc::default();
    let make = |usage| pool(connect.clone(), &options, usage, &disconnects);
    let backend = PostgresBackend {
        checks: make(PoolRole::Check),
        unary: make(PoolRole::Unary),
        stream: make(PoolRole::Stream),
        writers: make(PoolRole::Write),
        options,
        disconnects,
    };
    // Several processes make ids. They differ in their random part, and a
    // contact's place in a stream is its whole id.
    Store::new(Arc::new(backend), clock, IdMaker::after(0), keyring).await
}

fn connect_options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        let message = "the database URL has to be postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        Error::invalid(Reason::InvalidArgument, "database_url", message).caused_by(error)
    })?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("contacts-service"),
    })
}

struct PostgresBackend {
    checks: PgPool,
    unary: PgPool,
    stream: PgPool,
    writers: PgPool,
    options: PostgresOptions,
    disconnects: Arc<DisconnectTracker>,
}

impl PostgresBackend {
    fn watch(&self, usage: PoolRole) -> Watch {
        Watch::new(&self.options, usage, &self.disconnects)
    }
}

#[async_trait]
impl Backend for PostgresBackend {
    async fn begin(&self) -> Result<Box<dyn Session>> {
        let connection = self.writers.acquire().await.map_err(Error::unavailable)?;
        let session = PostgresSession::begin(connection, self.watch(PoolRole::Write)).await?;
        Ok(Box::new(session))
    }

    async fn reader(&self, purpose: ReadPurpose) -> Result<Box<dyn Session>> {
        let (pool, usage) = match purpose {
            ReadPurpose::Unary | ReadPurpose::Snapshot => (&self.unary, PoolRole::Unary),
            ReadPurpose::Stream => (&self.stream, PoolRole::Stream),
        };
        let connection = pool.acquire().await.map_err(Error::unavailable)?;
        let watch = self.watch(usage);
        Ok(Box::new(match purpose {
            ReadPurpose::Unary | ReadPurpose::Stream => PostgresSession::reader(connection, watch),
            ReadPurpose::Snapshot => PostgresSession::snapshot(connection, watch).await?,
        }))
    }

    async fn check(&self, workspace_id: &str, keys: &[MatchKey]) -> Result<Option<CheckRows>> {
        let mut connection = self.checks.acquire().await.map_err(Error::unavailable)?;
        self.watch(PoolRole::Check).over(consent::check(&mut connection, workspace_id, keys)).await
    }

    fn parallel_writes(&self) -> usize {
        2
    }

    async fn check_suppressed(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
    ) -> Result<(CheckRows, Vec<KeyId>)> {
        let mut connection = self.checks.acquire().await.map_err(Error::unavailable)?;
        let read = async {
            let found = consent::check(&mut connection, workspace_id, keys).await?;
            // Behind the rows: the key of each of them was registered before it.
            let keys = suppression::keys_of(&mut connection, workspace_id).await?;
            Ok((found.unwrap_or_default(), keys))
        };
        self.watch(PoolRole::Check).over(read).await
    }

    async fn suppression_keys(&self) -> Result<Vec<KeyId>> {
        let mut connection = self.unary.acquire().await.map_err(Error::unavailable)?;
        self.watch(PoolRole::Unary).over(suppression::all_keys(&mut connection)).await
    }

    async fn vacuum(&self) -> Result<()> {
        // Autovacuum does.
        Ok(())
    }

    async fn engine_version(&self) -> Result<String> {
        let mut connection = self.unary.acquire().await.map_err(Error::unavailable)?;
        let version = sqlx::query_scalar("SELECT current_setting('server_version')");
        let version: String = version.fetch_one(&mut *connection).await.map_err(failure)?;
        Ok(format!("Postgres {version}"))
    }

    async fn close(&self) {
        for pool in [&self.checks, &self.stream, &self.unary, &self.writers] {
            pool.close().await;
        }
    }
}

/// Says of a failure whether to retry, and nothing of the data it met. By its
/// SQLSTATE alone: Citus passes on no name of a table or constraint.
fn failure(error: sqlx::Error) -> Error {
    let Some(code) = sqlstate(&error) else {
        return match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed => Error::unavailable(error),
            _ => Error::internal(error),
        };
    };
    match &*code {
        // Unique violation, serialization failure, deadlock.
        "23505" | "40001" | "40P01" => Error::write_conflict().caused_by(error),
        // Read-only transaction, idle transaction ended, lock not available.
        "25006" | "25P03" | "55P03" => Error::unavailable(error),
        // No connection, no resources, operator's intervention, system error.
        code if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            Error::unavailable(error)
        }
        _ => Error::internal(error),
    }
}

/// Refuses to go on when a statement found other rows than were read before.
fn expect_rows(found: u64, expected: usize) -> Result<()> {
    if found == expected as u64 { Ok(()) } else { Err(Error::write_conflict()) }
}

/// Whether an error means that its connection, and with it most likely every
/// other, leads nowhere or to a server that no longer takes changes.
fn is_disconnected(error: &Error) -> bool {
    let Some(cause) = std::error::Error::source(error) else { return false };
    if cause.is::<tokio::time::error::Elapsed>() {
        return true;
    }
    match cause.downcast_ref() {
        Some(sqlx::Error::Io(_)) => true,
        Some(error) => sqlstate(error).is_some_and(|code| {
            code.starts_with("08") || code.starts_with("57P") || code == "25006"
        }),
        None => false,
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

/// Rows bound in one statement.
const ROWS: usize = 1000;

fn micros(time: Time) -> i64 {
    time.timestamp_micros()
}

fn time(micros: i64) -> Time {
    Time::from_timestamp_micros(micros).unwrap_or_default()
}
