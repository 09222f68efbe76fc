//! SQLite, the embedded default: one process, one file, no set-up.

mod attribute_json;
mod consent;
mod contact_row;
mod contacts;
mod definitions;
mod directory;
mod duplicates;
mod filter;
mod ledger;
mod name_index;
mod receipts;
mod responses;
mod row_batch;
mod session;
mod suppression;
mod usage;
mod vacuum;
mod values;
mod workspaces;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlitePool};

use self::session::SqliteSession;
use super::{Backend, Clock, ReadPurpose, Reader, Store, Writer};
use crate::domain::error::{Error, Result};
use crate::domain::ids::IdGenerator;
use crate::domain::keyring::Keyring;

/// How long a connection waits for the lock of another one. This process has one
/// writer; others can only be tools that an operator runs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for a connection before it is UNAVAILABLE.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a check waits for a connection before it is UNAVAILABLE.
const CHECK_ACQUIRE_TIMEOUT: Duration = Duration::from_millis(250);
const UNARY_READERS: u32 = 4;
const STREAM_READERS: u32 = 2;
const CHECK_READERS: u32 = 2;
/// Page cache of the writer, in KiB. It has to hold the pages that an import
/// changes, which are spread over the whole index of phone numbers.
const WRITER_CACHE_KIB: i64 = 128 * 1024;
/// Page cache of each reader, in KiB.
const READER_CACHE_KIB: i64 = 16 * 1024;
/// How many pages the write-ahead log holds before it is checkpointed. With a
/// large log, a page that an import changes many times is copied once.
const WAL_PAGES: u32 = 32_000;

/// Opens the database in this file. Creates it if it does not exist, and migrates
/// its schema to this version.
///
/// # Errors
/// When the file cannot be opened, has the schema of a newer version, or uses
/// suppression keys that are not in the keyring.
pub async fn open(path: &Path, clock: Clock, keyring: Keyring) -> Result<Store> {
    let backend = open_backend(path).await?;
    let query = sqlx::query_scalar("SELECT coalesce(max(last), 0) FROM sequence");
    let last: i64 = query.fetch_one(&backend.writer).await?;
    let ids = IdGenerator::after(u64::try_from(last).unwrap_or(0));
    Store::new(Arc::new(backend), clock, ids, keyring).await
}

async fn open_backend(path: &Path) -> Result<SqliteBackend> {
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
    let writer = pool(1, ACQUIRE_TIMEOUT).connect_with(writer_options).await?;
    sqlx::migrate!("src/store/sqlite/migrations").run(&writer).await.map_err(Error::internal)?;
    let reader_options = options
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"))
        // Not opened read-only: that cannot create the files of the write-ahead log.
        .pragma("query_only", "ON");
    let reader = |size, wait| pool(size, wait).connect_lazy_with(reader_options.clone());
    Ok(SqliteBackend {
        unary: reader(UNARY_READERS, ACQUIRE_TIMEOUT),
        stream: reader(STREAM_READERS, ACQUIRE_TIMEOUT),
        checks: reader(CHECK_READERS, CHECK_ACQUIRE_TIMEOUT),
        writer,
    })
}

/// Whether the database in this file uses any suppression key.
///
/// # Errors
/// When the file exists and cannot be read.
pub async fn is_keyed(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    let mut db = options.connect().await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'suppression_key')";
    let has_table: bool = sqlx::query_scalar(sql).fetch_one(&mut db).await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM suppression_key)";
    let is_keyed = has_table && sqlx::query_scalar(sql).fetch_one(&mut db).await?;
    db.close().await?;
    Ok(is_keyed)
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

impl SqliteBackend {
    async fn read_session(&self, purpose: ReadPurpose) -> Result<SqliteSession> {
        let pool = match purpose {
            ReadPurpose::Check => &self.checks,
            ReadPurpose::Unary => &self.unary,
            ReadPurpose::Stream => &self.stream,
            ReadPurpose::Snapshot => {
                return Ok(SqliteSession::Transaction(self.unary.begin().await?));
            }
        };
        Ok(SqliteSession::Autocommit(pool.acquire().await?))
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn begin(&self) -> Result<Box<dyn Writer>> {
        // IMMEDIATE waits for the lock here. A deferred transaction would fail at
        // its first write.
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Box::new(SqliteSession::Transaction(transaction)))
    }

    async fn reader(&self, purpose: ReadPurpose) -> Result<Box<dyn Reader>> {
        Ok(Box::new(self.read_session(purpose).await?))
    }

    fn parallel_writes(&self) -> usize {
        1
    }

    async fn vacuum(&self) -> Result<()> {
        vacuum::vacuum(&mut *self.writer.acquire().await?).await
    }

    async fn close(&self) {
        for pool in [&self.checks, &self.stream, &self.unary, &self.writer] {
            pool.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::Time;
    use crate::domain::error::Reason;
    use crate::domain::ledger::Head;
    use crate::store::{Workspace, WorkspaceReader, WorkspaceWriter};

    fn workspace() -> Workspace {
        Workspace {
            workspace_id: "default".to_owned(),
            display_name: String::new(),
            create_time: Time::default(),
            consent_revision: 0,
            ledger: Head::empty("default"),
            token_key: [0; 32],
            row_key: 0,
        }
    }

    /// The types already keep readers from writing. This is about a writer's method
    /// that is called on the connection of a reader inside this module.
    #[tokio::test]
    async fn connections_of_readers_refuse_writes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("contacts.db");
        let backend = open_backend(&path).await.expect("a database");
        let mut tx = backend.begin().await.expect("a transaction");
        assert!(tx.insert_workspace(&workspace()).await.expect("a workspace"));
        tx.commit().await.expect("a commit");
        for purpose in
            [ReadPurpose::Check, ReadPurpose::Unary, ReadPurpose::Stream, ReadPurpose::Snapshot]
        {
            let mut reader = backend.read_session(purpose).await.expect("a reader");
            let found = reader.workspace("default").await.expect("a read").expect("the workspace");
            let error = reader.delete_workspace(&found).await.expect_err("a refusal");
            assert_eq!(error.reason(), Reason::DatabaseUnavailable, "{purpose:?}");
        }
        backend.close().await;
    }

    /// Ids are stored as 16 bytes.
    #[tokio::test]
    async fn ids_are_stored_as_16_bytes() {
        let mut db = SqliteConnectOptions::new().connect().await.expect("a database");
        let query = sqlx::query_scalar("SELECT typeof(?1) = 'blob' AND length(?1) = 16");
        let is_blob: bool = query.bind(Uuid::max()).fetch_one(&mut db).await.expect("an answer");
        assert!(is_blob);
    }
}
