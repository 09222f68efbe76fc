//! The commands that do their work and exit.

pub mod ledger;
pub mod receipt;
pub mod token;

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use contacts_service::config::{Database, KeyCommand, MigrateArgs, Switch, WorkspaceCommand};
use contacts_service::database::{self, key_path, open_existing};
use contacts_service::domain::Time;
use contacts_service::domain::ledger::Head;
use contacts_service::domain::workspace::WorkspaceSettings;
use contacts_service::erasures::{self, Summary};
use contacts_service::key_file;
use contacts_service::operations::workspaces::{self, CreateWorkspace};
use contacts_service::operations::{audit, audit_states, suppression};
use contacts_service::store::Store;
use contacts_service::store::sqlite::Access;

use crate::say;

type Outcome = Result<(), Box<dyn Error>>;

/// Opens a database that a server may use meanwhile.
async fn open(database: &Database, access: Access) -> Result<Store, Box<dyn Error>> {
    let (store, _) = open_existing(database, access, false).await?;
    Ok(store)
}

/// `migrate`
pub async fn migrate(arguments: MigrateArgs) -> Outcome {
    let database = &arguments.database.database;
    let row_level_security = arguments.row_level_security.map(|switch| switch == Switch::On);
    let migrated = database::migrate(database, arguments.citus, row_level_security).await?;
    if !migrated.distributed.is_empty() {
        say(format_args!("distributed {}", migrated.distributed.join(", ")));
    }
    if !migrated.emptied.is_empty() {
        say(format_args!(
            "removed the copies of their rows that were left on the coordinator: {}",
            migrated.emptied.join(", ")
        ));
    }
    say(format_args!("{} has the schema of this version", database.url));
    Ok(())
}

/// `workspace create` and `workspace list`
pub async fn workspace(command: WorkspaceCommand) -> Outcome {
    match command {
        WorkspaceCommand::Create { database, id: workspace_id, display_name } => {
            let store = open(&database.database, Access::Write).await?;
            let created = store
                .write(CreateWorkspace {
                    workspace_id,
                    display_name,
                    settings: WorkspaceSettings::default(),
                })
                .await;
            store.close().await;
            say(format_args!("{}", created?.workspace_id));
        }
        WorkspaceCommand::List(arguments) => {
            let store = open(&arguments.database, Access::Read).await?;
            let listed = list_workspaces(&store).await;
            store.close().await;
            return failures(listed?);
        }
    }
    Ok(())
}

/// Prints a line for each workspace. Returns how many could not be read.
async fn list_workspaces(store: &Store) -> Result<usize, Box<dyn Error>> {
    let mut failed = 0;
    let list = async |id: &str| {
        let workspace = workspaces::get(store, id).await?;
        say(format_args!("{id}\t{}", workspace.display_name));
        Ok(())
    };
    workspaces::for_each(store, list, |id, error| tell(&mut failed, id, &error)).await?;
    Ok(failed)
}

/// Says which workspace could not be read, and goes on: the others are on other nodes, perhaps.
fn tell(failed: &mut usize, id: &str, error: &dyn Error) {
    drop(writeln!(std::io::stderr(), "contacts-service: workspace {id}: {error}"));
    *failed += 1;
}

/// Fails if workspaces could not be read.
fn failures(failed: usize) -> Outcome {
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of the workspaces could not be read").into()),
    }
}

/// `audit verify`
pub async fn verify(database: &Database, only: Option<String>, head: Option<Head>) -> Outcome {
    let store = open(database, Access::Read).await?;
    let verified = verify_ledgers(&store, only, head).await;
    store.close().await;
    match verified? {
        0 => Ok(()),
        broken => Err(format!("{broken} of the ledgers are broken").into()),
    }
}

/// Prints the result for each ledger, and counts the broken ones.
async fn verify_ledgers(
    store: &Store,
    only: Option<String>,
    head: Option<Head>,
) -> Result<usize, Box<dyn Error>> {
    let ids = match only {
        Some(id) => vec![id],
        None => workspaces::ids(store).await?,
    };
    let (mut broken, mut failed) = (0, 0);
    for id in &ids {
        match verify_ledger(store, id, head).await {
            Ok(is_whole) => broken += usize::from(!is_whole),
            Err(error) if ids.len() == 1 => return Err(error.into()),
            Err(error) => tell(&mut failed, id, &error),
        }
    }
    failures(failed)?;
    Ok(broken)
}

/// Prints the result for one ledger. Returns whether it is as it was written.
async fn verify_ledger(
    store: &Store,
    id: &str,
    head: Option<Head>,
) -> Result<bool, contacts_service::domain::error::Error> {
    // Sooner than the verification, if its node does not answer.
    workspaces::exists(store, id).await?;
    let head = match audit::verify(store, id, head).await? {
        Ok(head) => head,
        Err(place) => {
            say(format_args!("{id}\t{place}"));
            return Ok(false);
        }
    };
    let mismatches = audit_states::verify_states(store, id).await?;
    if mismatches.is_empty() {
        say(format_args!("{id}\tok, {} events, head {head}", head.length));
    }
    for mismatch in &mismatches {
        say(format_args!("{id}\t{mismatch}"));
    }
    Ok(mismatches.is_empty())
}

/// `erasure list`
pub async fn list_erasures(database: &Database, workspace: Option<String>, since: Time) -> Outcome {
    let store = open(database, Access::Read).await?;
    let mut failed = 0;
    let print = |line| say(format_args!("{line}"));
    let listed = erasures::list(&store, workspace, since, print, |id, error| {
        tell(&mut failed, id, &error);
    });
    let listed = listed.await;
    store.close().await;
    listed?;
    failures(failed)
}

/// `erasure replay`
pub async fn replay_erasures(database: &Database, file: &Path) -> Outcome {
    let lines = open_lines(file)?;
    // No server may answer from the restored database before.
    let (store, _lock) = open_existing(database, Access::Write, true).await?;
    let refused = |line, error| {
        drop(writeln!(std::io::stderr(), "contacts-service: line {line}: {error}"));
    };
    let replayed = erasures::replay(&store, lines, refused).await;
    store.close().await;
    let Summary { erased, suppressed, already_gone, failed } = replayed?;
    say(format_args!("erased {erased}, suppressed {suppressed}, already gone {already_gone}"));
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of the lines could not be applied").into()),
    }
}

/// Opens a file of lines, or standard input.
fn open_lines(file: &Path) -> Result<Box<dyn BufRead>, Box<dyn Error>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// `vacuum`
pub async fn vacuum(database: &Database) -> Outcome {
    let store = open(database, Access::Write).await?;
    let vacuumed = store.vacuum(true).await;
    store.close().await;
    Ok(vacuumed?)
}

/// `key create`, `key rotate` and `key list`
pub async fn key(command: KeyCommand) -> Outcome {
    match command {
        KeyCommand::Create(arguments) => {
            let path = key_path(&arguments.database)?;
            key_file::create(&path)?;
            say(format_args!("created {}: back it up apart from the database", path.display()));
            Ok(())
        }
        KeyCommand::Rotate(arguments) => {
            let path = key_path(&arguments.database)?;
            // Opening the database makes sure that this is its key file.
            open(&arguments.database, Access::Read).await?.close().await;
            let version = key_file::rotate(&path)?.current().version;
            say(format_args!("added version {version} to {}", path.display()));
            list_keys(&arguments.database).await
        }
        KeyCommand::List(arguments) => list_keys(&arguments.database).await,
    }
}

async fn list_keys(database: &Database) -> Outcome {
    let store = open(database, Access::Read).await?;
    let mut failed = 0;
    let counts = suppression::count_by_key(&store, |id, error| tell(&mut failed, id, &error)).await;
    store.close().await;
    for (version, rows) in counts? {
        say(format_args!("{version}\t{rows}"));
    }
    failures(failed)
}
