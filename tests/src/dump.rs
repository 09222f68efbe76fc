//! Dumps a database as bytes, to search it for data that must not be there.

use contacts_service::config::Database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection};

use crate::backend::TestDatabase;

/// All values of one column of a table, joined by newlines.
#[derive(Debug)]
pub struct Column {
    /// `table.column`.
    pub name: String,
    /// Texts as stored, numbers as text.
    pub bytes: Vec<u8>,
}

impl TestDatabase {
    /// Dumps all columns of all tables; on Postgres also the values in planner statistics.
    pub async fn dump(&self) -> Vec<Column> {
        match &self.settings {
            Database::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                sqlite(options.connect().await.expect("the file")).await
            }
            Database::Postgres(_) => postgres(self.connect().await).await,
        }
    }

    /// Names of the columns that contain a text.
    pub async fn columns_with(&self, needle: &str) -> Vec<String> {
        let holds = |column: &Column| contains(&column.bytes, needle);
        self.dump().await.into_iter().filter(holds).map(|column| column.name).collect()
    }
}

/// Whether the bytes contain a text.
pub fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

async fn sqlite(mut db: SqliteConnection) -> Vec<Column> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
         WHERE t.type = 'table' AND t.name <> 'name_search'",
    )
    .fetch_all(&mut db)
    .await
    .expect("the schema");
    let mut dump = Vec::new();
    for (table, column) in columns {
        // JSONB as JSON text.
        let value = match (&*table, &*column) {
            ("contact", "attributes") => "json(attributes)".to_owned(),
            _ => format!("CAST(\"{column}\" AS BLOB)"),
        };
        let sql = format!("SELECT CAST({value} AS BLOB) FROM \"{table}\"");
        let values: Vec<Option<Vec<u8>>> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut db).await.expect("values");
        dump.push(joined(table, column, values));
    }
    db.close().await.expect("closed");
    dump
}

async fn postgres(mut db: PgConnection) -> Vec<Column> {
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text
         FROM information_schema.columns WHERE table_schema = 'public'
         UNION ALL
         SELECT 'pg_stats', name, 'text' FROM unnest(ARRAY['most_common_vals',
             'histogram_bounds', 'most_common_elems']) AS stats (name)",
    )
    .fetch_all(&mut db)
    .await
    .expect("the schema");
    let mut dump = Vec::new();
    for (table, column, kind) in columns {
        let value = match &*kind {
            "bytea" => format!("\"{column}\""),
            _ => format!("convert_to(\"{column}\"::text, 'UTF8')"),
        };
        let sql = format!("SELECT {value} FROM \"{table}\"");
        let values: Vec<Option<Vec<u8>>> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut db).await.expect("values");
        dump.push(joined(table, column, values));
    }
    db.close().await.expect("closed");
    dump
}

fn joined(table: String, column: String, values: Vec<Option<Vec<u8>>>) -> Column {
    let values: Vec<_> = values.into_iter().flatten().collect();
    Column { name: format!("{table}.{column}"), bytes: values.join(&b'\n') }
}
