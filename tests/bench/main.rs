//! Benchmark of the service through the SDK, against the built program in a process of its own. Prints
//! the results and writes them to BENCHMARKS.md.
//!
//! ```sh
//! cargo build --release && cargo run --release -p contacts-tests --bin bench
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod checks;
mod data;
mod echo;
mod reading;
mod redis;
mod report;
mod server;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use contacts_sdk::{ContactsClient, ImportOptions, OnConflict};

use self::report::Report;
use self::server::ServerProcess;

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Parser)]
#[command(about = "Measures the contacts service")]
struct Options {
    /// Number of contacts.
    #[arg(long, default_value_t = 1_000_000)]
    contacts: u64,
    /// URL of the database. Default: a new SQLite file.
    #[arg(long)]
    database_url: Option<String>,
    /// Write the results into this file, in the section of the database.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Measure only the checks, after the import.
    #[arg(long)]
    only_checks: bool,
    /// Be the server of the echo.
    #[arg(long, hide = true)]
    serve_echo: bool,
}

#[tokio::main]
async fn main() -> Result {
    let options = Options::parse();
    if options.serve_echo {
        return echo::serve().await;
    }
    let folder = tempfile::tempdir()?;
    let database = match &options.database_url {
        Some(url) => url.clone(),
        None => format!("sqlite://{}", folder.path().join("bench.db").display()),
    };
    let postgres = database.starts_with("postgres").then_some(database.as_str());
    let engine = if postgres.is_some() { "Postgres" } else { "SQLite" };
    let server = ServerProcess::start(&database, &folder.path().join("bench.key"))?;
    let client = ContactsClient::builder(server.url()).connect().await?;
    let mut report = Report::new(engine, options.contacts);

    data::define(&client).await?;
    let started = Instant::now();
    let import = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
    let summary = client.contacts().import(import).send(data::rows(options.contacts)).await?;
    let seconds = started.elapsed().as_secs_f64();
    if summary.created != options.contacts {
        return Err(format!("{} of {} rows imported", summary.created, options.contacts).into());
    }
    let wanted = if postgres.is_some() { "≥ 60 000" } else { "≥ 30 000" };
    report.rate("import, rows/s", summary.rows, seconds, wanted);
    report.memory("server memory after the import", &server)?;

    if !options.only_checks {
        reading::measure(&client, &server, options.contacts, postgres, &mut report).await?;
    }
    checks::measure(&client, &server, options.contacts, &mut report).await?;
    report.memory("server memory at the end (peak in brackets)", &server)?;

    report.print();
    match &options.write {
        Some(path) => report.write(path),
        None => Ok(()),
    }
}
