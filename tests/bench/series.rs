//! The results of the repetitions of one measurement.

use std::time::{Duration, Instant};

use super::Result;
use super::processors::Cpu;

/// Rates, or times. Both are kept as speeds: a ratio of two is how many times as fast one is.
#[derive(Default)]
pub struct Series {
    speeds: Vec<f64>,
    is_time: bool,
    /// Of one operation.
    cpu: Vec<Cpu>,
}

/// Median, least and greatest.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Series {
    /// Adds operations a second.
    pub fn speed(&mut self, speed: f64) {
        self.speeds.push(speed);
    }

    /// Adds a rate: operations in a time.
    pub fn rate(&mut self, count: u64, time: Duration) {
        self.speed(count as f64 / time.as_secs_f64());
    }

    /// Adds a rate, and what the operations cost.
    pub fn costed(&mut self, count: u64, time: Duration, cpu: Cpu) {
        self.rate(count, time);
        self.cpu.push(cpu / count as f64);
    }

    /// Adds the rate of what counts its operations.
    pub async fn measure(&mut self, counts: impl Future<Output = Result<u64>>) -> Result {
        let started = Instant::now();
        let count = counts.await?;
        self.rate(count, started.elapsed());
        Ok(())
    }

    /// Adds the time of an operation.
    pub fn time(&mut self, time: Duration) {
        self.is_time = true;
        self.speeds.push(time.as_secs_f64().recip());
    }

    pub fn is_empty(&self) -> bool {
        self.speeds.is_empty()
    }

    pub fn median(&self) -> f64 {
        spread(&self.speeds).median
    }

    /// The speed as a part of that of another, each repetition of the one of the same of the other.
    pub fn of(&self, floor: &Self) -> Spread {
        let ratios = self.speeds.iter().zip(&floor.speeds).map(|(ours, floor)| ours / floor);
        spread(&ratios.collect::<Vec<_>>())
    }

    /// The median, with its unit.
    pub fn text(&self) -> String {
        self.one(self.median())
    }

    /// The least and the greatest, as times or rates.
    pub fn range(&self) -> String {
        let Spread { least, most, .. } = spread(&self.speeds);
        match self.is_time {
            true => format!("{}–{}", self.one(most), self.one(least)),
            false => format!("{}–{}", self.one(least), self.one(most)),
        }
    }

    fn one(&self, speed: f64) -> String {
        match self.is_time {
            true => millis(speed.recip()),
            false => format!("{}/s", grouped(speed)),
        }
    }

    /// Processor time of an operation in µs: of the server, and of the database if there is one.
    pub fn cpu(&self) -> String {
        if self.cpu.is_empty() {
            return String::new();
        }
        let median = |part: fn(&Cpu) -> f64| {
            spread(&self.cpu.iter().map(part).collect::<Vec<_>>()).median * 1e6
        };
        let digits = |micros: f64| match micros < 10.0 {
            true => format!("{micros:.1}"),
            false => format!("{micros:.0}"),
        };
        let (server, database) = (median(|cpu| cpu.server), median(|cpu| cpu.database));
        match self.cpu.iter().any(|cpu| cpu.database > 0.0) {
            true => format!("{} + {}", digits(server), digits(database)),
            false => digits(server),
        }
    }
}

pub fn spread(values: &[f64]) -> Spread {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    Spread { median: at(values.len() / 2), least: at(0), most: at(last) }
}

pub fn millis(seconds: f64) -> String {
    let millis = seconds * 1000.0;
    match millis < 100.0 {
        true => format!("{millis:.2} ms"),
        false => format!("{millis:.0} ms"),
    }
}

/// A number without fraction, in groups of three digits.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}
