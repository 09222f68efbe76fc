//! The results, printed and written to BENCHMARKS.md.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Result;
use super::server::ServerProcess;

pub struct Report {
    engine: &'static str,
    contacts: u64,
    /// Name of its marks in the file.
    section: String,
    lines: Vec<[String; 3]>,
}

impl Report {
    pub fn new(engine: &'static str, contacts: u64, is_load: bool) -> Self {
        let section = format!("{}{}", engine.to_lowercase(), if is_load { " load" } else { "" });
        Self { engine, contacts, section, lines: Vec::new() }
    }

    pub fn text(&mut self, what: &str, found: String, wanted: &str) {
        eprintln!("{what}: {found}");
        self.lines.push([what.to_owned(), found, wanted.to_owned()]);
    }

    pub fn rate(&mut self, what: &str, count: u64, seconds: f64, wanted: &str) {
        self.number(what, count as f64 / seconds, wanted);
    }

    pub fn number(&mut self, what: &str, number: f64, wanted: &str) {
        let digits = format!("{number:.0}");
        let groups: Vec<_> =
            digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        self.text(what, groups.join(" "), wanted);
    }

    pub fn time(&mut self, what: &str, time: Duration, wanted: &str) {
        self.text(what, format!("{:.2} ms", time.as_secs_f64() * 1000.0), wanted);
    }

    pub fn micros(&mut self, what: &str, time: Duration) {
        self.text(what, format!("{:.1} µs", time.as_secs_f64() * 1e6), "");
    }

    pub fn memory(&mut self, what: &str, server: &ServerProcess) {
        let (now, peak) = server.memory();
        self.text(what, format!("{now} MiB ({peak})"), "");
    }

    /// The 99th percentile of sorted times, and how many times that of others it is.
    pub fn ratio(&mut self, what: &str, times: &[Duration], others: &[Duration], wanted: &str) {
        let (time, other) = (percentile(times, 99), percentile(others, 99));
        let ratio = time.as_secs_f64() / other.as_secs_f64();
        let time = time.as_secs_f64() * 1000.0;
        self.text(
            &format!("{what}, 99th percentile"),
            format!("{time:.2} ms ({ratio:.1} ×)"),
            wanted,
        );
    }

    /// Prints the table, and writes it into a file.
    pub fn finish(&self, path: Option<&Path>) -> Result {
        println!("{}", self.table());
        path.map_or(Ok(()), |path| self.write(path))
    }

    /// Writes the table into a file, between the markers of its database.
    fn write(&self, path: &Path) -> Result {
        let name = &self.section;
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let text = fs::read_to_string(path)?;
        let (before, rest) = text.split_once(&begin).ok_or("the file has no mark to begin at")?;
        let (_, after) = rest.split_once(&end).ok_or("the file has no mark to end at")?;
        Ok(fs::write(path, format!("{before}{begin}{}\n{end}{after}", self.table()))?)
    }

    fn table(&self) -> String {
        let mut table = format!(
            "{}, {} contacts, on {}.\n\n| measurement | result | target |\n|---|--:|---|\n",
            self.engine,
            self.contacts,
            machine()
        );
        for [what, found, wanted] in &self.lines {
            table.push_str(&format!("| {what} | {found} | {wanted} |\n"));
        }
        table
    }
}

/// Number of cores and memory size of the machine.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = info.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    format!("{cores} cores, {} GiB of memory, client and server together", kib >> 20)
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    percentile(&times, 50)
}

/// A percentile of sorted times.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    times
        .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
