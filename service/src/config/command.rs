//! The command line: what the program can do.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::Config;
use crate::domain::Time;
use crate::domain::ledger::Head;

/// The command line of `contacts-service`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "contacts-service",
    version,
    about = "The contacts of a WhatsApp CRM, and whether they may be messaged, as a gRPC service"
)]
pub struct Cli {
    /// The settings.
    #[command(flatten)]
    pub config: Config,
    /// What to do; serves when absent.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve the API (the default).
    Serve,
    /// Make the database ready for this version, or bring it up to it. SQLite
    /// files are by themselves.
    Migrate {
        /// Distribute the tables over the machines of a Citus cluster, too.
        #[arg(long)]
        citus: bool,
    },
    /// Make and list workspaces.
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Show that the consent ledger is as it was written.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Keep erasures apart from backups, and repeat them on a restored one.
    #[command(subcommand)]
    Erasure(ErasureCommand),
    /// Overwrite what erasures left in unused parts of a SQLite file. A server does
    /// the same every hour.
    Vacuum,
    /// Make and rotate the key under which erased people and those who objected
    /// are remembered.
    #[command(subcommand)]
    Key(KeyCommand),
}

/// What can be audited.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute the hash chain of the consent ledger. Prints for each workspace,
    /// behind its id and a tab, `ok` with the length and the head, or the first
    /// place that is broken; then it fails.
    Verify {
        /// Only this workspace.
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// A head that an earlier run printed and you kept where nobody with
        /// access to the database can change it. Only so a ledger is found out
        /// that somebody wrote anew, or cut off, with its head.
        #[arg(long, value_name = "LENGTH:HASH", requires = "workspace")]
        head: Option<Head>,
    },
}

/// What can be done with erasures.
#[derive(Clone, Debug, Subcommand)]
pub enum ErasureCommand {
    /// List the erasures, each as a line of JSON without personal data. Keep the
    /// lines where a loss of the database does not reach them.
    List {
        /// Only those from this time on, such as 2026-11-22T00:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<Time>,
        /// Only of this workspace.
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
    },
    /// Repeat erasures on a database that was restored from an older backup, before
    /// servers use it. Doing so again changes nothing. Fails if a line could not be
    /// applied; the others are.
    Replay {
        /// Lines of `erasure list`; - for standard input.
        file: PathBuf,
    },
}

/// What can be done with the key file.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make the key file, which all servers of a database share.
    Create,
    /// Add a version to the key file, under which people are remembered from now
    /// on. Then hand the file to every server, and restart them one by one.
    Rotate,
    /// List the versions: number, and how many rows of the database are under it,
    /// separated by a tab.
    List,
}

/// What can be done with workspaces.
#[derive(Clone, Debug, Subcommand)]
pub enum WorkspaceCommand {
    /// Make a workspace.
    Create {
        /// `[a-z][a-z0-9_-]{0,62}`.
        id: String,
        /// Free text, at most 100 characters; the id when absent.
        #[arg(long, default_value = "")]
        display_name: String,
    },
    /// List the workspaces: id and display name, separated by a tab.
    List,
}

fn time(text: &str) -> Result<Time, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.map(|time| time.to_utc())
        .map_err(|_| "send a time such as 2026-11-22T13:49:51Z".to_owned())
}
