//! Connections to the file: how many, and their settings.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
    SqliteSynchronous,
};

use crate::domain::error::Result;

pub(super) const PAGE_SIZE: u64 = 4096;

/// What may be done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Create or upgrade it, and write: for the only process that uses it.
    Create,
    /// Write, if it has the schema of this version.
    Write,
    /// Read, if it has the schema of this version.
    Read,
}

/// How the store uses its file.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Connections for checks.
    pub check_connections: u32,
    /// Connections for other reads of one call, by key.
    pub unary_connections: u32,
    /// Connections for lists, searches and counts.
    pub scan_connections: u32,
    /// Connections for the pages of streams.
    pub stream_connections: u32,
    /// How long a check waits for a connection before it is UNAVAILABLE.
    pub check_acquire_timeout: Duration,
    /// How long everything else waits for one.
    pub acquire_timeout: Duration,
    /// How long a connection waits for a lock of another process.
    pub busy_timeout: Duration,
    /// Page cache of the writer, in bytes. It has to hold what an import touches: its inserts
    /// into the index of phone numbers are random.
    pub write_cache_bytes: u64,
    /// Page cache of each reader, in bytes.
    pub read_cache_bytes: u64,
    /// Size of the write-ahead log, in bytes, that starts a checkpoint. A page that an import
    /// changes many times is copied once.
    pub wal_bytes: u64,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            check_connections: 2,
            unary_connections: 3,
            scan_connections: 3,
            stream_connections: 2,
            check_acquire_timeout: Duration::from_millis(250),
            acquire_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            write_cache_bytes: 128 << 20,
            read_cache_bytes: 16 << 20,
            wal_bytes: 125 << 20,
        }
    }
}

/// The pools that read, by what for.
pub(super) struct Readers {
    pub unary: SqlitePool,
    pub scan: SqlitePool,
    pub stream: SqlitePool,
    pub checks: SqlitePool,
}

impl SqliteOptions {
    /// The pool of the one connection that writes.
    pub(super) async fn writer(&self, path: &Path, access: Access) -> Result<SqlitePool> {
        let options = self.connect(path, access, self.write_cache_bytes);
        Ok(pool(1, self.acquire_timeout).connect_with(options).await?)
    }

    /// The connections for checkpoints, which do not connect yet.
    pub(super) fn checkpoints(&self, path: &Path, access: Access) -> SqlitePool {
        let options = self.connect(path, access, self.read_cache_bytes).create_if_missing(false);
        pool(2, self.acquire_timeout).connect_lazy_with(options)
    }

    /// The pools that read, which do not connect yet.
    pub(super) fn readers(&self, path: &Path, access: Access) -> Readers {
        let options = self.connect(path, access, self.read_cache_bytes).pragma("query_only", "ON");
        let reader = |size, wait| pool(size, wait).connect_lazy_with(options.clone());
        Readers {
            unary: reader(self.unary_connections, self.acquire_timeout),
            scan: reader(self.scan_connections, self.acquire_timeout),
            stream: reader(self.stream_connections, self.acquire_timeout),
            checks: reader(self.check_connections, self.check_acquire_timeout),
        }
    }

    fn connect(&self, path: &Path, access: Access, cache_bytes: u64) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(access == Access::Create)
            .read_only(access == Access::Read)
            .locking_mode(SqliteLockingMode::Normal)
            .busy_timeout(self.busy_timeout)
            .foreign_keys(false)
            .page_size(PAGE_SIZE as u32)
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", format!("-{}", cache_bytes >> 10));
        if access == Access::Read {
            return options;
        }
        options
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged opt-out survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            // Long work makes checkpoints itself, see checkpoint.rs. This is for all others.
            .pragma("wal_autocheckpoint", (self.wal_bytes / PAGE_SIZE).to_string())
    }
}

fn pool(size: u32, wait: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    /// Whether SQLite was compiled with `.cargo/config.toml`.
    #[test]
    fn connections_share_no_page_cache() {
        let db = Connection::open_in_memory().expect("a database");
        let used = |option: &str| -> bool {
            db.query_row("SELECT sqlite_compileoption_used(?)", [option], |row| row.get(0))
                .expect("an answer")
        };
        assert!(used("THREADSAFE"), "options are told");
        assert!(!used("ENABLE_MEMORY_MANAGEMENT"));
        assert!(used("DEFAULT_MEMSTATUS=0"));
    }
}
