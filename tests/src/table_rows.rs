//! All rows of a database, to compare what it holds before and after a call.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

use crate::backend::TestDatabase;

/// The rows of all tables, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows(BTreeSet<(String, String)>);

impl TableRows {
    /// How many rows each table has more than before.
    pub fn added_since(&self, before: &Self) -> BTreeMap<String, i64> {
        let mut added = BTreeMap::new();
        for (rows, one) in [(&self.0, 1), (&before.0, -1)] {
            for (table, _) in rows {
                *added.entry(table.clone()).or_insert(0) += one;
            }
        }
        added.retain(|table, added| *added != 0 && !has_any_number_of_rows(table));
        added
    }

    /// Names of the tables that differ.
    pub fn tables_other_than(&self, other: &Self) -> BTreeSet<String> {
        self.0.symmetric_difference(&other.0).map(|(table, _)| table.clone()).collect()
    }
}

/// The same contents can be in more or fewer rows of these.
fn has_any_number_of_rows(table: &str) -> bool {
    // Parts of the text index, and counts, each in one of several rows.
    table.starts_with("name_search") || table == "usage_count"
}

impl TestDatabase {
    /// Reads all rows of all tables.
    pub async fn rows(&self) -> TableRows {
        TableRows(match self.is_file() {
            true => sqlite(&mut self.open_file().await).await,
            false => postgres(&mut self.connect().await).await,
        })
    }
}

async fn sqlite(db: &mut SqliteConnection) -> BTreeSet<(String, String)> {
    // The virtual table itself shows what its parts hold.
    let selects: Vec<String> = sqlx::query_scalar(
        "SELECT format('SELECT %Q, concat_ws(''|'', %s) FROM \"%w\"', t.name,
             group_concat(format('quote(\"%w\")', c.name), ', '), t.name)
         FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%' GROUP BY t.name",
    )
    .fetch_all(&mut *db)
    .await
    .expect("the schema");
    let sql = AssertSqlSafe(selects.join(" UNION ALL "));
    sqlx::query_as(sql).fetch_all(db).await.expect("rows").into_iter().collect()
}

async fn postgres(db: &mut PgConnection) -> BTreeSet<(String, String)> {
    let selects: Vec<String> = sqlx::query_scalar(
        "SELECT format('SELECT %L, to_jsonb(t)::text FROM %I AS t', table_name, table_name)
         FROM information_schema.tables
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut *db)
    .await
    .expect("the schema");
    let sql = AssertSqlSafe(selects.join(" UNION ALL "));
    sqlx::query_as(sql).fetch_all(db).await.expect("rows").into_iter().collect()
}
