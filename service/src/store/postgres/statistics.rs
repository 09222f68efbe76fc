//! Statistics of tables that long work makes grow.
//!
//! Statements are planned once a connection. What is planned while a table has few rows reads all rows of
//! the workspace and compares each with the keys, and goes on doing so when there are many, until the
//! table is analyzed. Autovacuum does that once a minute: a first import would be ten times as slow
//! until then.

use sqlx::{Executor, PgPool};
use tokio::sync::Mutex;

use crate::domain::error::Result;

/// Rows after which the tables are first looked at.
const FIRST: usize = 1000;
/// By how much they grow from one time to the next.
const FACTOR: usize = 4;

/// How much long work of this process has made the tables grow.
pub(super) struct Growth(Mutex<Grown>);

struct Grown {
    rows: usize,
    /// From how many on the tables are looked at again.
    next: usize,
}

impl Default for Growth {
    fn default() -> Self {
        Self(Mutex::new(Grown { rows: 0, next: FIRST }))
    }
}

impl Growth {
    /// Counts rows, and analyzes the tables when these are a good part of all.
    pub(super) async fn add(&self, rows: usize, pool: &PgPool) -> Result<()> {
        let mut grown = self.0.lock().await;
        grown.rows += rows;
        if grown.rows < grown.next {
            return Ok(());
        }
        let mut db = pool.acquire().await?;
        let live = "SELECT pg_stat_get_live_tuples('consent'::regclass)";
        let live: i64 = sqlx::query_scalar(live).fetch_one(&mut *db).await?;
        let live = usize::try_from(live).unwrap_or(0);
        if live > FACTOR.saturating_mul(grown.rows) {
            // Most rows were there before, and are known.
            grown.next = live / FACTOR;
            return Ok(());
        }
        grown.next = FACTOR.saturating_mul(grown.rows);
        // Skipped with a warning if the role does not own them.
        db.execute("ANALYZE consent, contact, external_id").await?;
        Ok(())
    }
}
