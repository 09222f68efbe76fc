//! SQLite: the embedded default. One process, one file, no set-up.

mod attributes;
mod connection;
mod consent;
mod contacts;
mod definitions;
mod duplicates;
mod events;
mod filter;
mod idempotency;
mod name_index;
mod pages;
mod receipts;
mod redirects;
mod row_batch;
mod session;
mod suppression;
mod vacuum;
mod workspaces;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

pub use self::connection::{Access, SqliteOptions};
use self::session::SqliteSession;
use super::{Backend, CheckRows, Clock, ReadPurpose, Session, Store};
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids::IdMaker;
use crate::domain::keyring::{KeyId, Keyring};
use crate::domain::phone::MatchKey;

static MIGRATOR: Migrator = sqlx::migrate!("src/store/sqlite/migrations");

/// Opens the database in this file. With [`Access::Create`] creates or upgrades it first.
///
/// # Errors
/// When the file cannot be opened, is of another version of this service, or was used with other
/// keys.
pub async fn open(
    path: &Path,
    access: Access,
    options: &SqliteOptions,
    clock: Clock,
    keyring: Keyring,
) -> Result<Store> {
    let writer = options.writer(path, access).await?;
    match access {
        Access::Create => migrate(&writer).await?,
        Access::Write | Access::Read => verify(&writer).await?,
    }
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(last), 0) FROM sequence")
        .fetch_one(&writer)
        .await
        .map_err(failure)?;
    let (unary, stream, checks) = options.readers(path, access);
    let backend = SqliteBackend { unary, stream, checks, writer };
    let ids = IdMaker::after(u64::try_from(last).unwrap_or(0));
    Store::new(Arc::new(backend), clock, ids, keyring).await
}

async fn migrate(writer: &SqlitePool) -> Result<()> {
    MIGRATOR.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) => newer(),
        MigrateError::Execute(error) => failure(error),
        _ => Error::internal(error),
    })
}

/// Refuses a schema that is not the one of this version.
async fn verify(writer: &SqlitePool) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')";
    let has_schema: bool = sqlx::query_scalar(sql).fetch_one(writer).await.map_err(failure)?;
    if !has_schema {
        let message = "it has no schema yet: start the server, or run `contacts-service migrate`";
        return Err(Error::new(Reason::DatabaseUnavailable, message));
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(writer)
            .await
            .map_err(failure)?;
    if applied.iter().any(|version| !MIGRATOR.version_exists(*version)) {
        return Err(newer());
    }
    if applied.len() < MIGRATOR.iter().count() {
        let message = "it has the schema of an older version: start the server, or run \
                       `contacts-service migrate`";
        return Err(Error::new(Reason::DatabaseUnavailable, message));
    }
    Ok(())
}

fn newer() -> Error {
    let message = "it has the schema of a newer version: run that version of the service";
    Error::new(Reason::DatabaseUnavailable, message)
}

/// Whether anything may be stored under suppression keys in this file.
///
/// # Errors
/// When it is there and cannot be read.
pub async fn is_keyed(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    // Rights to write, or it could not recover the log of a server that was killed.
    let options = SqliteConnectOptions::new().filename(path);
    let mut db = options.connect().await.map_err(failure)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'suppression_key')";
    let has_table: bool = sqlx::query_scalar(sql).fetch_one(&mut db).await.map_err(failure)?;
    let keyed = has_table && !suppression::all_keys(&mut db).await?.is_empty();
    db.close().await.map_err(failure)?;
    Ok(keyed)
}

struct SqliteBackend {
    writer: SqlitePool,
    unary: SqlitePool,
    stream: SqlitePool,
    checks: SqlitePool,
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn begin(&self) -> Result<Box<dyn Session>> {
        // A deferred transaction that turns to writing fails at once.
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        Ok(Box::new(SqliteSession::InTransaction(transaction)))
    }

    async fn reader(&self, purpose: ReadPurpose) -> Result<Box<dyn Session>> {
        let pool = match purpose {
            ReadPurpose::Unary => &self.unary,
            ReadPurpose::Stream => &self.stream,
            ReadPurpose::Snapshot => {
                let transaction = self.unary.begin().await.map_err(failure)?;
                return Ok(Box::new(SqliteSession::InTransaction(transaction)));
            }
        };
        Ok(Box::new(SqliteSession::Reading(pool.acquire().await.map_err(failure)?)))
    }

    async fn check(&self, workspace_id: &str, keys: &[MatchKey]) -> Result<Option<CheckRows>> {
        let mut connection = self.checks.acquire().await.map_err(failure)?;
        consent::check(&mut connection, workspace_id, keys).await
    }

    fn parallel_writes(&self) -> usize {
        1
    }

    async fn check_suppressed(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
    ) -> Result<(CheckRows, Vec<KeyId>)> {
        let mut connection = self.checks.acquire().await.map_err(failure)?;
        let found = consent::check(&mut connection, workspace_id, keys).await?;
        // Behind the rows: the key of each of them was registered before it.
        let keys = suppression::keys_of(&mut connection, workspace_id).await?;
        Ok((found.unwrap_or_default(), keys))
    }

    async fn suppression_keys(&self) -> Result<Vec<KeyId>> {
        suppression::all_keys(&mut *self.unary.acquire().await.map_err(failure)?).await
    }

    async fn vacuum(&self) -> Result<()> {
        let mut writer = self.writer.acquire().await.map_err(failure)?;
        vacuum::vacuum(&mut writer).await
    }

    async fn engine_version(&self) -> Result<String> {
        let mut connection = self.unary.acquire().await.map_err(failure)?;
        let version: String = sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&mut *connection)
            .await
            .map_err(failure)?;
        Ok(format!("SQLite {version}"))
    }

    async fn close(&self) {
        for pool in [&self.checks, &self.stream, &self.unary, &self.writer] {
            pool.close().await;
        }
    }
}

/// Says of a failure whether to retry, and nothing of the data it met.
fn failure(error: sqlx::Error) -> Error {
    /// SQLite's primary result codes of a database that cannot be used now:
    /// busy, locked, read-only, I/O error, corrupt, full, cannot open, no
    /// database.
    const UNUSABLE: [u32; 8] = [5, 6, 8, 10, 11, 13, 14, 26];
    let primary = error
        .as_database_error()
        .and_then(|e| e.code())
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff);
    let unique = error.as_database_error().is_some_and(|e| e.is_unique_violation());
    match error {
        _ if unique => Error::write_conflict().caused_by(error),
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_) => Error::unavailable(error),
        _ if primary.is_some_and(|code| UNUSABLE.contains(&code)) => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

/// Runs statements one after the other. The next is made while SQLite, which
/// has a thread of its own, is at work on the one before.
async fn execute_all(
    db: &mut SqliteConnection,
    mut statements: impl Iterator<Item = QueryBuilder<Sqlite>>,
) -> Result<()> {
    let mut next = statements.next();
    while let Some(mut statement) = next.take() {
        let (done, ()) =
            futures::join!(statement.build().execute(&mut *db), async { next = statements.next() });
        done.map_err(failure)?;
    }
    Ok(())
}

/// Rows bound in one statement: SQLite takes 32 766 values.
const ROWS: usize = 500;

fn micros(time: Time) -> i64 {
    time.timestamp_micros()
}

fn time(micros: i64) -> Time {
    Time::from_timestamp_micros(micros).unwrap_or_default()
}
