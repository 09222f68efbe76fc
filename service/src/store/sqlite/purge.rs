//! Deleting what is in a workspace, in parts that others need not wait for.
//!
//! A workspace is deleted when it gets a name that no id can be: then nobody finds it, and what is in
//! it is deleted bit by bit, in this process or, if that ends before, in the next one.

use sqlx::{AssertSqlSafe, Row};

use super::session::SqliteSession;
use super::vacuum;
use crate::domain::error::Result;
use crate::store::Purged;

/// What the name of a deleted workspace begins with: it is behind all ids.
pub(super) const DELETED: &str = "~";

/// A table, the column that orders its rows in a workspace, and how many rows of a contact one of
/// its rows takes as long as.
struct Table {
    name: &'static str,
    column: &'static str,
    weight: usize,
}

const fn table(name: &'static str, column: &'static str) -> Table {
    Table { name, column, weight: 1 }
}

const fn packs(name: &'static str) -> Table {
    Table { name, column: "last_position", weight: 16 }
}

/// Tables that are looked up in others come before these.
const TABLES: [Table; 15] = [
    table("contact", "seq"),
    table("contact_redirect", "merged_id"),
    table("external_id", "external_id"),
    table("consent", "match_key"),
    table("consent_change", "revision"),
    table("opt_in_event_subject", "subject"),
    table("opt_in_event_pointer", "subject"),
    packs("opt_in_event_detail_pack"),
    packs("opt_in_event_pack"),
    table("deletion_receipt", "receipt_id"),
    table("stored_response", "request_id"),
    table("webhook_record", "record_id"),
    table("suppression_key", "key_version"),
    table("opt_in_policy", "begin_time"),
    table("attribute", "attribute_id"),
];

/// What contacts have in tables that do not know their workspace.
const OF_CONTACTS: [&str; 2] = [
    "INSERT INTO name_search (name_search, rowid, words)
     SELECT 'delete', seq, search_words FROM contact
     WHERE workspace_key = ?1 AND seq <= ?2 AND search_words <> ''",
    "DELETE FROM contact_tag
     WHERE tag_key IN (SELECT tag_key FROM tag WHERE workspace_key = ?1) AND seq <= ?2",
];

/// Deletes as much of what is in a workspace as takes as long as this many contacts; with the last
/// of it the workspace itself.
pub(super) async fn purge(db: &mut SqliteSession, key: i64, rows: usize) -> Result<Purged> {
    let mut purged = Purged { contacts: 0, is_done: false };
    let mut left = rows;
    for table in &TABLES {
        let limit = left.div_ceil(table.weight);
        let deleted = delete(db, key, table, limit).await?;
        if table.name == "contact" {
            purged.contacts = i64::try_from(deleted).unwrap_or(i64::MAX);
        }
        left = left.saturating_sub(deleted * table.weight);
        if left == 0 {
            return Ok(purged);
        }
    }
    for sql in
        ["DELETE FROM tag WHERE workspace_key = ?", "DELETE FROM workspace WHERE workspace_key = ?"]
    {
        db.execute(sqlx::query(sql).bind(key)).await?;
    }
    vacuum::require(db.connection()).await?;
    purged.is_done = true;
    Ok(purged)
}

/// Deletes the first rows of a table in a workspace, those that have the same value in the column
/// together. Returns how many.
async fn delete(db: &mut SqliteSession, key: i64, table: &Table, limit: usize) -> Result<usize> {
    let Table { name, column, .. } = table;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    if *name == "contact" {
        let last = "SELECT max(seq) FROM
                    (SELECT seq FROM contact WHERE workspace_key = ? ORDER BY seq LIMIT ?)";
        let last = db.fetch_one(sqlx::query(last).bind(key).bind(limit)).await?;
        if let Some(last) = last.get::<Option<i64>, _>(0) {
            for sql in OF_CONTACTS {
                db.execute(sqlx::query(sql).bind(key).bind(last)).await?;
            }
        }
    }
    let sql = format!(
        "DELETE FROM {name} WHERE workspace_key = ?1 AND {column} <= (SELECT max({column}) FROM
             (SELECT {column} FROM {name} WHERE workspace_key = ?1 ORDER BY {column} LIMIT ?2))"
    );
    let deleted = db.execute(sqlx::query(AssertSqlSafe(sql)).bind(key).bind(limit)).await?;
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}
