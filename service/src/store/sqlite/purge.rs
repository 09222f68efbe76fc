//! Deleting what is in a workspace, in parts that others need not wait for.
//!
//! A workspace is deleted when it gets a name that no id can be: then nobody finds it, and what is in
//! it is deleted bit by bit, in this process or, if that ends before, in the next one.

use sqlx::{AssertSqlSafe, Row};

use super::session::SqliteSession;
use super::vacuum;
use super::values::row_limit;
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

const CONTACT: Table = table("contact", "seq");

/// What contacts have in tables that do not know their workspace.
const OF_CONTACTS: [&str; 2] = [
    "INSERT INTO name_search (name_search, rowid, words)
     SELECT 'delete', seq, search_words FROM contact
     WHERE workspace_key = ?1 AND seq <= ?2 AND search_words <> ''",
    "DELETE FROM contact_tag
     WHERE tag_key IN (SELECT tag_key FROM tag WHERE workspace_key = ?1) AND seq <= ?2",
];

/// Emptied after the contacts.
const OTHERS: [Table; 15] = [
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
    table("tag", "tag_id"),
];

/// Deletes as much of what is in a workspace as takes as long as this many contacts; with the last
/// of it the workspace itself.
pub(super) async fn purge(db: &mut SqliteSession, key: i64, rows: usize) -> Result<Purged> {
    let deleted = delete_contacts(db, key, rows).await?;
    let contacts = i64::try_from(deleted).unwrap_or(i64::MAX);
    let mut left = rows.saturating_sub(deleted);
    for table in &OTHERS {
        if left == 0 {
            break;
        }
        let deleted = delete(db, key, table, left.div_ceil(table.weight)).await?;
        left = left.saturating_sub(deleted * table.weight);
    }
    if left == 0 {
        return Ok(Purged { contacts, is_done: false });
    }
    let query = sqlx::query("DELETE FROM workspace WHERE workspace_key = ?");
    db.execute(query.bind(key)).await?;
    vacuum::require(db.connection()).await?;
    Ok(Purged { contacts, is_done: true })
}

/// Deletes the first contacts of a workspace. Returns how many.
async fn delete_contacts(db: &mut SqliteSession, key: i64, limit: usize) -> Result<usize> {
    let query = sqlx::query(
        "SELECT max(seq) FROM
             (SELECT seq FROM contact WHERE workspace_key = ? ORDER BY seq LIMIT ?)",
    );
    let last = db.fetch_one(query.bind(key).bind(row_limit(limit))).await?;
    if let Some(last) = last.get::<Option<i64>, _>(0) {
        for sql in OF_CONTACTS {
            db.execute(sqlx::query(sql).bind(key).bind(last)).await?;
        }
    }
    delete(db, key, &CONTACT, limit).await
}

/// Deletes the first rows of a table in a workspace, those that have the same value in the column
/// together. Returns how many.
async fn delete(db: &mut SqliteSession, key: i64, table: &Table, limit: usize) -> Result<usize> {
    let Table { name, column, .. } = table;
    let sql = format!(
        "DELETE FROM {name} WHERE workspace_key = ?1 AND {column} <= (SELECT max({column}) FROM
             (SELECT {column} FROM {name} WHERE workspace_key = ?1 ORDER BY {column} LIMIT ?2))"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(key).bind(row_limit(limit));
    let deleted = db.execute(query).await?;
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::Backend as _;
    use crate::store::sqlite::{SqliteOptions, backend_for_tests};

    #[tokio::test]
    async fn every_table_of_a_workspace_is_emptied() {
        let (_directory, backend) = backend_for_tests(&SqliteOptions::default()).await;
        let mut writer = backend.writer.acquire().await.expect("the writer");
        let sql = "SELECT t.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
                   WHERE t.type = 'table' AND c.name = 'workspace_key'";
        let tables: Vec<String> =
            sqlx::query_scalar(sql).fetch_all(&mut *writer).await.expect("the schema");
        let emptied = OTHERS.iter().chain([&CONTACT]).map(|table| table.name);
        let emptied: BTreeSet<_> = emptied.chain(["workspace"]).map(str::to_owned).collect();
        assert_eq!(BTreeSet::from_iter(tables), emptied);
        drop(writer);
        backend.close().await;
    }
}
