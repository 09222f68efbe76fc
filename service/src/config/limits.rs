//! How much one server does at once, and how long it waits for clients.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::value::{calls, duration, message_size};

/// How much one server accepts.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Maximum number of concurrent calls, streams included.
    ///
    /// Counted over all connections. Further calls fail with RESOURCE_EXHAUSTED.
    #[arg(
        long,
        env = "CONTACTS_MAX_CONCURRENT_REQUESTS",
        value_name = "COUNT",
        value_parser = calls,
        default_value = "1024"
    )]
    pub max_concurrent_requests: usize,

    /// Maximum number of concurrent calls of one connection.
    ///
    /// Clients wait before they begin further calls on that connection.
    #[arg(
        long,
        env = "CONTACTS_MAX_CONNECTION_STREAMS",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..),
        default_value = "1000"
    )]
    pub max_connection_streams: u32,

    /// Maximum size of one request message.
    ///
    /// Every concurrent call may hold this much memory.
    #[arg(
        long,
        env = "CONTACTS_MAX_REQUEST_SIZE",
        value_name = "SIZE",
        value_parser = message_size,
        default_value = "4MiB"
    )]
    pub max_request_size: ByteSize,
}

/// How long one server waits.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Timeouts")]
pub struct Timeouts {
    /// Deadline of a unary call whose client sets none.
    #[arg(
        long,
        env = "CONTACTS_DEFAULT_DEADLINE",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "30s"
    )]
    pub default_deadline: Duration,

    /// Longest deadline of a unary call. Later ones are shortened to it.
    #[arg(
        long,
        env = "CONTACTS_MAX_DEADLINE",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10m"
    )]
    pub max_deadline: Duration,

    /// Maximum time that a consent check waits for the database.
    ///
    /// Then the check fails with UNAVAILABLE, which allows nothing.
    #[arg(
        long,
        env = "CONTACTS_CHECK_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "2s"
    )]
    pub check_timeout: Duration,

    /// Time after which an idle import or a stalled connection is closed.
    ///
    /// An import is idle while its client sends nothing. A connection is stalled
    /// while its client reads nothing of the responses that wait for it.
    #[arg(
        long,
        env = "CONTACTS_IDLE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "60s"
    )]
    pub idle_timeout: Duration,

    /// Time that a new connection has for sending the HTTP/2 preface.
    #[arg(
        long,
        env = "CONTACTS_PREFACE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s"
    )]
    pub preface_timeout: Duration,

    /// Interval between HTTP/2 pings on a connection.
    ///
    /// Keep it below the idle timeout of load balancers in front of the server.
    #[arg(
        long,
        env = "CONTACTS_KEEPALIVE_INTERVAL",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "30s"
    )]
    pub keepalive_interval: Duration,

    /// Time after which a connection that answers no ping is closed.
    #[arg(
        long,
        env = "CONTACTS_KEEPALIVE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "20s"
    )]
    pub keepalive_timeout: Duration,

    /// Time that running calls have to finish after SIGTERM or SIGINT.
    ///
    /// Calls that are still running then are cut off.
    #[arg(
        long,
        env = "CONTACTS_SHUTDOWN_GRACE",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s"
    )]
    pub shutdown_grace: Duration,
}
