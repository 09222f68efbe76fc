//! Ending statements whose caller is gone, or that have to give way. SQLite works on a thread of its own,
//! which does not notice that nobody waits for its answer any more, or that somebody waits for the writer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;
use tokio::runtime::Handle;

use super::in_place::limit_values;
use crate::domain::error::Result;
use crate::runtime::give_way;
use crate::store::{PAGE_BYTES, WaitingWrites};

/// How many instructions of SQLite run between two looks: some 0.1 ms.
const INSTRUCTIONS: i32 = 10_000;

/// How long a session may read. Callers have deadlines, which are shorter; this is for
/// what has none.
const LIMIT: Duration = Duration::from_secs(60);

thread_local! {
    /// Whether this thread of a connection gives way to those of checks. The connections that are
    /// interrupted are those of lists, counts and streams.
    static GIVES_WAY: Once = const { Once::new() };
}

/// The largest value that SQLite can make.
const ANY_SIZE: i32 = i32::MAX;

/// Interrupts the statement of a connection when dropped, and statements that run too long. A page of
/// contacts is one value: one that is larger than [`PAGE_BYTES`] ends its statement as well. It takes a round trip to the connection's thread, so point reads do without.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(super) async fn of(connection: &mut SqliteConnection) -> Result<Self> {
        let is_gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_gone);
        let end = Instant::now() + LIMIT;
        let goes_on = move || {
            // Not a worker of a runtime, which runs a statement in place for once.
            if Handle::try_current().is_err() {
                GIVES_WAY.with(|done| done.call_once(give_way));
            }
            !seen.load(Ordering::Relaxed) && Instant::now() < end
        };
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(INSTRUCTIONS, goes_on);
        limit_values(&mut handle, PAGE_BYTES as i32)?;
        Ok(Self(is_gone))
    }

    /// Takes away what the last session left on its connection, which would end the statements
    /// of the next one.
    pub(super) async fn remove(connection: &mut SqliteConnection) -> Result<()> {
        let mut handle = connection.lock_handle().await?;
        handle.remove_progress_handler();
        limit_values(&mut handle, ANY_SIZE)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Interrupts the statements of a connection that writes when another write waits for it, until this is
/// dropped.
pub(super) struct GivesWay {
    first: WaitingWrites,
    is_over: Arc<AtomicBool>,
    /// Whether a statement was interrupted, for a write that may have gone away since.
    has_interrupted: Arc<AtomicBool>,
}

impl GivesWay {
    pub(super) async fn to(
        first: &WaitingWrites,
        connection: &mut SqliteConnection,
    ) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let has_interrupted = Arc::new(AtomicBool::new(false));
        let (waiting, over) = (first.clone(), Arc::clone(&is_over));
        let interrupted = Arc::clone(&has_interrupted);
        let goes_on = move || {
            let goes_on = over.load(Ordering::Relaxed) || !waiting.are_waiting();
            interrupted.fetch_or(!goes_on, Ordering::Relaxed);
            goes_on
        };
        connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, goes_on);
        Ok(Self { first: first.clone(), is_over, has_interrupted })
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.first.are_waiting() || self.has_interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for GivesWay {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
