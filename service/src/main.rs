//! The program `contacts-service`.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use contacts_service::config::{
    AuditCommand, Cli, Command, ErasureCommand, KeyCommand, WorkspaceCommand,
};
use contacts_service::domain::Time;
use contacts_service::domain::ledger::Head;
use contacts_service::erasures::{self, Summary};
use contacts_service::operations::workspaces::{self, CreateWorkspace};
use contacts_service::operations::{audit, suppression};
use contacts_service::store::Store;
use contacts_service::{Config, Server, bind, key_file, key_path, open_store, shutdown, telemetry};

/// A third less time in imports and streams than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One thread a core; TOKIO_WORKER_THREADS says otherwise.
#[tokio::main]
async fn main() -> ExitCode {
    let Cli { config, command } = Cli::parse();
    let done = match command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Migrate { citus } => migrate(&config, citus).await,
        Command::Workspace(command) => workspace(config, command).await,
        Command::Audit(AuditCommand::Verify { workspace, head }) => {
            audit(config, workspace, head).await
        }
        Command::Erasure(ErasureCommand::List { since, workspace }) => {
            list_erasures(&config, workspace, since.unwrap_or_default()).await
        }
        Command::Erasure(ErasureCommand::Replay { file }) => replay_erasures(&config, &file).await,
        Command::Vacuum => vacuum(&config).await,
        Command::Key(command) => key(config, command).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed standard error does not want to know.
            drop(writeln!(std::io::stderr(), "contacts-service: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    telemetry::init(&config.log)?;
    let stopped = shutdown::signal()?;
    let listener = bind(&config).await?;
    let address = listener.local_addr()?;
    let reflection = !config.no_reflection;
    let server = Server::open(config).await?;
    say(format_args!("listening on {address}"));
    if reflection {
        say(format_args!("try: grpcurl -plaintext {address} list"));
    }
    Ok(server.serve(listener, stopped).await?)
}

async fn migrate(config: &Config, citus: bool) -> Result<(), Box<dyn Error>> {
    contacts_service::migrate(config, citus).await?;
    say(format_args!("{} is ready for this version", config.database));
    Ok(())
}

async fn workspace(config: Config, command: WorkspaceCommand) -> Result<(), Box<dyn Error>> {
    let store = open_store(&config).await?;
    let done = match command {
        WorkspaceCommand::Create { id: workspace_id, display_name } => {
            let create = CreateWorkspace { workspace_id, display_name };
            store.write(create).await.map(|made| say(format_args!("{}", made.workspace_id)))
        }
        WorkspaceCommand::List => workspaces::list(&store, "", usize::MAX >> 1).await.map(|all| {
            for workspace in all {
                say(format_args!("{}\t{}", workspace.workspace_id, workspace.display_name));
            }
        }),
    };
    store.close().await;
    Ok(done?)
}

async fn audit(
    config: Config,
    only: Option<String>,
    head: Option<Head>,
) -> Result<(), Box<dyn Error>> {
    let store = open_store(&config).await?;
    let verified = verify_ledgers(&store, only, head).await;
    store.close().await;
    match verified? {
        0 => Ok(()),
        broken => Err(format!("{broken} of the ledgers are broken").into()),
    }
}

/// Prints what is to be said of each ledger, and counts the broken ones.
async fn verify_ledgers(
    store: &Store,
    only: Option<String>,
    head: Option<Head>,
) -> Result<usize, Box<dyn Error>> {
    let ids = match only {
        Some(id) => vec![id],
        None => {
            let all = workspaces::list(store, "", usize::MAX >> 1).await?;
            all.into_iter().map(|workspace| workspace.workspace_id).collect()
        }
    };
    let mut broken = 0;
    for id in ids {
        match audit::verify(store, &id, head).await? {
            Ok(head) => say(format_args!("{id}\tok, {} events, head {head}", head.length)),
            Err(place) => {
                broken += 1;
                say(format_args!("{id}\t{place}"));
            }
        }
    }
    Ok(broken)
}

async fn list_erasures(
    config: &Config,
    workspace: Option<String>,
    since: Time,
) -> Result<(), Box<dyn Error>> {
    let store = open_store(config).await?;
    let listed = erasures::list(&store, workspace, since, |line| say(format_args!("{line}"))).await;
    store.close().await;
    Ok(listed?)
}

async fn replay_erasures(config: &Config, file: &Path) -> Result<(), Box<dyn Error>> {
    let lines: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => {
            let opened = File::open(file);
            let opened = opened.map_err(|e| format!("cannot read {}: {e}", file.display()))?;
            Box::new(BufReader::new(opened))
        }
    };
    let store = open_store(config).await?;
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

async fn vacuum(config: &Config) -> Result<(), Box<dyn Error>> {
    let store = open_store(config).await?;
    let purged = store.vacuum().await;
    store.close().await;
    Ok(purged?)
}

async fn key(config: Config, command: KeyCommand) -> Result<(), Box<dyn Error>> {
    let path = key_path(&config)?;
    match command {
        KeyCommand::Create => {
            key_file::create(&path)?;
            say(format_args!("{} is made; keep a copy apart from the database's", path.display()));
            return Ok(());
        }
        KeyCommand::Rotate => {
            // Opening the store makes sure that this is the key file of this database.
            open_store(&config).await?.close().await;
            let version = key_file::rotate(&path)?.current().version;
            say(format_args!("version {version} is in {}", path.display()));
        }
        KeyCommand::List => {}
    }
    let store = open_store(&config).await?;
    let counts = suppression::count_by_key(&store).await;
    store.close().await;
    for (version, rows) in counts? {
        say(format_args!("{version}\t{rows}"));
    }
    Ok(())
}

/// Prints a line. A reader that went away stops nothing.
fn say(line: std::fmt::Arguments<'_>) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
