//! What erasures leave in the file: pages that B-trees split keep copies of rows
//! that were moved and then deleted, which only `VACUUM` overwrites.

use std::time::Duration;

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::failure;
use crate::domain::error::{Error, Result};

/// How often, and after what pause each, the log is folded into the database
/// while readers hold it.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Readers held the log all the time.
#[derive(Debug, thiserror::Error)]
#[error("the log could not be folded into the database while others read")]
struct Held;

/// Rewrites the file if anybody was erased since it was rewritten. Meanwhile it
/// is read, and writes wait.
pub(super) async fn vacuum(db: &mut SqliteConnection) -> Result<()> {
    // The file's own number, which nobody else uses, is that of the receipts
    // when it was rewritten.
    let purged: i32 = fetch(db, "PRAGMA user_version").await?;
    let erased: i32 = fetch(db, "SELECT count(*) FROM deletion_receipt").await?;
    if erased == purged {
        return Ok(());
    }
    // Pages of the name index are named by the words they began with when they
    // were written; as one segment it is written anew.
    execute(db, "INSERT INTO name_search (name_search) VALUES ('optimize')").await?;
    // The copy VACUUM makes may be larger than memory.
    execute(db, "PRAGMA temp_store = FILE").await?;
    let vacuumed = execute(db, "VACUUM").await;
    execute(db, "PRAGMA temp_store = MEMORY").await?;
    vacuumed?;
    fold(db).await?;
    let done = AssertSqlSafe(format!("PRAGMA user_version = {erased}"));
    sqlx::query(done).execute(db).await.map_err(failure)?;
    Ok(())
}

/// Has the file rewritten although no receipt tells of an erasure.
pub(super) async fn demand(db: &mut SqliteConnection) -> Result<()> {
    execute(db, "PRAGMA user_version = -1").await
}

/// Folds the log into the database and empties it: until then both hold the
/// pages of before.
async fn fold(db: &mut SqliteConnection) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let busy: i32 = fetch(db, "PRAGMA wal_checkpoint(TRUNCATE)").await?;
        if busy == 0 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::unavailable(Held))
}

async fn fetch(db: &mut SqliteConnection, sql: &'static str) -> Result<i32> {
    sqlx::query_scalar(sql).fetch_one(db).await.map_err(failure)
}

async fn execute(db: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    sqlx::query(sql).execute(db).await.map(drop).map_err(failure)
}
