//! Ending statements whose caller is gone. SQLite works on a thread of its own, which
//! does not notice that nobody waits for its answer any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;
use tokio::runtime::Handle;

use crate::domain::error::Result;
use crate::runtime::give_way;

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

/// Interrupts the statement of a connection when dropped, and statements that run too long.
/// It takes a round trip to the connection's thread, so point reads do without.
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
        connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, goes_on);
        Ok(Self(is_gone))
    }

    /// Takes away what the last session left on its connection, which would end the statements
    /// of the next one.
    pub(super) async fn remove(connection: &mut SqliteConnection) -> Result<()> {
        connection.lock_handle().await?.remove_progress_handler();
        Ok(())
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
