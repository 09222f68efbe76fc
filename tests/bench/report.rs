//! The results, printed and written to BENCHMARKS.md.

use std::fs;
use std::path::Path;
use std::time::Duration;

use contacts_tests::percentile;

use super::Result;
use super::plot::{self, Bar};
use super::series::{Series, millis};
use super::server::ServerProcess;

/// A table of results beside what bounds them, or is compared with them.
pub struct Report {
    engine: &'static str,
    contacts: u64,
    repetitions: usize,
    rows: Vec<[String; 7]>,
    bars: Vec<Bar>,
}

const HEAD: &str = "| job | ours | beside | ours of that | from – to | target | µs of processor |
|---|--:|---|--:|--:|--:|--:|\n";

impl Report {
    pub fn new(engine: &'static str, contacts: u64, repetitions: usize) -> Self {
        Self { engine, contacts, repetitions, rows: Vec::new(), bars: Vec::new() }
    }

    /// A job beside another that does the same or less, and how many times as fast it has to be.
    pub fn ratio(
        &mut self,
        job: &str,
        ours: &Series,
        beside: &str,
        floor: &Series,
        wanted: Option<f64>,
    ) {
        if ours.is_empty() || floor.is_empty() {
            return;
        }
        let ratio = ours.of(floor);
        let mut other = format!("{beside}: {}", floor.text());
        if !floor.cpu().is_empty() {
            other.push_str(&format!(" ({} µs)", floor.cpu()));
        }
        let target = wanted.map(|ratio| format!("≥ {ratio}")).unwrap_or_default();
        let range = format!("{:.2}–{:.2}", ratio.least, ratio.most);
        self.bars.push(Bar { label: format!("{job} / {beside}"), ratio, wanted });
        self.row([
            job,
            &ours.text(),
            &other,
            &format!("{:.2}", ratio.median),
            &range,
            &target,
            &ours.cpu(),
        ]);
    }

    /// A job with nothing to compare it with.
    pub fn value(&mut self, job: &str, ours: &Series, wanted: &str) {
        self.row([job, &ours.text(), "", "", &ours.range(), wanted, &ours.cpu()]);
    }

    pub fn text(&mut self, what: &str, found: &str, wanted: &str) {
        self.row([what, found, "", "", "", wanted, ""]);
    }

    pub fn memory(&mut self, what: &str, server: &ServerProcess) {
        let (now, peak) = server.memory();
        self.text(what, &format!("{now} MiB ({peak})"), "");
    }

    fn row(&mut self, row: [&str; 7]) {
        eprintln!("{}", row.join(" | "));
        self.rows.push(row.map(str::to_owned));
    }

    /// Prints the table, and writes it into a file, with a plot.
    pub fn finish(&self, path: Option<&Path>) -> Result {
        let mut table = format!(
            "{}, {} contacts, {} repetitions, on {}.\n\n{HEAD}",
            self.engine,
            self.contacts,
            self.repetitions,
            machine()
        );
        for row in &self.rows {
            table.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        let title = format!("{}: how many times as fast as what is beside it", self.engine);
        publish(path, self.engine, &table, Some(&plot::bars(&title, &self.bars)))
    }
}

/// A list of results, each with its target.
pub struct Lines {
    engine: &'static str,
    contacts: u64,
    lines: Vec<[String; 3]>,
}

impl Lines {
    pub fn new(engine: &'static str, contacts: u64) -> Self {
        Self { engine, contacts, lines: Vec::new() }
    }

    pub fn text(&mut self, what: &str, found: String, wanted: &str) {
        eprintln!("{what}: {found}");
        self.lines.push([what.to_owned(), found, wanted.to_owned()]);
    }

    pub fn time(&mut self, what: &str, time: Duration, wanted: &str) {
        self.text(what, format!("{:.2} ms", time.as_secs_f64() * 1000.0), wanted);
    }

    /// The 99th percentile of sorted times, and how many times that of others it is.
    pub fn ratio(&mut self, what: &str, times: &[Duration], others: &[Duration], wanted: &str) {
        let (time, other) = (percentile(times, 99), percentile(others, 99));
        let ratio = time.as_secs_f64() / other.as_secs_f64();
        let found = format!("{} ({ratio:.1} ×)", millis(time.as_secs_f64()));
        self.text(&format!("{what}, 99th percentile"), found, wanted);
    }

    pub fn finish(&self, path: Option<&Path>) -> Result {
        let mut table = format!(
            "{}, {} contacts, on {}.\n\n| measurement | result | target |\n|---|--:|---|\n",
            self.engine,
            self.contacts,
            machine()
        );
        for line in &self.lines {
            table.push_str(&format!("| {} |\n", line.join(" | ")));
        }
        publish(path, &format!("{} load", self.engine), &table, None)
    }
}

/// Prints a table, and writes it into a file, between the marks of its section. A plot goes into a
/// file of its own beside it.
pub fn publish(path: Option<&Path>, section: &str, table: &str, plot: Option<&str>) -> Result {
    println!("{table}");
    let Some(path) = path else { return Ok(()) };
    let name = section.to_lowercase();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let text = fs::read_to_string(path)?;
    let (before, rest) = text.split_once(&begin).ok_or("the file has no mark to begin at")?;
    let (_, after) = rest.split_once(&end).ok_or("the file has no mark to end at")?;
    fs::write(path, format!("{before}{begin}{table}\n{end}{after}"))?;
    let Some(plot) = plot else { return Ok(()) };
    let folder = path.with_file_name("docs").join("benchmarks");
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(format!("{}.svg", name.replace(' ', "-"))), plot)?)
}

/// Number of cores and memory size of the machine.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = info.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    format!("{cores} cores, {} GiB of memory, client, server and database together", kib >> 20)
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    percentile(&times, 50)
}
