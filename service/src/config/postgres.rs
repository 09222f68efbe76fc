//! How one server uses Postgres.

use std::time::Duration;

use clap::Args;

use super::value::{connections, duration};
use crate::store::postgres::PostgresOptions;

/// How one server uses Postgres. It opens at most as many connections as the
/// five pools have together. Ignored on SQLite.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Postgres")]
pub struct Postgres {
    /// Connections for consent checks.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_CHECK_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "4"
    )]
    pub postgres_check_connections: u32,

    /// Connections for all other reads by key.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_READ_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "6"
    )]
    pub postgres_read_connections: u32,

    /// Connections for lists, searches and counts.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_SCAN_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "4"
    )]
    pub postgres_scan_connections: u32,

    /// Connections for the pages of streams.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_STREAM_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "4"
    )]
    pub postgres_stream_connections: u32,

    /// Connections for writes.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_WRITE_CONNECTIONS",
        value_name = "COUNT",
        value_parser = connections,
        default_value = "8"
    )]
    pub postgres_write_connections: u32,

    /// Maximum time that a check waits for a free connection.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_CHECK_ACQUIRE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "250ms"
    )]
    pub postgres_check_acquire_timeout: Duration,

    /// Maximum time that any other call waits for a free connection.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_ACQUIRE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "3s"
    )]
    pub postgres_acquire_timeout: Duration,

    /// Maximum run time of a check's statement (statement_timeout).
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_CHECK_STATEMENT_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "1500ms"
    )]
    pub postgres_check_statement_timeout: Duration,

    /// Maximum run time of any other statement (statement_timeout).
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_STATEMENT_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "30s"
    )]
    pub postgres_statement_timeout: Duration,

    /// Maximum time that a write waits for a row lock (lock_timeout).
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_LOCK_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "5s"
    )]
    pub postgres_lock_timeout: Duration,

    /// Time after which Postgres ends an idle transaction
    /// (idle_in_transaction_session_timeout).
    ///
    /// It releases the locks of a server that was suspended.
    #[arg(
        long,
        env = "CONTACTS_POSTGRES_IDLE_IN_TRANSACTION_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s"
    )]
    pub postgres_idle_in_transaction_timeout: Duration,
}

impl Postgres {
    /// The settings as the store takes them.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions {
            check_connections: self.postgres_check_connections,
            unary_connections: self.postgres_read_connections,
            scan_connections: self.postgres_scan_connections,
            stream_connections: self.postgres_stream_connections,
            write_connections: self.postgres_write_connections,
            check_acquire_timeout: self.postgres_check_acquire_timeout,
            acquire_timeout: self.postgres_acquire_timeout,
            check_statement_timeout: self.postgres_check_statement_timeout,
            statement_timeout: self.postgres_statement_timeout,
            lock_timeout: self.postgres_lock_timeout,
            idle_in_transaction_timeout: self.postgres_idle_in_transaction_timeout,
        }
    }
}
