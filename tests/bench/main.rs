//! Benchmark of the service through the SDK, against the built program in a process of its own. Prints
//! the results and writes them to BENCHMARKS.md.
//!
//! ```sh
//! cargo build --release && cargo run --release -p contacts-tests --bin bench
//! cargo run --release -p contacts-tests --bin bench -- --growth
//! cargo run --release -p contacts-tests --bin bench -- --load
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod checks;
mod compared;
mod copied;
mod data;
mod direct;
mod distance;
mod echo;
mod floor;
mod growth;
mod importing;
mod instance;
mod listmonk;
mod load;
mod options;
mod plot;
mod processors;
mod reading;
mod redis;
mod report;
mod series;
mod server;

use std::error::Error;
use std::path::Path;

use clap::Parser;

use self::instance::{Engine, Instance};
use self::options::{Options, Part};
use self::report::{Lines, Report};

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let options = Options::parse();
    if options.serve_echo {
        return echo::serve().await;
    }
    let folder = tempfile::tempdir()?;
    let engine = match &options.database_url {
        Some(url) => Engine::Postgres(url.clone()),
        None => Engine::Sqlite(folder.path().to_owned()),
    };
    if options.growth || options.quick {
        growth(&options, &engine, folder.path()).await?;
    }
    if options.load || options.quick {
        load(&options, &engine, folder.path()).await?;
    }
    if options.quick || !(options.growth || options.load) {
        compare(&options, &engine, folder.path()).await?;
    }
    Ok(())
}

/// Each job beside its floor.
async fn compare(options: &Options, engine: &Engine, folder: &Path) -> Result {
    let (contacts, effort) = (options.contacts.unwrap_or(1_000_000), options.effort());
    let mut report = Report::new(engine.name(), contacts, effort.repetitions);
    let (instance, imports) = if options.wants(Part::Import) {
        importing::measure(engine, folder, contacts, effort, &mut report).await?
    } else {
        let instance = Instance::start(engine, folder, "bench").await?;
        instance.import(contacts).await?;
        (instance, Default::default())
    };
    if options.wants(Part::Reading) {
        reading::measure(&instance, contacts, effort, &mut report).await?;
    }
    if options.wants(Part::Checks) {
        checks::singles(&instance, contacts, effort, &mut report).await?;
    }
    if options.wants(Part::Batches) {
        checks::batches(&instance, contacts, effort, &mut report).await?;
    }
    report.memory("server memory at the end, and its peak", &instance.server);
    if options.wants(Part::Listmonk) {
        compared::measure(&instance, contacts, &imports, effort, &mut report).await?;
    }
    // Last, because it imports into other workspaces, and listmonk's tables have no workspaces.
    if options.wants(Part::Distance) {
        distance::measure(&instance, contacts, effort, &mut report).await?;
    }
    instance.end().await?;
    report.finish(options.write.as_deref())
}

async fn growth(options: &Options, engine: &Engine, folder: &Path) -> Result {
    let sizes = match (options.quick, options.contacts) {
        (true, contacts) => {
            let contacts = contacts.unwrap_or(20_000);
            vec![contacts / 10, contacts / 2]
        }
        (false, _) => options.sizes.clone(),
    };
    growth::measure(engine, folder, &sizes, options.effort(), options.write.as_deref()).await
}

/// Checks and opt-outs beside everything else.
async fn load(options: &Options, engine: &Engine, folder: &Path) -> Result {
    let contacts = options.contacts.unwrap_or(200_000);
    let contacts = if options.quick { contacts / 10 } else { contacts };
    let instance = Instance::start(engine, folder, "load").await?;
    instance.import(contacts).await?;
    let mut lines = Lines::new(engine.name(), contacts);
    // Percentiles need more calls than a rate does.
    let run = options.effort().run * 5 / 2;
    load::measure(&instance, contacts, run, &mut lines).await?;
    instance.end().await?;
    lines.finish(options.write.as_deref())
}
