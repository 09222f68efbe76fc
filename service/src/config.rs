//! Settings: flags, each with a `CONTACTS_…` environment variable and a key of the configuration
//! file. They are checked once, at start-up.

mod access;
mod cli;
mod database;
mod environment;
mod file;
mod limits;
mod listener;
mod log;
mod postgres;
mod retention;
mod sqlite;
#[cfg(test)]
mod tests;
mod value;
mod webhook;

use std::path::Path;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, FromArgMatches};

pub use self::access::{Access, Auth};
pub use self::cli::{
    AuditCommand, Cli, Command, ConfigFile, DatabaseArgs, ErasureCommand, KeyCommand, MigrateArgs,
    ReceiptCommand, ServerArgs, TokenCommand, WorkspaceCommand,
};
pub use self::database::{Database, DatabaseUrl, PostgresUrl};
pub use self::limits::{Limits, Timeouts};
pub use self::listener::{Listener, Switch};
pub use self::log::{AccessLogMode, AuditTarget, Log, LogFormat, LogLevel};
pub use self::postgres::Postgres;
pub use self::retention::Retention;
pub use self::sqlite::Sqlite;
pub use self::value::Kept;
pub(crate) use self::value::bytes;
pub use self::webhook::Webhook;

/// The settings of a server.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where the server listens, and what it shows there.
    #[command(flatten)]
    pub listener: Listener,

    /// Who may use it.
    #[command(flatten)]
    pub access: Access,

    /// Which database, and where its key file is.
    #[command(flatten)]
    pub database: Database,

    /// Create or upgrade the schema of a Postgres database at start-up.
    ///
    /// Does the same as running `contacts-service migrate` first. A SQLite file is
    /// always created or upgraded.
    #[arg(
        long,
        env = "CONTACTS_MIGRATE",
        value_parser = FalseyValueParser::new(),
        help_heading = "Database"
    )]
    pub migrate: bool,

    /// How much the server accepts.
    #[command(flatten)]
    pub limits: Limits,

    /// How long the server waits.
    #[command(flatten)]
    pub timeouts: Timeouts,

    /// What is kept for a limited time.
    #[command(flatten)]
    pub retention: Retention,

    /// How webhooks are verified.
    #[command(flatten)]
    pub webhook: Webhook,

    /// How the server uses Postgres.
    #[command(flatten)]
    pub postgres: Postgres,

    /// How the server uses its SQLite file.
    #[command(flatten)]
    pub sqlite: Sqlite,

    /// What the server logs.
    #[command(flatten)]
    pub log: Log,
}

impl Config {
    /// A server inside another program: on a free port of this machine, with its database in this
    /// file. All other settings have their defaults, whatever the environment says.
    ///
    /// # Panics
    /// Never: the defaults are valid.
    pub fn embedded(database: impl AsRef<Path>) -> Self {
        let mut config = Self::defaults();
        "127.0.0.1:0".clone_into(&mut config.listener.listen);
        config.database.url = DatabaseUrl::Sqlite(database.as_ref().to_owned());
        config
    }

    /// The same for tests, which do not wait long for calls left open.
    pub fn for_tests(database: impl AsRef<Path>) -> Self {
        let mut config = Self::embedded(database);
        config.timeouts.shutdown_grace = Duration::from_secs(2);
        // So that all tests of checks are tests of what is kept, too.
        config.limits.mirror_after_checks = 1;
        config
    }

    fn defaults() -> Self {
        let command = Self::augment_args(clap::Command::new("defaults").no_binary_name(true));
        let command = command.mut_args(|arg| arg.env(None::<&str>));
        let matches = command.try_get_matches_from::<_, &str>([]);
        let config = matches.and_then(|matches| Self::from_arg_matches(&matches));
        config.expect("the defaults are valid")
    }
}
