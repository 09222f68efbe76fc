//! The access log: a line per call at the level INFO, or only for those that failed. Other calls have
//! one at the level DEBUG.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::Counter;

use super::call::Call;
use super::metrics::{ACCESS_LOG_OMITTED, Metrics};
use crate::config::AccessLogMode;

/// Most lines of failed calls in a second. Whoever is refused can repeat that much faster than lines
/// are written.
const FAILURES_PER_SECOND: u64 = 100;

/// Writes the access log.
pub(crate) struct AccessLog {
    mode: AccessLogMode,
    began: Instant,
    /// The second since `began`, and the lines in it.
    window: AtomicU64,
    omitted: Counter,
}

/// How a call ended.
#[derive(Clone, Copy)]
pub(crate) struct Ended {
    /// The name of its code, such as `NOT_FOUND`.
    pub(crate) code: &'static str,
    pub(crate) is_ok: bool,
    pub(crate) duration: Duration,
}

impl AccessLog {
    pub(crate) fn new(mode: AccessLogMode, metrics: &Metrics) -> Self {
        let omitted = metrics.counter(&ACCESS_LOG_OMITTED, &[]);
        Self { mode, began: Instant::now(), window: AtomicU64::new(0), omitted }
    }

    /// Logs a call that has ended.
    pub(crate) fn record(&self, call: &Call, ended: Ended) {
        /// One line at a level.
        macro_rules! line {
            ($log:ident) => {
                tracing::$log!(
                    rpc.method = &*call.method,
                    rpc.code = ended.code,
                    rpc.duration_us = u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX),
                    request.id = call.request_id(),
                    workspace.id = call.workspace_id(),
                    peer.address = call.peer().map(tracing::field::display),
                    "call ended"
                )
            };
        }
        let is_logged = match self.mode {
            AccessLogMode::Off => false,
            AccessLogMode::Errors => !ended.is_ok && self.has_room(),
            AccessLogMode::All => true,
        };
        match is_logged {
            true => line!(info),
            false => line!(debug),
        }
    }

    /// Whether this second has room for another line. Two calls that begin a second at once may
    /// count as one.
    fn has_room(&self) -> bool {
        let second = self.began.elapsed().as_secs() << 32;
        let window = self.window.load(Ordering::Relaxed);
        if window >> 32 != second >> 32 {
            self.window.store(second | 1, Ordering::Relaxed);
            return true;
        }
        if window & u64::from(u32::MAX) >= FAILURES_PER_SECOND {
            self.omitted.increment(1);
            return false;
        }
        self.window.fetch_add(1, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_limited_per_second() {
        let log = AccessLog::new(AccessLogMode::Errors, &Metrics::default());
        let began = Instant::now();
        let logged = (0..100_000).filter(|_| log.has_room()).count() as u64;
        let seconds = began.elapsed().as_secs() + 2;
        assert!(logged >= FAILURES_PER_SECOND, "{logged}");
        assert!(logged <= FAILURES_PER_SECOND * seconds, "{logged} in {seconds}");
    }
}
