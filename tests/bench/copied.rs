//! Contacts as text, straight from the database: what a stream is compared with.

use futures::TryStreamExt;
use rusqlite::types::ValueRef;
use rusqlite::{Connection as Sqlite, OpenFlags};
use sqlx::{Connection, PgConnection};

use super::Result;
use super::instance::Database;

/// What this is called in a report.
pub fn name(database: &Database) -> &'static str {
    match database {
        Database::Sqlite(_) => "`SELECT *` as text, one thread",
        Database::Postgres { .. } => "COPY `SELECT *` as text",
    }
}

/// Copies all columns of all contacts. Returns how many there are.
pub async fn all(database: &Database) -> Result<u64> {
    match database {
        Database::Sqlite(path) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || {
                let db = Sqlite::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                lines(&db, "SELECT * FROM contact WHERE workspace_key = 1")
            })
            .await?
        }
        Database::Postgres { url, .. } => {
            copy(url, "COPY (SELECT * FROM contact WHERE workspace_id = 'default') TO STDOUT").await
        }
    }
}

/// Copies the contacts of [`super::data::TENTH`] whose consent does not expire, which is all of them.
pub async fn tenth(url: &str) -> Result<u64> {
    copy(
        url,
        "COPY (SELECT * FROM contact WHERE workspace_id = 'default'
            AND terms @> '{event_attendee,tier=Gold}' AND (opt_in_marketing & 7) = 2) TO STDOUT",
    )
    .await
}

async fn copy(url: &str, sql: &str) -> Result<u64> {
    let mut db = PgConnection::connect(url).await?;
    let mut data = db.copy_out_raw(sql).await?;
    let mut rows = 0;
    while let Some(part) = data.try_next().await? {
        rows += part.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    drop(data);
    db.close().await?;
    Ok(rows)
}

/// As the `list` mode of SQLite's shell: values between bars.
fn lines(db: &Sqlite, sql: &str) -> Result<u64> {
    let mut select = db.prepare(sql)?;
    let columns = select.column_count();
    let (mut rows, mut count, mut line) = (select.query([])?, 0, Vec::new());
    while let Some(row) = rows.next()? {
        line.clear();
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => {}
                ValueRef::Integer(number) => line.extend_from_slice(number.to_string().as_bytes()),
                ValueRef::Real(number) => line.extend_from_slice(number.to_string().as_bytes()),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => line.extend_from_slice(bytes),
            }
            line.push(b'|');
        }
        std::hint::black_box(&line);
        count += 1;
    }
    Ok(count)
}
