//! The command line: the subcommands, and the flags of each.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use contacts_proto::receipt::PublicKey;
use uuid::Uuid;

use super::value::{Kept, Unrepeated, overlap, retention_or_forever};
use super::{Config, Database, Switch};
use crate::domain::Time;
use crate::domain::access::Scope;
use crate::domain::contact::{Recipient, parse_phone, parse_user_id};
use crate::domain::ledger::Head;
use crate::domain::phone::MatchKey;

/// The command line of `contacts-service`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "contacts-service",
    version,
    about = "gRPC service for the contacts of a WhatsApp CRM and their consent",
    after_help = "Without a command, contacts-service runs the server, with the flags of `serve`.",
    // Otherwise flags of the server in front of another command would be ignored.
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do. None: run the server.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings of the server when there is no command.
    #[command(flatten)]
    pub serve: ServerArgs,
}

/// What the program can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default).
    Serve(Box<ServerArgs>),
    /// Create or upgrade the database schema.
    ///
    /// A server does the same at start-up on SQLite, and on Postgres with --migrate. On
    /// SQLite, stop the server first.
    Migrate(MigrateArgs),
    /// Create and list workspaces.
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Create, list, revoke and rotate API tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Verify the consent ledger.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Export erasures, and repeat them after a restore.
    #[command(subcommand)]
    Erasure(ErasureCommand),
    /// Overwrite data of erased people in unused parts of a SQLite file.
    ///
    /// A server does the same at start-up and every --maintenance-interval. Safe to run
    /// beside a server. Does nothing on Postgres.
    Vacuum(DatabaseArgs),
    /// Create, rotate and list suppression keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Verify decision receipts, and print the keys for it.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
}

/// The configuration file.
#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// TOML file with settings.
    ///
    /// Its keys are the names of the server's flags without the dashes, such as
    /// `listen = "127.0.0.1:50051"`. A flag overrides an environment variable, which
    /// overrides the file.
    #[arg(long, env = "CONTACTS_CONFIG", value_name = "PATH", display_order = 0)]
    pub config: Option<PathBuf>,
}

/// The flags of a server.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// The configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The settings.
    #[command(flatten)]
    pub config: Config,
}

/// The flags of commands that use a database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// The configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The database to use.
    #[command(flatten)]
    pub database: Database,
}

/// The flags of `migrate`.
#[derive(Clone, Debug, Args)]
pub struct MigrateArgs {
    /// Also distribute the tables over the nodes of a Citus cluster.
    #[arg(long)]
    pub citus: bool,
    /// Turn row-level security on or off: Postgres itself keeps the workspaces apart.
    ///
    /// Stop the servers first, as they find out when they start. Their role must be neither a
    /// superuser nor have BYPASSRLS. Off by default, because lists with a filter or a search get slower; see
    /// docs/operations.md. Later migrations keep it. Not with --citus.
    #[arg(long, value_name = "SWITCH", conflicts_with = "citus")]
    pub row_level_security: Option<Switch>,
    /// The database to create or upgrade.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// What can be audited.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute the hash chain of the consent ledger.
    ///
    /// Prints one line per workspace: its id, a tab, and either `ok` with the number
    /// of events and the head, or the first broken position. Exits with 1 if any
    /// ledger is broken.
    Verify {
        /// Verify only this workspace.
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// Head that an earlier run printed, to compare with.
        ///
        /// Keep it where nobody with access to the database can change it. Without
        /// it, a ledger that was rewritten or truncated together with its head passes.
        #[arg(long, value_name = "LENGTH:HASH", requires = "workspace")]
        head: Option<Head>,
        /// The database to read.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Print the consent ledger of a workspace as lines of JSON, with personal data.
    ///
    /// After the events come lines that say whose the identities are, and a last line
    /// with the head of the ledger. An export that was cut off, or an older one, is
    /// continued with --after and appended to. Safe to run beside a server.
    Export {
        /// The workspace.
        #[arg(long, value_name = "ID")]
        workspace: String,
        /// Only events after this position, the length in the head of an earlier export.
        #[arg(long, value_name = "POSITION", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
        after: i64,
        /// The database to read.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Make a workspace again from its export.
    ///
    /// Every check is answered as before, and the ledger is the same. Profiles, tags
    /// and attributes are not in an export: import them afterwards. Run it before servers
    /// use the database, with the key file of that time. Verifies the ledger on the way.
    Restore {
        /// File with lines of `audit export`; - reads standard input.
        file: PathBuf,
        /// The database to change.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// What can be done with erasures.
#[derive(Clone, Debug, Subcommand)]
pub enum ErasureCommand {
    /// Print erasures as lines of JSON, without personal data.
    ///
    /// Store the lines where a loss of the database does not reach them.
    List {
        /// Only erasures since this time, such as 2026-11-22T00:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<Time>,
        /// Only erasures of this workspace.
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// The database to read.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Repeat erasures on a database that was restored from a backup.
    ///
    /// Run it before servers use the database. Erasures that the database has already
    /// are skipped. Exits with 1 if a line could not be applied; the other lines are
    /// applied.
    Replay {
        /// File with lines of `erasure list`; - reads standard input.
        file: PathBuf,
        /// The database to change.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// What can be done with the key file.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key file.
    Create(DatabaseArgs),
    /// Add a new version of the key to the key file.
    ///
    /// New rows are written under it. Copy the file to every server and restart the
    /// servers one by one. Safe to run beside a server.
    Rotate(DatabaseArgs),
    /// List the versions of the key.
    ///
    /// Prints one line per version: its number, a tab, and the number of rows under
    /// it.
    List(DatabaseArgs),
}

/// What can be done with decision receipts.
#[derive(Clone, Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Print the public keys that verify receipts, oldest first.
    ///
    /// Prints one line per version of the key file: the key's id, a tab, and the key. Reads
    /// the key file only. Keep the lines where those who show receipts cannot change them.
    PublicKeys(DatabaseArgs),
    /// Verify a receipt offline, and print what it states as JSON.
    ///
    /// Exit codes: 0 valid; 1 the key file cannot be read; 2 a mistake on the command line;
    /// 3 not a complete receipt; 4 signed with another key; 5 changed or forged; 6 valid, but
    /// about another person than --about; 7 valid, but without the salt that shows whom it is
    /// about. A valid receipt may say DENY: read `decision`.
    Verify {
        /// Text of the receipt; - reads standard input.
        receipt: String,
        /// Public key of the server, as `receipt public-keys` prints it.
        ///
        /// Can be repeated. Without it, those of the key file verify.
        #[arg(long = "public-key", value_name = "KEY", allow_hyphen_values = true)]
        public_keys: Vec<PublicKey>,
        /// Phone number, WhatsApp user id or contact id that the receipt has to be about.
        #[arg(
            long,
            value_name = "PERSON",
            value_parser = Unrepeated::new("--about <PERSON>", person)
        )]
        about: Option<Recipient>,
        /// The database whose key file is read if there is no --public-key.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// What can be done with workspaces.
#[derive(Clone, Debug, Subcommand)]
pub enum WorkspaceCommand {
    /// Create a workspace.
    ///
    /// Safe to run beside a server.
    Create {
        /// Id of the workspace: `[a-z][a-z0-9_-]{0,62}`.
        id: String,
        /// Name to show, at most 100 characters. Defaults to the id.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        display_name: String,
        /// The database to change.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// List the workspaces: id, a tab, and the display name.
    List(DatabaseArgs),
}

/// What can be done with API tokens. All of it is safe to run beside a server.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token, and print its secret, which is shown only now.
    ///
    /// Standard output has the secret alone, standard error the id of the token.
    Create {
        /// What the token is for: at most 100 characters, no personal data.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What the token permits: opt_in.check, opt_in.write, contacts.read,
        /// contacts.write or admin, which includes the others. Can be repeated.
        #[arg(
            long = "scope",
            value_name = "SCOPE",
            required = true,
            value_delimiter = ',',
            value_parser = scope
        )]
        scopes: Vec<Scope>,
        /// Workspace that the token is for. Can be repeated.
        #[arg(
            long = "workspace",
            value_name = "ID",
            value_delimiter = ',',
            required_unless_present = "all_workspaces",
            conflicts_with = "all_workspaces"
        )]
        workspaces: Vec<String>,
        /// The token is for all workspaces, those made later included.
        #[arg(long)]
        all_workspaces: bool,
        /// After how long it expires, such as 90d, or forever.
        #[arg(
            long,
            value_name = "DURATION",
            value_parser = retention_or_forever,
            default_value = "forever"
        )]
        expires_in: Kept,
        /// The database to change.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// List tokens: id, state, name, scopes, workspaces, and when each expires.
    List(DatabaseArgs),
    /// Revoke a token. Servers refuse it within a second.
    Revoke {
        /// Id of the token, not its secret.
        token_id: String,
        /// The database to change.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Create a token like another, which stays valid for the overlap.
    ///
    /// Prints the new secret as `token create` does.
    Rotate {
        /// Id of the token to replace, not its secret.
        token_id: String,
        /// How long the replaced token stays valid, from 0s to 30d.
        #[arg(
            long,
            value_name = "DURATION",
            value_parser = overlap,
            default_value = "24h"
        )]
        overlap: Duration,
        /// After how long the new token expires, such as 90d, or forever.
        #[arg(
            long,
            value_name = "DURATION",
            value_parser = retention_or_forever,
            default_value = "forever"
        )]
        expires_in: Kept,
        /// The database to change.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|_| {
        "expected opt_in.check, opt_in.write, contacts.read, contacts.write or admin".to_owned()
    })
}

fn person(text: &str) -> Result<Recipient, String> {
    let key = || match parse_phone("about", text) {
        Ok(number) => Some(number.match_key()),
        Err(_) => parse_user_id("about", text).ok().map(|id| MatchKey::user(&id)),
    };
    let id = Uuid::try_parse(text).ok().map(Recipient::Id);
    id.or_else(|| key().map(Recipient::Key)).ok_or_else(|| {
        "expected a phone number with its country code, a WhatsApp user id such as \
         US.13491208655302741918, or a contact id"
            .to_owned()
    })
}

fn time(text: &str) -> Result<Time, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.map(|time| time.to_utc())
        .map_err(|_| "expected a time such as 2026-11-22T13:49:51Z".to_owned())
}
