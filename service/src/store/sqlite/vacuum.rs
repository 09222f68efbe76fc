//! Overwriting what erasures leave in the file. When a B-tree splits a page, the
//! old page keeps copies of the rows that moved. If they are deleted later, only
//! `VACUUM` overwrites these copies.

use std::time::Duration;

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::domain::error::{Error, Result};

/// The largest file that is rewritten at any time: it takes some 0.1 s, and writes wait for it.
const SMALL: i64 = 16 << 20;

/// How often a checkpoint that readers block is tried, and the pause in between.
const CHECKPOINT_ATTEMPTS: u32 = 100;
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(50);

/// Readers used the write-ahead log all the time.
#[derive(Debug, thiserror::Error)]
#[error("readers kept the write-ahead log from being checkpointed")]
struct CheckpointBlocked;

/// Rewrites the file if anybody was erased since the last time. Reads go on
/// meanwhile, writes wait: unless they `may_wait`, only a small file is rewritten.
pub(super) async fn vacuum(db: &mut SqliteConnection, may_wait: bool) -> Result<()> {
    // `user_version`, which SQLite leaves to the application, is the number of
    // receipts at the last rewrite.
    let vacuumed: i32 = fetch(db, "PRAGMA user_version").await?;
    let erased: i32 = fetch(db, "SELECT count(*) FROM deletion_receipt").await?;
    if erased == vacuumed {
        return Ok(());
    }
    let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    let size: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
    if size > SMALL && !may_wait {
        return Ok(());
    }
    // Inner pages of the name index keep words of deleted entries. Merging all
    // segments into one writes them again.
    execute(db, "INSERT INTO name_search (name_search) VALUES ('optimize')").await?;
    // VACUUM makes a copy that may not fit into memory.
    execute(db, "PRAGMA temp_store = FILE").await?;
    let result = execute(db, "VACUUM").await;
    execute(db, "PRAGMA temp_store = MEMORY").await?;
    result?;
    checkpoint(db).await?;
    let done = AssertSqlSafe(format!("PRAGMA user_version = {erased}"));
    sqlx::query(done).execute(db).await?;
    Ok(())
}

/// Makes the next [`vacuum`] rewrite the file even without new receipts.
pub(super) async fn require(db: &mut SqliteConnection) -> Result<()> {
    execute(db, "PRAGMA user_version = -1").await
}

/// Moves the write-ahead log into the database and truncates it. Until then both
/// still hold the old pages.
async fn checkpoint(db: &mut SqliteConnection) -> Result<()> {
    for _ in 0..CHECKPOINT_ATTEMPTS {
        let busy: i32 = fetch(db, "PRAGMA wal_checkpoint(TRUNCATE)").await?;
        if busy == 0 {
            return Ok(());
        }
        tokio::time::sleep(CHECKPOINT_PAUSE).await;
    }
    Err(Error::unavailable(CheckpointBlocked))
}

async fn fetch(db: &mut SqliteConnection, sql: &'static str) -> Result<i32> {
    Ok(sqlx::query_scalar(sql).fetch_one(db).await?)
}

async fn execute(db: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    sqlx::query(sql).execute(db).await?;
    Ok(())
}
