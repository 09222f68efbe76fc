//! SQLite, the embedded default: one process, one file, no set-up.

mod ahead;
mod api_tokens;
mod attribute_json;
mod checkpoint;
mod connection;
mod consent;
mod consent_changes;
mod contact_row;
mod contacts;
mod definitions;
mod directory;
mod duplicates;
mod external_ids;
#[doc(hidden)]
pub mod fail_point;
mod filter;
#[cfg(test)]
mod giving_way;
mod in_place;
mod interrupt;
mod ledger;
mod name_index;
mod purge;
mod receipts;
mod responses;
mod row_batch;
mod session;
mod suppression;
mod usage;
mod vacuum;
mod validity;
mod values;
mod watch;
mod webhooks;
mod workspaces;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqlitePool};

use self::checkpoint::Checkpoints;
use self::connection::Readers;
pub use self::connection::{Access, SqliteOptions};
use self::interrupt::Interrupt;
use self::session::SqliteSession;
use self::validity::ValidityReader;
use self::watch::FileWatch;
use super::common::connect_all;
use super::{Backend, Clock, PoolState, ReadPurpose, Reader, Store, Validity, Writer, measured};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids::IdGenerator;
use crate::domain::keyring::Keyring;

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
    let backend = open_backend(path, access, options).await?;
    let query = sqlx::query_scalar("SELECT coalesce(max(last), 0) FROM sequence");
    let last: i64 = query.fetch_one(&backend.writer).await?;
    let ids = IdGenerator::after(u64::try_from(last).unwrap_or(0));
    Store::new(Arc::new(backend), clock, ids, keyring).await
}

/// A new database, in a directory that lives as long as the first of these.
#[cfg(test)]
async fn backend_for_tests(options: &SqliteOptions) -> (tempfile::TempDir, SqliteBackend) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    let opened = open_backend(&path, Access::Create, options).await;
    (directory, opened.expect("a database"))
}

/// The same, as a store.
#[cfg(test)]
pub(crate) async fn store_for_tests() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.db");
    let (options, keyring) = (SqliteOptions::default(), Keyring::new(&[7; 32]));
    let opened = open(&path, Access::Create, &options, Clock::system(), keyring).await;
    (directory, opened.expect("a store"))
}

async fn open_backend(
    path: &Path,
    access: Access,
    options: &SqliteOptions,
) -> Result<SqliteBackend> {
    let writer = options.writer(path, access).await?;
    match access {
        Access::Create => migrate(&writer).await?,
        Access::Write | Access::Read => verify(&writer).await?,
    }
    let Readers { unary, scan, stream, checks } = options.readers(path, access);
    let file = Arc::new(FileWatch::of(path));
    let validity = ValidityReader::new(path.to_owned());
    let checkpoints = Checkpoints::new(options.checkpoints(path, access), options.wal_bytes);
    Ok(SqliteBackend { writer, unary, scan, stream, checks, checkpoints, validity, file })
}

async fn migrate(writer: &SqlitePool) -> Result<()> {
    MIGRATOR.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) => newer(),
        MigrateError::Execute(error) => error.into(),
        _ => Error::internal(error),
    })
}

/// Refuses a schema that is not the one of this version.
async fn verify(writer: &SqlitePool) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')";
    let has_schema: bool = sqlx::query_scalar(sql).fetch_one(writer).await?;
    if !has_schema {
        let message = "it has no schema yet: start the server, or run `contacts-service migrate`";
        return Err(Error::new(Reason::DatabaseUnavailable, message));
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(writer)
            .await?;
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

/// Whether the database in this file uses any suppression key.
///
/// # Errors
/// When the file exists and cannot be read.
pub async fn is_keyed(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let mut db = SqliteConnectOptions::new().filename(path).connect().await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'suppression_key')";
    let has_table: bool = sqlx::query_scalar(sql).fetch_one(&mut db).await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM suppression_key)";
    let is_keyed = has_table && sqlx::query_scalar(sql).fetch_one(&mut db).await?;
    db.close().await?;
    Ok(is_keyed)
}

struct SqliteBackend {
    writer: SqlitePool,
    unary: SqlitePool,
    scan: SqlitePool,
    stream: SqlitePool,
    checks: SqlitePool,
    checkpoints: Checkpoints,
    validity: ValidityReader,
    file: Arc<FileWatch>,
}

impl SqliteBackend {
    async fn read_session(&self, purpose: ReadPurpose) -> Result<SqliteSession> {
        self.file.check()?;
        let pool = match purpose {
            ReadPurpose::Check => &self.checks,
            ReadPurpose::Unary => &self.unary,
            ReadPurpose::Scan | ReadPurpose::Snapshot => &self.scan,
            ReadPurpose::Stream => &self.stream,
        };
        let mut connection = pool.acquire().await?;
        let file = Arc::clone(&self.file);
        match purpose {
            ReadPurpose::Check | ReadPurpose::Unary => {
                Ok(SqliteSession::autocommit(connection, file))
            }
            ReadPurpose::Scan | ReadPurpose::Stream => {
                SqliteSession::interruptible(connection, file).await
            }
            ReadPurpose::Snapshot => {
                Interrupt::remove(&mut connection).await?;
                SqliteSession::autocommit(connection, file).begin("BEGIN").await
            }
        }
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn begin(&self, _workspace_id: Option<&str>) -> Result<Box<dyn Writer>> {
        self.file.check()?;
        let session =
            SqliteSession::autocommit(self.writer.acquire().await?, Arc::clone(&self.file));
        // IMMEDIATE waits for the lock here. A deferred transaction would fail at
        // its first write.
        Ok(Box::new(session.begin("BEGIN IMMEDIATE").await?))
    }

    async fn reader(
        &self,
        purpose: ReadPurpose,
        _workspace_id: Option<&str>,
    ) -> Result<Box<dyn Reader>> {
        Ok(Box::new(self.read_session(purpose).await?))
    }

    async fn connect_checks(&self) -> Result<()> {
        connect_all(&self.checks).await?;
        self.validity.connect()
    }

    async fn validity(&self, workspace_id: &str) -> Result<Option<Validity>> {
        self.file.check()?;
        self.validity.read(workspace_id)
    }

    fn validates_in_place(&self) -> bool {
        true
    }

    fn pools(&self) -> [PoolState; 5] {
        [
            PoolState::of(measured::CHECK, &self.checks),
            PoolState::of(measured::UNARY, &self.unary),
            PoolState::of(measured::SCAN, &self.scan),
            PoolState::of(measured::STREAM, &self.stream),
            PoolState::of(measured::WRITE, &self.writer),
        ]
    }

    fn parallel_writes(&self) -> usize {
        1
    }

    fn write_timeout(&self) -> Duration {
        self.writer.options().get_acquire_timeout()
    }

    fn most_rows(&self) -> usize {
        // Each page of an index is written once a transaction.
        20_000
    }

    async fn tidy(&self, _rows: usize, is_alone: bool) -> Result<()> {
        self.checkpoints.relieve(&self.writer, is_alone).await
    }

    async fn vacuum(&self, may_wait: bool) -> Result<()> {
        vacuum::vacuum(&mut *self.writer.acquire().await?, may_wait).await
    }

    async fn engine_version(&self) -> Result<String> {
        let mut connection = self.unary.acquire().await?;
        let query = sqlx::query_scalar("SELECT sqlite_version()");
        let version: String = query.fetch_one(&mut *connection).await?;
        Ok(format!("SQLite {version}"))
    }

    async fn close(&self) {
        let readers = [&self.checks, &self.stream, &self.scan, &self.unary];
        for pool in readers {
            pool.close().await;
        }
        self.checkpoints.close().await;
        self.writer.close().await;
        self.validity.close();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::giving_way::{ENDLESS, LENGTHY};
    use super::*;
    use crate::domain::Time;
    use crate::domain::error::Reason;
    use crate::domain::ledger::Head;
    use crate::domain::workspace::WorkspaceSettings;
    use crate::store::{Workspace, WorkspaceReader, WorkspaceWriter};

    fn workspace() -> Workspace {
        Workspace {
            workspace_id: "default".to_owned(),
            display_name: String::new(),
            create_time: Time::default(),
            consent_revision: 0,
            settings: WorkspaceSettings::default(),
            ledger: Head::empty("default"),
            token_key: [0; 32],
            row_key: 0,
        }
    }

    /// The types already keep readers from writing. This is about a writer's method
    /// that is called on the connection of a reader inside this module.
    #[tokio::test]
    async fn connections_of_readers_refuse_writes() {
        let options = SqliteOptions::default();
        let (_directory, backend) = backend_for_tests(&options).await;
        let mut tx = backend.begin(None).await.expect("a transaction");
        assert!(tx.insert_workspace(&workspace()).await.expect("a workspace"));
        tx.commit().await.expect("a commit");
        for purpose in [
            ReadPurpose::Check,
            ReadPurpose::Unary,
            ReadPurpose::Scan,
            ReadPurpose::Stream,
            ReadPurpose::Snapshot,
        ] {
            let mut reader = backend.read_session(purpose).await.expect("a reader");
            let found = reader.workspace("default").await.expect("a read").expect("the workspace");
            let error = reader.delete_workspace(&found, 1).await.expect_err("a refusal");
            assert_eq!(error.reason(), Reason::DatabaseUnavailable, "{purpose:?}");
        }
        backend.close().await;
    }

    /// No test can cut the power: this is what SQLite needs for that.
    #[tokio::test]
    async fn what_is_acknowledged_survives_a_power_cut() {
        let (_directory, backend) = backend_for_tests(&SqliteOptions::default()).await;
        let mut writer = backend.writer.acquire().await.expect("the writer");
        let mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *writer).await;
        assert_eq!(mode.map(|mode: String| mode).expect("a mode"), "wal");
        let level = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *writer).await;
        // FULL: each commit is flushed. With NORMAL, as with OFF, a power cut loses some.
        assert_eq!(level.map(|level: i64| level).expect("a level"), 2);
        drop(writer);
        backend.close().await;
    }

    /// A statement that would take hours ends with its caller, and its connection is free again.
    #[tokio::test]
    async fn statements_of_callers_who_are_gone_end() {
        let options = SqliteOptions {
            scan_connections: 1,
            stream_connections: 1,
            acquire_timeout: Duration::from_secs(60),
            ..SqliteOptions::default()
        };
        let (_directory, backend) = backend_for_tests(&options).await;
        for purpose in [ReadPurpose::Scan, ReadPurpose::Stream] {
            for _ in 0..3 {
                let mut reader = backend.read_session(purpose).await.expect("a reader");
                let endless = reader.fetch_one(ENDLESS);
                let soon = Duration::from_millis(20);
                tokio::time::timeout(soon, endless).await.expect_err("an endless statement");
            }
            let mut reader = backend.read_session(purpose).await.expect("a reader");
            reader.fetch_one("SELECT 1").await.expect("a free connection");
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

    #[tokio::test]
    async fn a_snapshot_is_not_ended_by_the_scan_before_it() {
        let options = SqliteOptions { scan_connections: 1, ..SqliteOptions::default() };
        let (_directory, backend) = backend_for_tests(&options).await;
        drop(backend.read_session(ReadPurpose::Scan).await.expect("a scan"));
        let mut snapshot = backend.read_session(ReadPurpose::Snapshot).await.expect("a snapshot");
        let row = snapshot.fetch_one(LENGTHY).await.expect("a row");
        assert_eq!(sqlx::Row::get::<i64, _>(&row, 0), 100_000);
    }
}
