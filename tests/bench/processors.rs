//! Who uses the processors.

use std::fs;
use std::time::Instant;

use contacts_tests::ServiceProcess;

/// Processor time until a moment, in ticks.
pub struct Processors {
    time: Instant,
    server: u64,
    client: u64,
    all: u64,
}

/// Ticks a second, on every Linux that matters.
const TICKS: f64 = 100.0;

impl Processors {
    pub fn now(server: &ServiceProcess) -> Self {
        Self {
            time: Instant::now(),
            server: of_process(&server.pid().to_string()),
            client: of_process("self"),
            all: of_all(),
        }
    }

    /// How many processors were busy since then, for whom.
    pub fn since(&self, server: &ServiceProcess) -> String {
        let now = Self::now(server);
        let ticks = (now.time - self.time).as_secs_f64() * TICKS;
        let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / ticks;
        let (server, client) = (share(now.server, self.server), share(now.client, self.client));
        let others = (share(now.all, self.all) - server - client).max(0.0);
        format!("{server:.2}, {client:.2}, {others:.2}")
    }
}

fn of_process(pid: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may have spaces.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Without what is idle or waits for a disk.
fn of_all() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).enumerate();
    let busy = fields.filter(|(index, _)| !matches!(index, 3 | 4) && *index < 8);
    busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum()
}
