//! The time, and what to make of a clock that jumps.
//!
//! A machine's clock can be set to any time while the server runs. What is recorded bears the
//! clock's time, as good as it is. What cannot be taken back does not depend on it alone: nothing is
//! deleted before it is due by both the clock and the time that passed since the start, and a
//! permission is expired if it is by either of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use chrono::{SubsecRound, TimeDelta};

use crate::domain::Time;

/// A jump that is reported. Clocks that are kept in step are adjusted by less.
const REPORTED: TimeDelta = TimeDelta::minutes(1);

/// Tells the time. Tests replace it.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Time + Send + Sync>,
    /// The same by a clock that nobody sets. `None` if the wall clock is to be trusted.
    steady: Option<Arc<Steady>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
        let wall = chrono::Utc::now;
        let began = Instant::now();
        Self::with_steady(wall, move || began.elapsed())
    }

    /// A clock whose every time is right.
    pub fn of(wall: impl Fn() -> Time + Send + Sync + 'static) -> Self {
        Self { wall: Arc::new(wall), steady: None }
    }

    /// A clock that may be set, and the time that passed since it was made.
    fn with_steady(
        wall: impl Fn() -> Time + Send + Sync + 'static,
        elapsed: impl Fn() -> std::time::Duration + Send + Sync + 'static,
    ) -> Self {
        let (began, offset, jumps) = (wall(), AtomicI64::new(0), AtomicU64::new(0));
        let steady = Steady { began, elapsed: Box::new(elapsed), offset, jumps };
        Self { wall: Arc::new(wall), steady: Some(Arc::new(steady)) }
    }

    /// The current time, in the precision that is stored.
    pub fn now(&self) -> Time {
        self.both().0
    }

    /// How often the machine's clock jumped.
    pub(crate) fn jumps(&self) -> u64 {
        self.steady.as_ref().map_or(0, |steady| steady.jumps.load(Ordering::Relaxed))
    }

    /// The current time for what ends: no earlier than by either clock.
    pub(super) fn latest(&self) -> Time {
        let (wall, steady) = self.both();
        wall.max(steady)
    }

    /// The current time for what is deleted: no later than by either clock.
    pub(super) fn earliest(&self) -> Time {
        let (wall, steady) = self.both();
        wall.min(steady)
    }

    fn both(&self) -> (Time, Time) {
        let wall = (self.wall)().trunc_subsecs(6);
        let steady = self.steady.as_ref().map_or(wall, |steady| steady.beside(wall));
        (wall, steady)
    }
}

struct Steady {
    began: Time,
    elapsed: Box<dyn Fn() -> std::time::Duration + Send + Sync>,
    /// How far the clock was off when a jump was last reported, in microseconds.
    offset: AtomicI64,
    jumps: AtomicU64,
}

impl Steady {
    /// The time by this clock. Reports a jump of the other one.
    fn beside(&self, wall: Time) -> Time {
        let passed = TimeDelta::from_std((self.elapsed)()).unwrap_or(TimeDelta::MAX);
        let steady = self.began.checked_add_signed(passed).unwrap_or(Time::MAX_UTC);
        let offset = (wall - steady).num_microseconds().unwrap_or(i64::MAX);
        let reported = self.offset.load(Ordering::Relaxed);
        let is_jump = offset.abs_diff(reported) >= REPORTED.num_microseconds().unwrap_or(0) as u64;
        let order = Ordering::Relaxed;
        if is_jump && self.offset.compare_exchange(reported, offset, order, order).is_ok() {
            self.jumps.fetch_add(1, order);
            tracing::warn!(
                clock.jump_seconds = offset.saturating_sub(reported) / 1_000_000,
                "the machine's clock was set; what is stored for a time is kept until it is due by \
                 both this clock and the time that passed"
            );
        }
        steady.trunc_subsecs(6)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(seconds, 0).expect("a time")
    }

    /// A clock, the seconds it shows, and the seconds that passed.
    fn clock() -> (Clock, Arc<AtomicI64>, Arc<AtomicI64>) {
        let (wall, passed) = (Arc::new(AtomicI64::new(1000)), Arc::new(AtomicI64::new(0)));
        let (shown, since) = (Arc::clone(&wall), Arc::clone(&passed));
        let clock = Clock::with_steady(
            move || at(shown.load(Ordering::Relaxed)),
            move || Duration::from_secs(since.load(Ordering::Relaxed) as u64),
        );
        (clock, wall, passed)
    }

    #[test]
    fn a_clock_that_is_ahead_deletes_nothing() {
        let (clock, wall, passed) = clock();
        wall.store(1000 + 90_000, Ordering::Relaxed);
        passed.store(10, Ordering::Relaxed);
        assert_eq!(
            (clock.now(), clock.earliest(), clock.latest()),
            (at(91_000), at(1010), at(91_000))
        );
        wall.store(1020, Ordering::Relaxed);
        passed.store(20, Ordering::Relaxed);
        assert_eq!((clock.now(), clock.earliest(), clock.latest()), (at(1020), at(1020), at(1020)));
    }

    #[test]
    fn a_clock_that_is_set_back_revives_nothing() {
        let (clock, wall, passed) = clock();
        wall.store(10, Ordering::Relaxed);
        passed.store(50, Ordering::Relaxed);
        assert_eq!((clock.now(), clock.earliest(), clock.latest()), (at(10), at(10), at(1050)));
    }

    #[test]
    fn a_jump_is_reported_once() {
        let (clock, wall, _) = clock();
        let offset = |clock: &Clock| {
            clock.now();
            clock.steady.as_ref().expect("two clocks").offset.load(Ordering::Relaxed)
        };
        wall.store(1030, Ordering::Relaxed);
        assert_eq!(offset(&clock), 0, "adjusted");
        wall.store(4000, Ordering::Relaxed);
        assert_eq!(offset(&clock), 3_000_000_000);
        wall.store(4010, Ordering::Relaxed);
        assert_eq!(offset(&clock), 3_000_000_000);
        assert_eq!(clock.jumps(), 1);
    }
}
