//! What is kept for a limited time, and when it is cleaned up.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use super::value::{Kept, duration, retention, retention_or_forever};

/// What is kept for a limited time, and when it is cleaned up.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Retention")]
pub struct Retention {
    /// How long a repeated request_id returns the first response, at least 24h.
    ///
    /// Use the same value for all servers of a database: the shortest one wins.
    #[arg(
        long,
        env = "CONTACTS_RESPONSE_RETENTION",
        value_name = "TIME",
        value_parser = retention,
        default_value = "24h"
    )]
    pub response_retention: TimeDelta,

    /// How long opt-outs and erasures of people without a contact are remembered.
    ///
    /// At least 24h, or `forever`. After this time an import may claim consent for
    /// them again. Use the same value for all servers of a database.
    #[arg(
        long,
        env = "CONTACTS_SUPPRESSION_RETENTION",
        value_name = "TIME",
        value_parser = retention_or_forever,
        default_value = "forever"
    )]
    pub suppression_retention: Kept,

    /// Interval between runs of the maintenance job.
    ///
    /// The job deletes what is past its retention and, on SQLite, rewrites a small file
    /// after erasures. It also runs at start-up.
    #[arg(
        long,
        env = "CONTACTS_MAINTENANCE_INTERVAL",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "1h"
    )]
    pub maintenance_interval: Duration,

    /// Hour of the day (UTC) from which a large SQLite file is rewritten, after erasures.
    ///
    /// Until then, parts of the file that are not in use may hold what was erased. Writes wait
    /// while it runs, some 10 s for a million contacts. `contacts-service vacuum` does it at
    /// any time.
    #[arg(
        long,
        env = "CONTACTS_VACUUM_HOUR",
        value_name = "HOUR",
        value_parser = clap::value_parser!(u32).range(0..24),
        default_value = "3"
    )]
    pub vacuum_hour: u32,
}
