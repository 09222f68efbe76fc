//! How much one server does at once, and how long it waits for clients.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::value::{calls, duration, duration_or_zero, message_size, size, size_or_zero};

/// How much one server accepts.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Maximum number of concurrent unary calls of each kind: checks, opt-outs, others.
    ///
    /// Counted over all connections, for each kind apart, so that others keep neither
    /// checks nor opt-outs out. A connection gets half of them at most. Further calls fail
    /// with RESOURCE_EXHAUSTED.
    #[arg(
        long,
        env = "CONTACTS_MAX_CONCURRENT_REQUESTS",
        value_name = "COUNT",
        value_parser = calls,
        default_value = "1024"
    )]
    pub max_concurrent_requests: usize,

    /// Maximum number of concurrent calls about many people, such as streams and imports.
    ///
    /// These are streams, imports, batches, counts and bulk edits, counted over all
    /// connections. A connection gets half of them at most. Further calls fail with
    /// RESOURCE_EXHAUSTED.
    #[arg(
        long,
        env = "CONTACTS_MAX_CONCURRENT_BULK",
        value_name = "COUNT",
        value_parser = calls,
        default_value = "256"
    )]
    pub max_concurrent_bulk: usize,

    /// Maximum number of those calls of one workspace.
    #[arg(
        long,
        env = "CONTACTS_MAX_WORKSPACE_BULK",
        value_name = "COUNT",
        value_parser = calls,
        default_value = "128"
    )]
    pub max_workspace_bulk: usize,

    /// Maximum number of connections of clients.
    ///
    /// Further ones are closed at once. Lowered if the operating system permits fewer
    /// open files: some are kept for the database.
    #[arg(
        long,
        env = "CONTACTS_MAX_CONNECTIONS",
        value_name = "COUNT",
        value_parser = calls,
        default_value = "10000"
    )]
    pub max_connections: usize,

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

    /// Maximum size of one request message, decompressed.
    ///
    /// Messages about one person are limited to 1 MiB, those of checks to 64 KiB.
    #[arg(
        long,
        env = "CONTACTS_MAX_REQUEST_SIZE",
        value_name = "SIZE",
        value_parser = message_size,
        default_value = "4MiB"
    )]
    pub max_request_size: ByteSize,

    /// Maximum memory of the requests being received and handled, and of responses.
    ///
    /// As much again is for responses that their clients do not take yet. Counted over all
    /// connections, of which each gets half of it at most. Further requests of more than some
    /// KiB, and reads with large responses, fail with RESOURCE_EXHAUSTED. Checks and opt-outs are
    /// smaller.
    #[arg(
        long,
        env = "CONTACTS_MAX_REQUEST_MEMORY",
        value_name = "SIZE",
        value_parser = size,
        default_value = "256MiB"
    )]
    pub max_request_memory: ByteSize,

    /// Maximum memory for consent that is kept to answer checks. 0 turns that off.
    ///
    /// A contact takes some 110 bytes for each phone number and user id. What is kept is used
    /// only after a read of the database that says that nothing changed since.
    #[arg(
        long,
        env = "CONTACTS_MIRROR_MEMORY",
        value_name = "SIZE",
        value_parser = size_or_zero,
        default_value = "256MiB"
    )]
    pub mirror_memory: ByteSize,

    /// Number of people of a workspace that are checked before its consent is kept in memory.
    #[arg(
        long,
        env = "CONTACTS_MIRROR_AFTER_CHECKS",
        value_name = "COUNT",
        default_value = "1000"
    )]
    pub mirror_after_checks: u64,
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

    /// Time after which an idle or stalled stream is ended.
    ///
    /// An import or a stream of checks is idle while its client sends nothing. A call
    /// is stalled while its client reads nothing of the response that waits for it.
    #[arg(
        long,
        env = "CONTACTS_IDLE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "60s"
    )]
    pub idle_timeout: Duration,

    /// Time that a request message has to arrive in, from its first byte.
    ///
    /// For unary calls, from the beginning of the call. Then the call fails with
    /// DEADLINE_EXCEEDED.
    #[arg(
        long,
        env = "CONTACTS_MESSAGE_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s"
    )]
    pub message_timeout: Duration,

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

    /// Time after SIGTERM or SIGINT in which the server goes on, but reports NOT_SERVING.
    ///
    /// Set it to the time that load balancers take to notice, for example 5s.
    #[arg(
        long,
        env = "CONTACTS_SHUTDOWN_DELAY",
        value_name = "DURATION",
        value_parser = duration_or_zero,
        default_value = "0s"
    )]
    pub shutdown_delay: Duration,

    /// Time that running calls have to finish after that.
    ///
    /// Calls that are still running then are cut off. The server exits within this time,
    /// whatever its clients do.
    #[arg(
        long,
        env = "CONTACTS_SHUTDOWN_GRACE",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s"
    )]
    pub shutdown_grace: Duration,
}

impl Timeouts {
    /// Time after a signal at which a server that still runs is stuck.
    #[must_use]
    pub fn longest_shutdown(&self) -> Duration {
        const MARGIN: Duration = Duration::from_secs(2);
        self.shutdown_delay + self.shutdown_grace + MARGIN
    }
}
