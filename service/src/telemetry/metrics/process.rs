//! What the operating system says of the process. On Linux only.

use std::fs;

use super::{
    Metrics, PROCESS_CPU, PROCESS_FILES, PROCESS_FILES_MAX, PROCESS_MEMORY, PROCESS_THREADS,
};

/// Samples the figures of this process.
pub(super) fn sample(metrics: &Metrics) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let [cpu, memory, files, max_files, threads] =
        [PROCESS_CPU, PROCESS_MEMORY, PROCESS_FILES, PROCESS_FILES_MAX, PROCESS_THREADS]
            .map(|metric| metrics.gauge(&metric, &[]));
    metrics.sample(move || {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        memory.set(of_status(&status, "VmRSS:") * 1024.0);
        threads.set(of_status(&status, "Threads:"));
        // One of them reads the folder.
        let open = fs::read_dir("/proc/self/fd").map_or(0, |folder| folder.count().max(1) - 1);
        files.set(open as f64);
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        max_files.set(open_files(&limits));
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        cpu.set(cpu_seconds(&stat));
    });
}

fn of_status(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

fn open_files(limits: &str) -> f64 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // "unlimited" is no number.
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::INFINITY)
}

/// The name of the program, in parentheses, may contain spaces.
fn cpu_seconds(stat: &str) -> f64 {
    /// Of Linux, whatever the kernel's own clock.
    const TICKS_PER_SECOND: f64 = 100.0;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_files_of_linux() {
        let status = "Name:\tcontacts\nVmRSS:\t   51200 kB\nThreads:\t9\n";
        assert_eq!((of_status(status, "VmRSS:"), of_status(status, "Threads:")), (51_200.0, 9.0));
        let limits =
            "Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(open_files(limits), 1024.0);
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(cpu_seconds(stat), 3.0);
        assert_eq!((of_status("", "VmRSS:"), cpu_seconds("")), (0.0, 0.0));
    }
}
