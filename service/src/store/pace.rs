//! The one rule of how long transactions of long work may be, so that nobody waits long behind
//! them: on SQLite for the one writer, on Postgres for the rows and the workspace that they lock.
//!
//! A transaction of long work writes as many rows as fit into [`BESIDE_OTHERS`], by what those
//! before it took, if somebody else writes too, and into [`ALONE`] if nobody does: a write that
//! comes then waits for the rest of one. Long work also takes turns, so that a write never
//! waits for several of them.
//!
//! On SQLite, a transaction of long work that an objection meets is given up, and runs again after
//! it: once, then it runs to its end. That of an import gives way to every write, and what is left
//! of it is divided, so it may be longer while nobody comes: into [`GIVING_WAY`] fits all of it, and
//! into [`COMMIT`] its commit, which is not given up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a transaction may take while others write.
const BESIDE_OTHERS: Duration = Duration::from_millis(20);
/// How long it may take if nobody else wrote lately.
const ALONE: Duration = Duration::from_millis(200);
/// The same if it is given up for whoever writes.
const GIVING_WAY: Duration = Duration::from_millis(600);
/// Of that, how long its commit may take.
const COMMIT: Duration = Duration::from_millis(100);
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
    /// Whether long work gives way.
    gives_way: bool,
    state: Mutex<State>,
    objections: WaitingWrites,
    writes: WaitingWrites,
}

/// How long a transaction took others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    /// All of it.
    pub(super) held: Duration,
    /// Its commit.
    pub(super) commit: Duration,
}

/// The writes that wait or are under way: all that are not long work, or the objections of them.
#[derive(Clone, Debug, Default)]
pub struct WaitingWrites(Arc<AtomicUsize>);

impl WaitingWrites {
    /// Whether there are any.
    pub fn are_waiting(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

#[derive(Debug, Default)]
struct State {
    /// What a row took, by kind of work.
    per_row: [Option<Took>; 3],
    /// Most rows of the next transaction, which is at most twice as long as the last.
    steps: [Option<usize>; 3],
    /// When somebody else last wrote or began to wait.
    others: Option<Instant>,
}

impl Pace {
    pub(super) fn new(most: usize, gives_way: bool) -> Self {
        let (objections, writes) = Default::default();
        Self { most, gives_way, state: Mutex::default(), objections, writes }
    }

    /// How many rows the next transaction of this work may write.
    pub(super) fn rows(&self, work: LongWork, now: Instant) -> usize {
        let is_alone = self.is_alone(now);
        let state = self.state();
        let Some(per_row) = state.per_row[work as usize] else {
            return if is_alone { FIRST } else { FEWEST };
        };
        let fitting = match is_alone {
            false => fitting(BESIDE_OTHERS, per_row.held),
            true if self.is_given_up(work) => {
                fitting(GIVING_WAY, per_row.held).min(fitting(COMMIT, per_row.commit))
            }
            true => fitting(ALONE, per_row.held),
        };
        let step = state.steps[work as usize].unwrap_or(FIRST);
        fitting.min(step).min(self.most).max(FEWEST)
    }

    /// Whether nobody else writes or wrote lately.
    pub(super) fn is_alone(&self, now: Instant) -> bool {
        let is_lately = |at| now.saturating_duration_since(at) < LATELY;
        !self.writes.are_waiting() && !self.state().others.is_some_and(is_lately)
    }

    /// Whether transactions of this work are given up for every write, and divided then.
    fn is_given_up(&self, work: LongWork) -> bool {
        self.gives_way && work == LongWork::Import
    }

    /// The writes that a transaction gives way to. One that is as short as beside others gives way to
    /// objections only: else it would be given up again and again.
    pub(super) fn first(&self, rows: Option<(LongWork, usize)>) -> &WaitingWrites {
        let is_long = |(work, rows)| {
            let held = self.state().per_row[work as usize].unwrap_or_default().held;
            self.is_given_up(work) && rows > fitting(2 * BESIDE_OTHERS, held)
        };
        if rows.is_some_and(is_long) { &self.writes } else { &self.objections }
    }

    /// Notes that a transaction of long work wrote this many rows, and for how long others may
    /// have waited for it.
    pub(super) fn wrote(&self, work: LongWork, rows: usize, took: Took) {
        // Of a short one, most is the transaction's own.
        if rows < FEWEST && took.held < BESIDE_OTHERS {
            return;
        }
        let each = |time: Duration| time / u32::try_from(rows.max(1)).unwrap_or(u32::MAX);
        let mut state = self.state();
        let known = state.per_row[work as usize].unwrap_or_default();
        state.per_row[work as usize] = Some(Took {
            held: smoothed(known.held, each(took.held)),
            commit: smoothed(known.commit, each(took.commit)),
        });
        let step = state.steps[work as usize].unwrap_or(FIRST);
        state.steps[work as usize] = Some(match rows >= step {
            true => (2 * step).min(self.most),
            false => step,
        });
    }

    /// Notes a write of somebody else, until the guard is dropped.
    pub(super) fn other(self: &Arc<Self>, is_objection: bool) -> Other {
        self.objections.0.fetch_add(is_objection.into(), Ordering::Relaxed);
        self.writes.0.fetch_add(1, Ordering::Relaxed);
        Other { pace: Arc::clone(self), is_objection }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many rows fit into a time.
fn fitting(time: Duration, per_row: Duration) -> usize {
    usize::try_from(time.as_nanos() / per_row.as_nanos().max(1)).unwrap_or(usize::MAX)
}

/// What is known after the last: slower counts at once, faster little by little.
fn smoothed(known: Duration, last: Duration) -> Duration {
    match last < known {
        true => known - (known - last) / 4,
        false => last,
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
        self.pace.state().others = Some(Instant::now());
        self.pace.writes.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPORT: LongWork = LongWork::Import;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn held(held: Duration) -> Took {
        Took { held, commit: held / 10 }
    }

    /// Writes as the pace allows, in transactions of which each row takes as long.
    fn write(pace: &Pace, transactions: usize, per_row: Duration, now: Instant) -> usize {
        for _ in 0..transactions {
            let rows = pace.rows(IMPORT, now);
            pace.wrote(IMPORT, rows, held(per_row * u32::try_from(rows).expect("some")));
        }
        pace.rows(IMPORT, now)
    }

    #[test]
    fn transactions_take_as_long_as_others_may_wait() {
        let now = Instant::now();
        let pace = Arc::new(Pace::new(20_000, false));
        assert_eq!(write(&pace, 20, Duration::from_micros(20), now), 10_000, "nobody else writes");
        let other = pace.other(false);
        assert_eq!(pace.rows(IMPORT, now), 1000, "somebody waits");
        assert!(!pace.objections.are_waiting());
        let objection = pace.other(true);
        assert!(pace.objections.are_waiting());
        drop((other, objection));
        assert!(!pace.objections.are_waiting());
        assert_eq!(pace.rows(IMPORT, now), 1000, "somebody wrote");
        assert_eq!(pace.rows(IMPORT, now + LATELY + millis(60_000)), 10_000);
        // Edits are another kind of work.
        assert_eq!(pace.rows(LongWork::Edit, now), FEWEST);
        assert_eq!(pace.rows(LongWork::Edit, now + LATELY + millis(60_000)), FIRST);
    }

    #[test]
    fn a_slow_transaction_makes_the_next_one_smaller_at_once_and_fast_ones_larger_in_steps() {
        let now = Instant::now();
        let pace = Pace::new(20_000, false);
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
    fn what_is_given_up_for_others_may_be_longer_but_not_its_commit() {
        let now = Instant::now();
        let alone = |per_row, commit| {
            let pace = Pace::new(20_000, true);
            for _ in 0..20 {
                let rows = u32::try_from(pace.rows(IMPORT, now)).expect("some");
                pace.wrote(
                    IMPORT,
                    rows as usize,
                    Took { held: per_row * rows, commit: commit * rows },
                );
            }
            pace.rows(IMPORT, now)
        };
        let micros = Duration::from_micros;
        assert_eq!(alone(micros(50), micros(5)), 12_000);
        assert_eq!(alone(micros(50), micros(20)), 5000);
        let pace = Arc::new(Pace::new(20_000, true));
        write(&pace, 20, micros(50), now);
        let long = 2 * pace.rows(LongWork::Import, now) / 3;
        let waits = |work, rows| pace.first(Some((work, rows))).are_waiting();
        let other = pace.other(false);
        assert!(waits(IMPORT, long));
        let short = pace.rows(IMPORT, now);
        assert!(!waits(IMPORT, short), "{short} of {long}");
        assert!(!waits(LongWork::Edit, long) && !pace.first(None).are_waiting());
        let objection = pace.other(true);
        assert!(waits(IMPORT, short) && waits(LongWork::Edit, long));
        drop((other, objection));
        assert!(!waits(IMPORT, long) && !waits(IMPORT, short));
    }

    #[test]
    fn small_transactions_say_nothing_of_large_ones() {
        let now = Instant::now();
        let pace = Pace::new(20_000, false);
        let rows = write(&pace, 20, Duration::from_micros(20), now);
        pace.wrote(IMPORT, 1, held(millis(8)));
        assert_eq!(pace.rows(IMPORT, now), rows);
        pace.wrote(IMPORT, 1, held(millis(90)));
        assert_eq!(pace.rows(IMPORT, now), FEWEST, "unless they hold up others");
    }
}
