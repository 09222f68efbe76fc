//! Who uses the processors.

use std::fs;
use std::time::{Duration, Instant};

use super::Result;
use super::server::ServerProcess;

/// Processor time until a moment.
pub struct Processors {
    time: Instant,
    server: Duration,
    client: Duration,
    all: Duration,
}

impl Processors {
    pub fn now(server: &ServerProcess) -> Result<Self> {
        Ok(Self {
            time: Instant::now(),
            server: server.cpu()?,
            client: of_this_process()?,
            all: of_all()?,
        })
    }

    /// How many processors were busy since then, for whom.
    pub fn since(&self, server: &ServerProcess) -> Result<String> {
        let now = Self::now(server)?;
        let seconds = (now.time - self.time).as_secs_f64();
        let share = |now: Duration, before: Duration| (now - before).as_secs_f64() / seconds;
        let (server, client) = (share(now.server, self.server), share(now.client, self.client));
        let others = (share(now.all, self.all) - server - client).max(0.0);
        Ok(format!("{server:.2}, {client:.2}, {others:.2}"))
    }
}

fn of_this_process() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may have spaces.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    ticks(fields.skip(11).take(2))
}

/// Without what is idle or waits for a disk.
fn of_all() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).enumerate();
    let busy = fields.filter(|(index, _)| !matches!(index, 3 | 4) && *index < 8);
    ticks(busy.map(|(_, field)| field))
}

/// A hundred a second, on every Linux that matters.
fn ticks<'f>(fields: impl Iterator<Item = &'f str>) -> Result<Duration> {
    let sum = fields.map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
    Ok(Duration::from_millis(sum * 10))
}
