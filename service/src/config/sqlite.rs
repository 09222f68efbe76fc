//! How one server uses its SQLite file.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::value::{connections, duration, size};
use crate::store::sqlite::SqliteOptions;

/// How one server uses its SQLite file: one connection writes, the others read.
/// Ignored on Postgres.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "SQLite")]
pub struct Sqlite {
    /// Connections for consent checks.
    #[arg(
        long,
        env = "CONTACTS_SQLITE_CHECK_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "2"
    )]
    pub sqlite_check_connections: u32,

    /// Connections for all other reads by key.
    #[arg(
        long,
        env = "CONTACTS_SQLITE_READ_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "3"
    )]
    pub sqlite_read_connections: u32,

    /// Connections for lists, searches and counts.
    #[arg(
        long,
        env = "CONTACTS_SQLITE_SCAN_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "3"
    )]
    pub sqlite_scan_connections: u32,

    /// Connections for the pages of streams.
    #[arg(
        long,
        env = "CONTACTS_SQLITE_STREAM_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "2"
    )]
    pub sqlite_stream_connections: u32,

    /// Maximum time that a check waits for a free connection.
    #[arg(
        long,
        env = "CONTACTS_SQLITE_CHECK_ACQUIRE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "250ms"
    )]
    pub sqlite_check_acquire_timeout: Duration,

    /// Maximum time that any other call waits for a free connection.
    ///
    /// Writes wait for the one connection that writes.
    #[arg(
        long,
        env = "CONTACTS_SQLITE_ACQUIRE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "5s"
    )]
    pub sqlite_acquire_timeout: Duration,

    /// Maximum time to wait for a lock of another process (busy_timeout).
    #[arg(
        long,
        env = "CONTACTS_SQLITE_BUSY_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "5s"
    )]
    pub sqlite_busy_timeout: Duration,

    /// Page cache of the connection that writes (cache_size).
    ///
    /// Large imports are slow unless the index of phone numbers fits into it.
    #[arg(
        long,
        env = "CONTACTS_SQLITE_WRITE_CACHE",
        value_name = "SIZE",
        value_parser = size,
        default_value = "128MiB"
    )]
    pub sqlite_write_cache: ByteSize,

    /// Page cache of each connection that reads (cache_size).
    #[arg(
        long,
        env = "CONTACTS_SQLITE_READ_CACHE",
        value_name = "SIZE",
        value_parser = size,
        default_value = "16MiB"
    )]
    pub sqlite_read_cache: ByteSize,

    /// Size of the write-ahead log that starts a checkpoint
    /// (wal_autocheckpoint).
    #[arg(
        long,
        env = "CONTACTS_SQLITE_WAL_SIZE",
        value_name = "SIZE",
        value_parser = size,
        default_value = "125MiB"
    )]
    pub sqlite_wal_size: ByteSize,
}

impl Sqlite {
    /// The settings as the store takes them.
    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions {
            check_connections: self.sqlite_check_connections,
            unary_connections: self.sqlite_read_connections,
            scan_connections: self.sqlite_scan_connections,
            stream_connections: self.sqlite_stream_connections,
            check_acquire_timeout: self.sqlite_check_acquire_timeout,
            acquire_timeout: self.sqlite_acquire_timeout,
            busy_timeout: self.sqlite_busy_timeout,
            write_cache_bytes: self.sqlite_write_cache.as_u64(),
            read_cache_bytes: self.sqlite_read_cache.as_u64(),
            wal_bytes: self.sqlite_wal_size.as_u64(),
        }
    }
}
