//! The one rule of how long transactions of long work may be, so that nobody waits long behind
//! them: on SQLite for the one writer, on Postgres for the rows and the workspace that they lock.
//!
//! A transaction of long work writes as many rows as fit into [`BESIDE_OTHERS`], by what those
//! before it took, if somebody else writes too, and into [`ALONE`] if nobody does: a write that
//! comes then waits for the rest of one. Long work also takes turns, so that a write never
//! waits for several of them. On SQLite, a transaction of long work that an objection meets is
//! given up, and runs again after it: once, then it runs to its end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a transaction may take while others write.
const BESIDE_OTHERS: Duration = Duration::from_millis(20);
/// How long it may take if nobody else wrote lately.
const ALONE: Duration = Duration::from_millis(200);
/// How long ago is lately.
const LATELY: Duration = Duration::from_secs(2);

/// Fewest rows of a transaction. What it costs by itself is that of some hundred rows.
const FEWEST: usize = 100;
/// Rows of the first one, if nobody else writes.
const FIRST: usize = 1000;

/// A kind of long work: its rows cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongWork {
    /// Rows of imports.
    Import,
    /// Contacts that are edited by a filter.
    Edit,
    /// What is left of deleted workspaces.
    Purge,
}

/// How many rows transactions of long work write.
#[derive(Debug)]
pub(super) struct Pace {
    /// Most rows of a transaction. From some number on, more gain nothing.
    most: usize,
    state: Mutex<State>,
    objections: WaitingObjections,
}

/// The objections that wait or are recorded.
#[derive(Clone, Debug, Default)]
pub struct WaitingObjections(Arc<AtomicUsize>);

impl WaitingObjections {
    /// Whether there are any.
    pub fn are_waiting(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

#[derive(Debug, Default)]
struct State {
    /// What a row took, by kind of work.
    per_row: [Option<Duration>; 3],
    /// Most rows of the next transaction, which is at most twice as long as the last.
    steps: [Option<usize>; 3],
    /// When somebody else last wrote or began to wait.
    others: Option<Instant>,
    /// How many others wait or write.
    writing: usize,
}

impl Pace {
    pub(super) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default(), objections: WaitingObjections::default() }
    }

    /// How many rows the next transaction of this work may write.
    pub(super) fn rows(&self, work: LongWork, now: Instant) -> usize {
        let state = self.state();
        let is_alone = state.is_alone(now);
        let Some(per_row) = state.per_row[work as usize] else {
            return if is_alone { FIRST } else { FEWEST };
        };
        let time = if is_alone { ALONE } else { BESIDE_OTHERS };
        let fitting = time.as_nanos() / per_row.as_nanos().max(1);
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        let step = state.steps[work as usize].unwrap_or(FIRST);
        fitting.min(step).min(self.most).max(FEWEST)
    }

    /// Whether nobody else writes or wrote lately.
    pub(super) fn is_alone(&self, now: Instant) -> bool {
        self.state().is_alone(now)
    }

    /// Notes that a transaction of long work wrote this many rows, and for how long others may
    /// have waited for it.
    pub(super) fn wrote(&self, work: LongWork, rows: usize, held: Duration) {
        // Of a short one, most is the transaction's own.
        if rows < FEWEST && held < BESIDE_OTHERS {
            return;
        }
        let last = held / u32::try_from(rows.max(1)).unwrap_or(u32::MAX);
        let mut state = self.state();
        let per_row = match state.per_row[work as usize] {
            // Slower counts at once, faster little by little.
            Some(known) if last < known => known - (known - last) / 4,
            _ => last,
        };
        state.per_row[work as usize] = Some(per_row);
        let step = state.steps[work as usize].unwrap_or(FIRST);
        state.steps[work as usize] = Some(match rows >= step {
            true => (2 * step).min(self.most),
            false => step,
        });
    }

    /// Notes a write of somebody else, until the guard is dropped.
    pub(super) fn other(self: &Arc<Self>, is_objection: bool) -> Other {
        self.state().writing += 1;
        self.objections.0.fetch_add(is_objection.into(), Ordering::Relaxed);
        Other { pace: Arc::clone(self), is_objection }
    }

    pub(super) fn objections(&self) -> &WaitingObjections {
        &self.objections
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_alone(&self, now: Instant) -> bool {
        let is_lately = |at| now.saturating_duration_since(at) < LATELY;
        self.writing == 0 && !self.others.is_some_and(is_lately)
    }
}

/// A write that is not long work, under way.
pub(super) struct Other {
    pace: Arc<Pace>,
    is_objection: bool,
}

impl Drop for Other {
    fn drop(&mut self) {
        self.pace.objections.0.fetch_sub(self.is_objection.into(), Ordering::Relaxed);
        let mut state = self.pace.state();
        state.writing -= 1;
        state.others = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPORT: LongWork = LongWork::Import;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Writes as the pace allows, in transactions of which each row takes as long.
    fn write(pace: &Pace, transactions: usize, per_row: Duration, now: Instant) -> usize {
        for _ in 0..transactions {
            let rows = pace.rows(IMPORT, now);
            pace.wrote(IMPORT, rows, per_row * u32::try_from(rows).expect("some"));
        }
        pace.rows(IMPORT, now)
    }

    #[test]
    fn transactions_take_as_long_as_others_may_wait() {
        let now = Instant::now();
        let pace = Arc::new(Pace::new(20_000));
        assert_eq!(write(&pace, 20, Duration::from_micros(20), now), 10_000, "nobody else writes");
        let other = pace.other(false);
        assert_eq!(pace.rows(IMPORT, now), 1000, "somebody waits");
        assert!(!pace.objections().are_waiting());
        let objection = pace.other(true);
        assert!(pace.objections().are_waiting());
        drop((other, objection));
        assert!(!pace.objections().are_waiting());
        assert_eq!(pace.rows(IMPORT, now), 1000, "somebody wrote");
        assert_eq!(pace.rows(IMPORT, now + LATELY + millis(60_000)), 10_000);
        // Edits are another kind of work.
        assert_eq!(pace.rows(LongWork::Edit, now), FEWEST);
        assert_eq!(pace.rows(LongWork::Edit, now + LATELY + millis(60_000)), FIRST);
    }

    #[test]
    fn a_slow_transaction_makes_the_next_one_smaller_at_once_and_fast_ones_larger_in_steps() {
        let now = Instant::now();
        let pace = Pace::new(20_000);
        write(&pace, 20, Duration::from_micros(20), now);
        assert_eq!(write(&pace, 1, Duration::from_micros(100), now), 2000);
        assert_eq!(write(&pace, 1, millis(10), now), FEWEST, "however slow");
        let mut last = FEWEST;
        for _ in 0..60 {
            let rows = write(&pace, 1, Duration::from_micros(5), now);
            assert!(rows >= last && rows <= 2 * last, "{rows} after {last}");
            last = rows;
        }
        assert_eq!(last, 20_000, "more gain nothing");
    }

    #[test]
    fn small_transactions_say_nothing_of_large_ones() {
        let now = Instant::now();
        let pace = Pace::new(20_000);
        let rows = write(&pace, 20, Duration::from_micros(20), now);
        pace.wrote(IMPORT, 1, millis(8));
        assert_eq!(pace.rows(IMPORT, now), rows);
        pace.wrote(IMPORT, 1, millis(90));
        assert_eq!(pace.rows(IMPORT, now), FEWEST, "unless they hold up others");
    }
}
