//! Checkpoints beside the writer.
//!
//! SQLite makes a checkpoint in the commit that finds the write-ahead log to be long: whoever
//! commits, maybe an opt-out, copies what an import wrote, and everybody else waits. So long work
//! does it after its transactions, on a connection of its own, while others write. Most is copied
//! while long work goes on with its next transaction. What was written meanwhile is little; the end
//! of it is copied while nobody writes, and the log begins again.

use std::sync::{Mutex, PoisonError};

use sqlx::{Row, SqliteConnection, SqlitePool};
use tokio::task::JoinHandle;

use super::connection::PAGE_SIZE;
use crate::domain::error::Result;

/// How much less is copied at a time while others write.
const BESIDE_OTHERS: i64 = 4;

pub(super) struct Checkpoints {
    /// Two connections: one may be copying when another asks how long the log is.
    pool: SqlitePool,
    /// Length of the log, in pages, from which a checkpoint is made: half of that from which a
    /// commit makes one. Long work never reaches that.
    limit: i64,
    /// One that is under way, or has not been brought to its end.
    begun: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpoints {
    pub(super) fn new(pool: SqlitePool, wal_bytes: u64) -> Self {
        let limit = i64::try_from(wal_bytes / 2 / PAGE_SIZE).unwrap_or(i64::MAX);
        Self { pool, limit, begun: Mutex::default() }
    }

    /// Begins a checkpoint if the log has become long, or brings one to its end. Long work that is alone
    /// copies more at a time, which is less in all; while others write, each commit would wait for what
    /// the disk still has to write of it.
    pub(super) async fn relieve(&self, writer: &SqlitePool, is_alone: bool) -> Result<()> {
        let limit = if is_alone { self.limit } else { self.limit / BESIDE_OTHERS };
        let mut connection = self.pool.acquire().await?;
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let next = match begun {
            Some(begun) if begun.is_finished() => {
                return end(&mut connection, writer, limit).await;
            }
            Some(begun) => {
                if left(&mut connection, "PRAGMA wal_checkpoint(NOOP)").await? > self.limit / 4 * 5
                {
                    // The disk is slower than the writer. That it ended is all that counts.
                    drop(begun.await);
                    return end(&mut connection, writer, limit).await;
                }
                begun
            }
            None if left(&mut connection, "PRAGMA wal_checkpoint(NOOP)").await? < limit => {
                return Ok(());
            }
            None => tokio::spawn(async move {
                if let Err(error) = left(&mut connection, PASSIVE).await {
                    tracing::warn!(error.reason = ?error.reason(), "a checkpoint failed");
                }
            }),
        };
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Waits for nobody, and nobody for it.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Copies what is left, and the last of it while nobody writes.
async fn end(connection: &mut SqliteConnection, writer: &SqlitePool, limit: i64) -> Result<()> {
    // The second time there is less to copy.
    for _ in 0..2 {
        let left = left(connection, PASSIVE).await?;
        if left == 0 || left > limit / 2 {
            // Or a reader holds it up.
            return Ok(());
        }
    }
    left(&mut *writer.acquire().await?, PASSIVE).await.map(drop)
}

/// How many pages are in the log and not in the file, after this statement.
async fn left(db: &mut SqliteConnection, sql: &'static str) -> Result<i64> {
    // Whether it was held up, pages in the log, those that are copied.
    let row = sqlx::query(sql).fetch_one(db).await?;
    Ok(row.get::<i64, _>(1) - row.get::<i64, _>(2))
}
