//! The program `contacts-service`.

mod commands;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use commands::receipt::Unproven;
use contacts_service::config::{AuditCommand, Auth, Cli, Command, ErasureCommand, Switch};
use contacts_service::{Config, Server, bind, shutdown, telemetry};

/// Imports and streams take a third less time than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One worker thread per core, or as many as TOKIO_WORKER_THREADS says.
#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = Cli::load(arguments).unwrap_or_else(|error| error.exit());
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "contacts-service: {error}"));
            let unproven = error.downcast_ref::<Unproven>();
            unproven.map_or(ExitCode::FAILURE, |unproven| ExitCode::from(unproven.code()))
        }
    }
}

async fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    let command = cli.command.unwrap_or_else(|| Command::Serve(Box::new(cli.serve)));
    match command {
        Command::Serve(arguments) => serve(arguments.config).await,
        Command::Migrate(arguments) => commands::migrate(arguments).await,
        Command::Workspace(command) => commands::workspace(command).await,
        Command::Token(command) => commands::token::token(command).await,
        Command::Audit(AuditCommand::Verify { database, workspace, head }) => {
            commands::verify(&database.database, workspace, head).await
        }
        Command::Audit(AuditCommand::Export { database, workspace, after }) => {
            commands::ledger::export(&database.database, &workspace, after).await
        }
        Command::Audit(AuditCommand::Restore { database, file }) => {
            commands::ledger::restore(&database.database, &file).await
        }
        Command::Erasure(ErasureCommand::List { database, since, workspace }) => {
            commands::list_erasures(&database.database, workspace, since.unwrap_or_default()).await
        }
        Command::Erasure(ErasureCommand::Replay { database, file }) => {
            commands::replay_erasures(&database.database, &file).await
        }
        Command::Vacuum(arguments) => commands::vacuum(&arguments.database).await,
        Command::Key(command) => commands::key(command).await,
        Command::Receipt(command) => commands::receipt::receipt(command),
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    telemetry::init(&config.log)?;
    let unknown = Cli::unknown_variables(std::env::vars_os().map(|(name, _)| name));
    if !unknown.is_empty() {
        tracing::warn!(variables = unknown.join(" "), "no settings have these names");
    }
    let stopped = shutdown::signal()?;
    #[cfg(unix)]
    shutdown::exit_after_signal(config.timeouts.longest_shutdown())?;
    #[cfg(unix)]
    shutdown::ignore_signals()?;
    let listener = bind(&config).await?;
    let address = listener.local_addr()?;
    let hint = hint(&config, &address.to_string());
    let server = Server::open(config).await?;
    say(format_args!("listening on {address}"));
    if let Some(hint) = hint {
        say(format_args!("try: {hint}"));
    }
    let served = server.serve(listener, stopped).await;
    telemetry::flush().await;
    Ok(served?)
}

/// A command that shows what the server can do.
fn hint(config: &Config, address: &str) -> Option<String> {
    let transport = match &config.access.tls_cert {
        Some(_) => "-cacert CA.pem ",
        None => "-plaintext ",
    };
    let token = match config.access.auth {
        Auth::Tokens => "-H \"authorization: Bearer $CONTACTS_TOKEN\" ",
        Auth::None => "",
    };
    (config.listener.reflection == Switch::On)
        .then(|| format!("grpcurl {transport}{token}{address} list"))
}

/// Prints a line. A closed standard output is no error.
fn say(line: std::fmt::Arguments<'_>) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
