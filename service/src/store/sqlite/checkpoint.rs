//! Checkpoints beside the writer.
//!
//! SQLite makes a checkpoint in the commit that finds the write-ahead log to be long: whoever
//! commits, maybe an opt-out, copies what an import wrote, and everybody else waits. So long work
//! does it after its transactions, on a connection of its own, while others write. What they write
//! meanwhile is little; it is copied while nobody writes, and the log begins again.

use sqlx::{Row, SqliteConnection, SqlitePool};

use super::connection::PAGE_SIZE;
use crate::domain::error::Result;

/// Makes a checkpoint if the log has become half as long as it may be: long work never reaches the
/// length from which a commit makes one.
pub(super) async fn relieve(
    checkpoints: &SqlitePool,
    writer: &SqlitePool,
    wal_bytes: u64,
) -> Result<()> {
    let limit = i64::try_from(wal_bytes / 2 / PAGE_SIZE).unwrap_or(i64::MAX);
    let mut connection = checkpoints.acquire().await?;
    if left(&mut connection, "PRAGMA wal_checkpoint(NOOP)").await? < limit {
        return Ok(());
    }
    // Passive: it waits for nobody, and nobody for it. The second time there is less to copy.
    for _ in 0..2 {
        let left = left(&mut connection, "PRAGMA wal_checkpoint(PASSIVE)").await?;
        if left == 0 || left > limit / 2 {
            // Or a reader holds it up.
            return Ok(());
        }
    }
    left(&mut *writer.acquire().await?, "PRAGMA wal_checkpoint(PASSIVE)").await.map(drop)
}

/// How many pages are in the log and not in the file, after this statement.
async fn left(db: &mut SqliteConnection, sql: &'static str) -> Result<i64> {
    // Whether it was held up, pages in the log, those that are copied.
    let row = sqlx::query(sql).fetch_one(db).await?;
    Ok(row.get::<i64, _>(1) - row.get::<i64, _>(2))
}
