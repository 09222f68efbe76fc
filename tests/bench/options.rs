//! What to measure, and how long.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

use super::Result;
use super::report::median;

#[derive(Parser)]
#[command(about = "Measures the contacts service, and what bounds it, in one run")]
pub struct Options {
    /// Measure checks and opt-outs beside imports, streams, counts and other workspaces instead.
    #[arg(long)]
    pub load: bool,
    /// Measure how results change with the number of contacts instead.
    #[arg(long)]
    pub growth: bool,
    /// Numbers of contacts of --growth, ascending.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000, 5_000_000])]
    pub sizes: Vec<u64>,
    /// Number of contacts. Default: 1 000 000, with --load 200 000.
    #[arg(long)]
    pub contacts: Option<u64>,
    /// URL of a database on a Postgres server where databases can be created. Default: SQLite files.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Write the results into the section of the engine in this file, and plots into docs/benchmarks
    /// beside it.
    #[arg(long)]
    pub write: Option<PathBuf>,
    /// Measure only these.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Number of repetitions.
    #[arg(long, default_value_t = 5)]
    pub repeat: usize,
    /// Run everything for so short a time that the figures mean nothing: to see that it works.
    #[arg(long)]
    pub quick: bool,
    /// Be the server of the echo.
    #[arg(long, hide = true)]
    pub serve_echo: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The import and its floor.
    Import,
    /// Single checks.
    Checks,
    /// Checks in batches.
    Batches,
    /// Streams, filters, pages and searches.
    Reading,
    /// The SQL of listmonk. Postgres only.
    Listmonk,
    /// Streams, imports and checks over links of 10 and 50 ms.
    Distance,
}

/// How much is done for one result.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Times that a measurement is repeated, alternating with that of its floor.
    pub repetitions: usize,
    /// How long each measurement of a rate takes.
    pub run: Duration,
    /// Repetitions of a single read within a measurement of its time.
    pub reads: usize,
}

impl Effort {
    /// The time of a call that is made several times.
    pub async fn time_of(
        self,
        mut call: impl AsyncFnMut() -> Result<(), contacts_sdk::Error>,
    ) -> Result<Duration> {
        let mut times = Vec::new();
        for _ in 0..self.reads {
            let started = Instant::now();
            call().await?;
            times.push(started.elapsed());
        }
        Ok(median(times))
    }
}

impl Options {
    pub fn effort(&self) -> Effort {
        match self.quick {
            true => Effort { repetitions: 1, run: Duration::from_millis(200), reads: 3 },
            false => {
                Effort { repetitions: self.repeat.max(1), run: Duration::from_secs(2), reads: 21 }
            }
        }
    }

    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
