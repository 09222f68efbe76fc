//! Attacks a server from outside, in each of the ways that took an earlier version down, and measures what
//! its other callers notice. Prints a table; nothing in it makes the program fail.
//!
//! ```sh
//! cargo build --release && cargo run --release -p contacts-tests --bin attack
//! cargo run --release -p contacts-tests --bin attack -- --server PATH gzip-bombs idle-streams
//! ```
//!
//! Each attack meets a server of its own, a process over a new SQLite file. A well-behaved client
//! ([`observer`]) asks for its health, checks and records an opt-out every 50 ms, from before the attack
//! until the server serves a newcomer again. Attacker, client and server share the machine's processors, so
//! part of what the client waits for is the attacker's own work: compare programs on the same machine.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod attacks;
#[path = "../bench/data.rs"]
mod data;
mod observer;
mod target;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use contacts_tests::built_program;

use self::attacks::Attack;
use self::observer::{Observations, Observer};
use self::target::{Target, Template};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Attacks a contacts service and measures what its other callers notice")]
struct Options {
    /// The server to attack. Default: the one built with this program.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Number of contacts in the database, for the attacks that need many.
    #[arg(long, default_value_t = 200_000)]
    contacts: u64,
    /// How long each attack goes on, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The attacks. Default: all.
    #[arg(value_enum)]
    names: Vec<Attack>,
}

#[tokio::main]
async fn main() -> Result {
    let options = Options::parse();
    let server = options.server.unwrap_or_else(built_program);
    let names = match options.names.is_empty() {
        true => Attack::value_variants().to_vec(),
        false => options.names,
    };
    let template = match names.iter().any(|name| name.needs_contacts()) {
        true => Some(Template::fill(&server, options.contacts).await?),
        false => None,
    };
    println!(
        "| # | attack | no health answer, s | no check answer, s | RSS, MiB above idle | opt-out p99 / max, ms \
         | failed checks, opt-outs | serves a newcomer after, s |\n|--:|---|--:|--:|--:|--:|--:|--:|"
    );
    for attack in names {
        let seconds = Duration::from_secs(options.seconds);
        match measure(attack, Target::start(attack, &server, template.as_ref()), seconds).await {
            Ok(row) => println!("| {} | {} | {row} |", attack.number(), attack.title()),
            // Such as a file system that may not be mounted.
            Err(error) => eprintln!("{} was skipped: {error}", attack.title()),
        }
    }
    Ok(())
}

async fn measure(attack: Attack, target: Result<Target>, seconds: Duration) -> Result<String> {
    let mut target = target?;
    eprintln!("{}", attack.title());
    attack.prepare(&mut target).await?;
    target.server.reset_peak_memory();
    let idle = target.server.memory().0;
    let observer = Observer::start(target.server.url())?;
    let attacked = attack.run(&target, seconds).await;
    let newcomer = observer::newcomer(&target.server.url()).await;
    let seen = observer.stop()?;
    let failed = (seen.check.failed, seen.check_by_id.failed);
    eprintln!("  failed checks of a number, of a contact: {failed:?}");
    let grown = target.server.memory().1.saturating_sub(idle);
    attacked?;
    Ok(row(&seen, grown, newcomer))
}

fn row(seen: &Observations, grown: u64, newcomer: Option<Duration>) -> String {
    let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
    let millis = |time: Duration| (time.as_secs_f64() * 1000.0).ceil();
    format!(
        "{} | {} | {grown} | {} / {} | {}, {} | {}",
        seconds(seen.health.longest_gap),
        seconds(seen.check.longest_gap.max(seen.check_by_id.longest_gap)),
        millis(seen.opt_out.percentile(99)),
        millis(seen.opt_out.percentile(100)),
        seen.check.failed + seen.check_by_id.failed,
        seen.opt_out.failed,
        newcomer.map_or_else(|| "not at all".to_owned(), seconds),
    )
}
