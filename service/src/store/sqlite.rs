//! SQLite: the embedded default. One process, one file, no set-up.

mod attributes;
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
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use self::session::SqliteSession;
use super::{Backend, CheckRows, Clock, ReadPurpose, Session, Store};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::ids::IdGenerator;
use crate::domain::keyring::{KeyId, Keyring};
use crate::domain::phone::MatchKey;

/// How long one connection waits for another's lock. There is one writer in
/// this process; who else writes is a tool somebody runs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for a connection before it is UNAVAILABLE.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for checks, which would rather fail than wait.
const CHECK_ACQUIRE_TIMEOUT: Duration = Duration::from_millis(250);
const UNARY_READERS: u32 = 4;
const STREAM_READERS: u32 = 2;
const CHECK_READERS: u32 = 2;
/// Per connection, in KiB. The writer's has to hold what an import touches:
/// its inserts into the index of phone numbers are random.
const WRITER_CACHE_KIB: i64 = 128 * 1024;
const READER_CACHE_KIB: i64 = 16 * 1024;

/// How large the log grows, in pages, before it is folded into the database: a
/// page that an import changes many times is copied once.
const WAL_PAGES: u32 = 32_000;
/// Opens the database in this file, making or upgrading it first.
///
/// # Errors
/// When the file cannot be opened, is of a newer version of this service, or
/// was used with other keys.
pub async fn open(path: &Path, clock: Clock, keyring: Keyring) -> Result<Store> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .locking_mode(SqliteLockingMode::Normal)
        // An acknowledged opt-out survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .page_size(4096)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", WAL_PAGES.to_string());
    let writer_options = options.clone().pragma("cache_size", format!("-{WRITER_CACHE_KIB}"));
    let writer = pool(1, ACQUIRE_TIMEOUT).connect_with(writer_options).await.map_err(failure)?;
    sqlx::migrate!("src/store/sqlite/migrations").run(&writer).await.map_err(Error::internal)?;
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(last), 0) FROM sequence")
        .fetch_one(&writer)
        .await
        .map_err(failure)?;

    let reader_options = options.pragma("cache_size", format!("-{READER_CACHE_KIB}"));
    let reader = |size, wait| pool(size, wait).connect_lazy_with(reader_options.clone());
    let backend = SqliteBackend {
        unary: reader(UNARY_READERS, ACQUIRE_TIMEOUT),
        stream: reader(STREAM_READERS, ACQUIRE_TIMEOUT),
        checks: reader(CHECK_READERS, CHECK_ACQUIRE_TIMEOUT),
        writer,
    };
    let ids = IdGenerator::after(u64::try_from(last).unwrap_or(0));
    Store::new(Arc::new(backend), clock, ids, keyring).await
}

/// Whether anything may be stored under suppression keys in this file.
///
/// # Errors
/// When it is there and cannot be read.
pub async fn is_keyed(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    let mut db = options.connect().await.map_err(failure)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'suppression_key')";
    let has_table: bool = sqlx::query_scalar(sql).fetch_one(&mut db).await.map_err(failure)?;
    let keyed = has_table && !suppression::all_keys(&mut db).await?.is_empty();
    db.close().await.map_err(failure)?;
    Ok(keyed)
}

fn pool(size: u32, wait: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
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
