//! Benchmark of the service through the SDK, against the built program in a process of its own. Prints
//! the results and writes them to BENCHMARKS.md.
//!
//! ```sh
//! cargo build --release && cargo run --release -p contacts-tests --bin bench
//! cargo run --release -p contacts-tests --bin bench -- --load
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod checks;
mod data;
mod echo;
mod floor;
mod load;
mod processors;
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
    /// Measure checks and opt-outs beside imports, streams, counts and other workspaces instead.
    #[arg(long)]
    load: bool,
    /// Number of contacts. Default: 1 000 000, with --load 200 000.
    #[arg(long)]
    contacts: Option<u64>,
    /// URL of the database. Default: a new SQLite file.
    #[arg(long)]
    database_url: Option<String>,
    /// Write the results into this file, in the section of the database.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Measure only the checks, after the import.
    #[arg(long)]
    only_checks: bool,
    /// Measure only the import.
    #[arg(long)]
    only_import: bool,
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
    let file = folder.path().join("bench.db");
    let database = match &options.database_url {
        Some(url) => url.clone(),
        None => format!("sqlite://{}", file.display()),
    };
    let postgres = database.starts_with("postgres").then_some(database.as_str());
    let engine = if postgres.is_some() { "Postgres" } else { "SQLite" };
    let server = ServerProcess::start(&database, &folder.path().join("bench.key"))?;
    let client = ContactsClient::builder(server.url()).connect().await?;
    let contacts = options.contacts.unwrap_or(if options.load { 200_000 } else { 1_000_000 });
    let mut report = Report::new(engine, contacts, options.load);

    data::define(&client).await?;
    let started = Instant::now();
    let import = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
    let summary = client.contacts().import(import).send(data::rows(contacts)).await?;
    let seconds = started.elapsed().as_secs_f64();
    if summary.created != contacts {
        return Err(format!("{} of {contacts} rows imported", summary.created).into());
    }
    if options.load {
        load::measure(&client, &server, contacts, &mut report).await?;
        return report.finish(options.write.as_deref());
    }
    report.rate("import, rows/s", summary.rows, seconds, "≥ 40 000");
    report.micros("… processor time of the server a row", server.cpu()?.div_f64(contacts as f64));
    report.memory("server memory after the import", &server);
    let floor = match postgres {
        Some(url) => floor::postgres(url, &folder.path().join("bench.key"), contacts).await?,
        None => floor::sqlite(&file, folder.path(), contacts)?,
    };
    report.number("the same rows into the same tables, by one writer, rows/s", floor, "");
    let ratio = summary.rows as f64 / seconds / floor;
    report.text("import, of that", format!("{ratio:.2}"), "≥ 0.8");
    if options.only_import {
        return report.finish(options.write.as_deref());
    }

    if !options.only_checks {
        reading::measure(&client, &server, contacts, postgres, &mut report).await?;
    }
    checks::measure(&client, &server, contacts, &mut report).await?;
    report.memory("server memory at the end (peak in brackets)", &server);

    report.finish(options.write.as_deref())
}
