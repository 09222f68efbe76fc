//! Reads of consent from the database without the service: the floor of a check that reads it.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection as Sqlite, OpenFlags};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use super::Result;
use super::data::phone;
use super::instance::Database;

/// Threads or connections that select at a time.
pub const CONNECTIONS: u64 = 16;

const SQLITE: &str = "SELECT contact_id, is_former, consent, update_time FROM consent
    WHERE workspace_key = 1 AND match_key = ?";
const POSTGRES: &str = "SELECT contact_id, is_former, consent, update_time FROM consent
    WHERE workspace_id = 'default' AND match_key = $1";
const POSTGRES_ANY: &str =
    "SELECT match_key, contact_id, is_former, consent, update_time FROM consent
    WHERE workspace_id = 'default' AND match_key = ANY($1)";

/// Selects one row at a time, on several connections. Returns how many were found.
pub async fn selects(database: &Database, contacts: u64, run: Duration) -> Result<u64> {
    let mut readers = JoinSet::new();
    let key = move |n: u64| key(&phone(n.wrapping_mul(7919) % contacts));
    for reader in 0..CONNECTIONS {
        let started = Instant::now();
        let mut keys = (0..).map(move |n| key(n * CONNECTIONS + reader));
        match database {
            Database::Sqlite(path) => {
                let path = path.clone();
                readers.spawn_blocking(move || {
                    let keys = keys.take_while(|_| started.elapsed() < run);
                    in_place(&path, keys)
                });
            }
            Database::Postgres { url, .. } => {
                let url = url.clone();
                readers.spawn(async move {
                    let (mut db, mut found) = (PgConnection::connect(&url).await?, 0);
                    while started.elapsed() < run {
                        let select = sqlx::query(POSTGRES).bind(keys.next());
                        found += u64::from(select.fetch_optional(&mut db).await?.is_some());
                    }
                    Ok(found)
                });
            }
        }
    }
    let mut found = 0;
    while let Some(reader) = readers.join_next().await {
        found += reader??;
    }
    nonzero(found)
}

/// Selects the rows of batches of numbers again and again, on one connection. Returns how many were found.
pub async fn batches(database: &Database, batches: &[Vec<String>], run: Duration) -> Result<u64> {
    let keys = |numbers: &Vec<String>| numbers.iter().map(|number| key(number)).collect();
    let batches: Vec<Vec<_>> = batches.iter().map(keys).collect();
    let (started, mut found) = (Instant::now(), 0);
    match database {
        Database::Sqlite(path) => {
            let keys = batches.iter().flatten().cycle();
            found = in_place(path, keys.take_while(|_| started.elapsed() < run).cloned())?;
        }
        Database::Postgres { url, .. } => {
            let mut db = PgConnection::connect(url).await?;
            for keys in batches.iter().cycle().take_while(|_| started.elapsed() < run) {
                let select = sqlx::query(POSTGRES_ANY).bind(keys);
                found += select.fetch_all(&mut db).await?.len() as u64;
            }
        }
    }
    nonzero(found)
}

fn in_place(path: &Path, keys: impl Iterator<Item = String>) -> Result<u64> {
    let db = Sqlite::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let mut select = db.prepare(SQLITE)?;
    let mut found = 0;
    for key in keys {
        let mut rows = select.query([key])?;
        if let Some(row) = rows.next()? {
            std::hint::black_box(row.get_ref(2)?);
            found += 1;
        }
    }
    Ok(found)
}

/// Under which the service keeps a number.
fn key(number: &str) -> String {
    format!("p{number}")
}

fn nonzero(found: u64) -> Result<u64> {
    match found {
        0 => Err("no consent is found under the keys of the benchmark".into()),
        found => Ok(found),
    }
}
