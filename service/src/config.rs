//! Settings: flags, each with a `CONTACTS_…` variable, checked once at the start.

mod command;
mod database;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

pub use command::{AuditCommand, Cli, Command, ErasureCommand, KeyCommand, WorkspaceCommand};
pub use database::Database;

use crate::store::RESPONSE_RETENTION;

/// The settings of a server.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where to listen, as HOST:PORT. Port 0 picks a free one.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50051"
    )]
    pub listen: String,

    /// Listen on an address that other machines can reach, although there is no
    /// TLS and no authentication yet.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_INSECURE",
        value_parser = FalseyValueParser::new()
    )]
    pub insecure: bool,

    /// The database, such as sqlite://contacts.db, which is made if there is
    /// none, or postgres://user:password@host/database.
    #[arg(
        long = "database-url",
        global = true,
        env = "CONTACTS_DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite://contacts.db",
        hide_env_values = true
    )]
    pub database: Database,

    /// The file with the key under which erased people and those who objected are
    /// remembered. SQLite: made beside the database when it is new, such as
    /// contacts.db.key. Postgres: required, the same for every server; made with
    /// `contacts-service key create`.
    #[arg(long, global = true, env = "CONTACTS_KEY_FILE", value_name = "PATH")]
    pub key_file: Option<PathBuf>,

    /// Bring a Postgres database up to this version at the start, as the command
    /// `migrate` does.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_MIGRATE",
        value_parser = FalseyValueParser::new()
    )]
    pub migrate: bool,

    /// Do not describe the API to tools such as grpcurl.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_NO_REFLECTION",
        value_parser = FalseyValueParser::new()
    )]
    pub no_reflection: bool,

    /// How much one server does at once, and how long it waits.
    #[command(flatten)]
    pub limits: Limits,

    /// What is kept for a time only.
    #[command(flatten)]
    pub retention: Retention,

    /// What is logged.
    #[command(flatten)]
    pub log: Log,
}

/// How much one server does at once, and how long it waits.
#[derive(Clone, Debug, Args)]
pub struct Limits {
    /// Calls at the same time, over all connections, streams included. More are
    /// refused with RESOURCE_EXHAUSTED.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_MAX_CONCURRENT_REQUESTS",
        value_name = "COUNT",
        value_parser = count,
        default_value = "1024"
    )]
    pub max_concurrent_requests: usize,

    /// Seconds until an import that sends nothing, or a connection that reads
    /// nothing of what it asked for, is ended.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_IDLE_TIMEOUT",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "60"
    )]
    pub idle_timeout: Duration,

    /// Seconds for calls under way to end when the server stops. Then they are
    /// cut.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_SHUTDOWN_GRACE",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "10"
    )]
    pub shutdown_grace: Duration,
}

/// What is kept for a time only. Times are hours or days, such as 24h or 30d.
#[derive(Clone, Copy, Debug, Args)]
pub struct Retention {
    /// How long a change sent again with its request_id gets its first answer, at
    /// least 24h. The same for all servers of a database.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_RESPONSE_RETENTION",
        value_name = "TIME",
        value_parser = kept,
        default_value = "24h"
    )]
    pub response_retention: TimeDelta,

    /// How long it is remembered of people who are no contacts that they objected
    /// or were erased: at least 24h, or forever. Afterwards an import may claim
    /// consent for them.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_SUPPRESSION_RETENTION",
        value_name = "TIME",
        value_parser = kept_or_forever,
        default_value = "forever"
    )]
    pub suppression_retention: Kept,
}

/// How long something is kept. None: forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(pub Option<TimeDelta>);

impl Default for Retention {
    fn default() -> Self {
        Self { response_retention: RESPONSE_RETENTION, suppression_retention: Kept(None) }
    }
}

/// What is logged, to standard error.
#[derive(Clone, Debug, Args)]
pub struct Log {
    /// How lines look.
    #[arg(long, global = true, env = "CONTACTS_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// error, warn, info, debug (every call) or trace; or a filter in the syntax
    /// of tracing's EnvFilter.
    #[arg(
        long,
        global = true,
        env = "CONTACTS_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 1024,
            idle_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// A server inside of another program: on a free port of this machine, with
    /// its database in this file.
    pub fn embedded(database: impl AsRef<Path>) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            insecure: false,
            database: Database::Sqlite(database.as_ref().to_owned()),
            key_file: None,
            migrate: false,
            no_reflection: false,
            limits: Limits::default(),
            retention: Retention::default(),
            log: Log { log_format: LogFormat::Text, log_level: "info".to_owned() },
        }
    }

    /// The same for tests, which do not wait long for calls left open.
    pub fn for_tests(database: impl AsRef<Path>) -> Self {
        let limits = Limits { shutdown_grace: Duration::from_secs(2), ..Limits::default() };
        Self { limits, ..Self::embedded(database) }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "send seconds between 0.001 and 86400, such as 60".to_owned())
}

fn kept(text: &str) -> Result<TimeDelta, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    let hours = text.strip_suffix('h').and_then(|hours| hours.parse::<u32>().ok());
    let hours = hours.or_else(|| days.and_then(|days: u32| days.checked_mul(24)));
    // A hundred years are forever.
    hours
        .filter(|hours| (24..=876_600).contains(hours))
        .map(|hours| TimeDelta::hours(hours.into()))
        .ok_or_else(|| "send hours or days, at least 24h, such as 48h or 30d".to_owned())
}

fn kept_or_forever(text: &str) -> Result<Kept, String> {
    match text {
        "forever" => Ok(Kept(None)),
        _ => {
            kept(text).map(|time| Kept(Some(time))).map_err(|error| format!("{error}, or forever"))
        }
    }
}

fn count(text: &str) -> Result<usize, String> {
    // Less than a semaphore of tokio's holds, on 32 bits too.
    let count = text.parse().ok().filter(|count| (1..=100_000_000).contains(count));
    count.ok_or_else(|| "send a number from 1 to 100000000".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let cli = Cli::parse_from(["contacts-service"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.config.listen, "127.0.0.1:50051");
        assert_eq!(cli.config.database, Database::Sqlite("contacts.db".into()));
        let (limits, default) = (cli.config.limits, Limits::default());
        assert_eq!(limits.max_concurrent_requests, default.max_concurrent_requests);
        assert_eq!(limits.idle_timeout, default.idle_timeout);
        assert_eq!(limits.shutdown_grace, default.shutdown_grace);
        assert_eq!(cli.config.retention.response_retention, TimeDelta::hours(24));
        assert_eq!(cli.config.retention.suppression_retention, Kept(None));
    }

    #[test]
    fn flags_go_before_and_after_the_command() {
        for line in [
            &["contacts-service", "--listen", "[::1]:1", "serve"][..],
            &["contacts-service", "serve", "--listen", "[::1]:1"],
            &["contacts-service", "workspace", "list", "--listen", "[::1]:1"],
        ] {
            assert_eq!(Cli::parse_from(line).config.listen, "[::1]:1", "{line:?}");
        }
    }

    #[test]
    fn what_is_kept_is_kept_for_a_day_or_longer() {
        assert_eq!(kept("24h"), Ok(TimeDelta::days(1)));
        assert_eq!(kept("30d"), Ok(TimeDelta::days(30)));
        assert_eq!(kept_or_forever("730d"), Ok(Kept(Some(TimeDelta::days(730)))));
        assert_eq!(kept_or_forever("forever"), Ok(Kept(None)));
        for text in ["", "24", "23h", "0d", "-1d", "d", "1y", "4294967295d", "forever"] {
            assert!(kept(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("60"), Ok(Duration::from_secs(60)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["", "0", "-1", "1m", "NaN", "inf", "1e9"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
