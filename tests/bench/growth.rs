//! How results change with the number of contacts.

use std::path::Path;

use super::instance::{Engine, Instance};
use super::options::Effort;
use super::plot::{self, Line};
use super::report::{machine, publish};
use super::series::{grouped, millis, spread};
use super::{Result, checks, reading};

/// A word that one in a thousand names has, and two of which each is in a tenth.
const RARE: &str = "777";
const FREQUENT: &str = "maria garcia";

#[derive(Clone, Copy)]
enum Unit {
    Rate,
    /// Seconds.
    Time,
    MiB,
}

struct Measurement {
    name: &'static str,
    unit: Unit,
    wanted: &'static str,
    /// For each number of contacts.
    values: Vec<f64>,
}

pub async fn measure(
    engine: &Engine,
    folder: &Path,
    sizes: &[u64],
    effort: Effort,
    write: Option<&Path>,
) -> Result {
    let wanted = [
        ("import", Unit::Rate, "within 15 %"),
        ("list page of 50, the first", Unit::Time, "within 15 %"),
        ("… at 90 % of the list", Unit::Time, "within 15 %"),
        ("name search, a rare word", Unit::Time, "≤ 20 ms"),
        ("name search, two frequent words", Unit::Time, "≤ 20 ms"),
        ("stream of all, decoded", Unit::Rate, "within 15 %"),
        ("peak of the server's memory in a stream of all", Unit::MiB, "within 15 %"),
        ("single check, 64 callers", Unit::Rate, "within 15 %"),
        ("server memory after the checks, which come from memory", Unit::MiB, ""),
    ];
    let mut table =
        wanted.map(|(name, unit, wanted)| Measurement { name, unit, wanted, values: Vec::new() });
    for size in sizes {
        let instance = Instance::start(engine, folder, "growth").await?;
        let values = one(&instance, *size, effort).await?;
        instance.end().await?;
        for (measurement, value) in table.iter_mut().zip(values) {
            eprintln!("{size} contacts: {}: {}", measurement.name, measurement.unit.text(value));
            measurement.values.push(value);
        }
    }
    let text = markdown(engine, sizes, &table);
    let lines = table.iter().map(|measurement| Line {
        label: measurement.name.to_owned(),
        values: measurement.ratios(),
    });
    let title =
        format!("{}: speed at each number of contacts, of that at the first", engine.name());
    let plot = plot::lines(&title, sizes, &lines.collect::<Vec<_>>());
    publish(write, &format!("{} growth", engine.name()), &text, Some(&plot))
}

/// The values of the table, in its order.
async fn one(instance: &Instance, contacts: u64, effort: Effort) -> Result<[f64; 9]> {
    let (client, server) = (&instance.client, &instance.server);
    let import = contacts as f64 / instance.import(contacts).await?.as_secs_f64();
    let token = reading::deep_token(client, contacts / 10 * 9).await?;
    let mut times = [const { Vec::new() }; 4];
    let (mut streams, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..effort.repetitions {
        let page = reading::page(client, "", effort).await?;
        let deep = reading::page(client, &token, effort).await?;
        let rare = reading::search(client, RARE, effort).await?;
        let frequent = reading::search(client, FREQUENT, effort).await?;
        for (times, time) in times.iter_mut().zip([page, deep, rare, frequent]) {
            times.push(time.as_secs_f64());
        }
        server.reset_peak();
        let streamed = reading::stream(client, "").await?;
        streams.push(contacts as f64 / streamed.time.as_secs_f64());
        peaks.push(server.memory().1 as f64);
    }
    // The first calls load what is answered from memory, in the background.
    checks::call(client, contacts, effort.run).await?;
    server.rest().await?;
    let mut rates = Vec::new();
    for _ in 0..effort.repetitions {
        rates.push(checks::call(client, contacts, effort.run).await?.rate());
    }
    let [page, deep, rare, frequent] = times.map(|times| spread(&times).median);
    let (stream, peak, check) = (spread(&streams), spread(&peaks), spread(&rates));
    let memory = server.memory().0 as f64;
    Ok([import, page, deep, rare, frequent, stream.median, peak.median, check.median, memory])
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", grouped(value)),
            Self::Time => millis(value),
            Self::MiB => format!("{value:.0} MiB"),
        }
    }
}

impl Measurement {
    /// Each speed, or amount of memory, as a part of the first.
    fn ratios(&self) -> Vec<f64> {
        let first = self.values.first().copied().unwrap_or(f64::NAN);
        let ratio = |value: &f64| match self.unit {
            Unit::Time => first / value,
            Unit::Rate | Unit::MiB => value / first,
        };
        self.values.iter().map(ratio).collect()
    }
}

fn markdown(engine: &Engine, sizes: &[u64], table: &[Measurement]) -> String {
    let mut text = format!("{}, on {}.\n\n| contacts |", engine.name(), machine());
    for size in sizes {
        text.push_str(&format!(" {} |", grouped(*size as f64)));
    }
    text.push_str(&format!(" target |\n|---|{}---|\n", "--:|".repeat(sizes.len())));
    for measurement in table {
        text.push_str(&format!("| {} |", measurement.name));
        for (value, ratio) in measurement.values.iter().zip(measurement.ratios()) {
            text.push_str(&format!(" {} ({ratio:.2}) |", measurement.unit.text(*value)));
        }
        text.push_str(&format!(" {} |\n", measurement.wanted));
    }
    text
}
