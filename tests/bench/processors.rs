//! Who uses the processors.

use std::fs;
use std::ops::{Div, Sub};
use std::time::{Duration, Instant};

use super::Result;
use super::server::ServerProcess;

/// Processor time in seconds: of the server, and of the database server if it is on this machine.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub server: f64,
    pub database: f64,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { server: self.server - before.server, database: self.database - before.database }
    }
}

impl Div<f64> for Cpu {
    type Output = Self;

    fn div(self, operations: f64) -> Self {
        Self { server: self.server / operations, database: self.database / operations }
    }
}

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
            client: of_process(std::process::id())?,
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

pub fn of_process(pid: u32) -> Result<Duration> {
    ticks(fields(&stat(pid)?).skip(11).take(2))
}

/// The time of a process, of its children, and of those of them that ended.
pub fn of_family(pid: u32) -> Result<Duration> {
    let mut time = ticks(fields(&stat(pid)?).skip(11).take(4))?;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may end meanwhile.
        let Ok(stat) = stat(child) else { continue };
        if parent(&stat) == Some(pid) {
            time += ticks(fields(&stat).skip(11).take(2))?;
        }
    }
    Ok(time)
}

/// The parent of a process of this machine, if there is such a process with this name.
pub fn parent_of(pid: u32, name: &str) -> Option<u32> {
    let stat = stat(pid).ok().filter(|stat| stat.contains(&format!("({name})")))?;
    parent(&stat)
}

fn parent(stat: &str) -> Option<u32> {
    fields(stat).nth(1)?.parse().ok()
}

fn stat(pid: u32) -> Result<String> {
    Ok(fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

/// Those after the name, which is in brackets and may have spaces.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit(") ").next().unwrap_or_default().split_whitespace()
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
