//! Notices when the runtime runs no tasks, because something holds all its workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::telemetry::metrics::{Metrics, RUNTIME_STALLS};

const TICK: Duration = Duration::from_millis(100);
/// How late a tick may be.
const LIMIT: Duration = Duration::from_secs(1);

/// Watches the runtime that it was started on, from a thread of its own, until it is
/// dropped.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    ticking: AbortHandle,
}

struct Shared {
    began: Instant,
    /// Milliseconds from `began` to the last tick.
    last_tick: AtomicU64,
    stalls: AtomicU64,
}

impl Watchdog {
    /// Begins to watch.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (last_tick, stalls) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared { began: Instant::now(), last_tick, stalls });
        let ticking = Arc::clone(&shared);
        let watching = Arc::downgrade(&shared);
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let mut is_stalled = false;
            loop {
                let before = Instant::now();
                thread::sleep(TICK);
                let Some(shared) = watching.upgrade() else { return };
                // The whole process may have been suspended.
                if before.elapsed() < LIMIT {
                    shared.check(&mut is_stalled);
                }
            }
        })?;
        let ticking = tokio::spawn(async move {
            loop {
                ticking.last_tick.store(ticking.now(), Ordering::Relaxed);
                tokio::time::sleep(TICK).await;
            }
        });
        Ok(Self { shared, ticking: ticking.abort_handle() })
    }

    /// Counts how often the runtime has stalled.
    pub(crate) fn measured(&self, metrics: &Metrics) {
        let stalls = metrics.counter(&RUNTIME_STALLS, &[]);
        let shared = Arc::downgrade(&self.shared);
        metrics.sample(move || {
            if let Some(shared) = shared.upgrade() {
                stalls.absolute(shared.stalls.load(Ordering::Relaxed));
            }
        });
    }

    /// How often the runtime has stalled.
    #[cfg(test)]
    fn stalls(&self) -> u64 {
        self.shared.stalls.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn check(&self, is_stalled: &mut bool) {
        let late = self.now().saturating_sub(self.last_tick.load(Ordering::Relaxed));
        let was_stalled = std::mem::replace(is_stalled, Duration::from_millis(late) > LIMIT);
        if *is_stalled && !was_stalled {
            let stalls = self.stalls.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(runtime.stalls = stalls, "the runtime runs no tasks");
        }
        if was_stalled && !*is_stalled {
            tracing::warn!("the runtime runs tasks again");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_worker_that_is_held_is_a_stall() {
        let watchdog = Watchdog::start().expect("a thread");
        assert_eq!(watchdog.stalls(), 0);
        let (release, released) = std::sync::mpsc::channel::<()>();
        tokio::spawn(async move { released.recv() });
        // The thread of the test is no worker.
        let deadline = Instant::now() + Duration::from_secs(60);
        while watchdog.stalls() == 0 {
            assert!(Instant::now() < deadline, "not noticed");
            thread::sleep(TICK);
        }
        release.send(()).expect("released");
    }
}
