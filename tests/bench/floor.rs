//! The floor of an import: the rows that it made, written into the same tables of a new database, by
//! one writer that does nothing else. They are read from the imported database beforehand, a batch
//! at a time, which does not count.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use rusqlite::types::Value;
use rusqlite::{Connection as Sqlite, params_from_iter};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::Result;
use super::server::ServerProcess;

/// Contacts of a transaction: from some number on, more gain nothing.
const SQLITE_BATCH: u64 = 20_000;
const POSTGRES_BATCH: u64 = 5000;

/// The tables of an import, and the order of their rows: that in which it made them.
const TABLES: [(&str, &str); 5] = [
    ("contact", "contact_id"),
    ("consent", "contact_id"),
    ("opt_in_event_pack", "last_position"),
    ("opt_in_event_detail_pack", "last_position"),
    ("opt_in_event_subject", "position"),
];

/// Contacts a second into SQLite: prepared statements of one row each.
pub fn sqlite(imported: &Path, key_file: &Path, contacts: u64) -> Result<f64> {
    let folder = tempfile::tempdir_in(imported.parent().ok_or("the file is in no folder")?)?;
    let path = folder.path().join("floor.db");
    ServerProcess::migrate(&format!("sqlite://{}", path.display()), key_file)?;
    let source = Sqlite::open(imported)?;
    let mut target = Sqlite::open(&path)?;
    target.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
         PRAGMA cache_size = -131072; PRAGMA wal_autocheckpoint = 32000",
    )?;
    target.set_prepared_statement_cache_capacity(32);
    let mut tables = Vec::new();
    for (table, order) in TABLES.into_iter().chain([("contact_tag", "seq"), NAMES]) {
        tables.push(Table::read(&source, table, order, contacts)?);
    }
    let mut selects = Vec::new();
    for table in &tables {
        selects.push(source.prepare(&table.select)?);
    }
    let mut cursors = Vec::new();
    for select in &mut selects {
        cursors.push(select.query([])?);
    }
    let mut time = Duration::ZERO;
    for _ in 0..contacts.div_ceil(SQLITE_BATCH) {
        let mut batch = Vec::new();
        for (table, cursor) in tables.iter().zip(&mut cursors) {
            let mut rows: Vec<Vec<Value>> = Vec::new();
            while rows.len() < table.batch
                && let Some(row) = cursor.next()?
            {
                rows.push((0..table.columns).map(|at| row.get(at)).collect::<Result<_, _>>()?);
            }
            // As an import does: neighbours in the index are written together.
            if let Some(key) = table.sorted_by {
                rows.sort_by_cached_key(|row| format!("{:?}", row[key]));
            }
            batch.push(rows);
        }
        let started = Instant::now();
        let transaction = target.transaction()?;
        for (table, rows) in tables.iter().zip(&batch) {
            let mut insert = transaction.prepare_cached(&table.insert)?;
            for row in rows {
                insert.execute(params_from_iter(row))?;
            }
        }
        transaction.commit()?;
        time += started.elapsed();
    }
    Ok(contacts as f64 / time.as_secs_f64())
}

/// The words of names: what the index holds is in the contact's row.
const NAMES: (&str, &str) = ("name_search", "seq");

struct Table {
    select: String,
    insert: String,
    columns: usize,
    /// Rows of a transaction.
    batch: usize,
    sorted_by: Option<usize>,
}

impl Table {
    fn read(source: &Sqlite, table: &str, order: &str, contacts: u64) -> Result<Self> {
        if (table, order) == NAMES {
            return Ok(Self {
                select: "SELECT seq, search_words FROM contact ORDER BY seq".to_owned(),
                insert: "INSERT INTO name_search (rowid, words) VALUES (?, ?)".to_owned(),
                columns: 2,
                batch: SQLITE_BATCH as usize,
                sorted_by: None,
            });
        }
        let order = if table == "contact" { "seq" } else { order };
        let rows: i64 =
            source.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        let columns = source.prepare(&format!("SELECT * FROM {table}"))?.column_count();
        let values = vec!["?"; columns].join(", ");
        Ok(Self {
            select: format!("SELECT * FROM {table} ORDER BY {order}"),
            insert: format!("INSERT INTO {table} VALUES ({values})"),
            columns,
            batch: (rows as u64 * SQLITE_BATCH).div_ceil(contacts) as usize,
            sorted_by: match table {
                "consent" => Some(1),
                "contact_tag" => Some(0),
                _ => None,
            },
        })
    }
}

/// Contacts a second into Postgres: COPY.
pub async fn postgres(url: &str, key_file: &Path, contacts: u64) -> Result<f64> {
    let mut db = PgConnection::connect(url).await?;
    db.execute("DROP DATABASE IF EXISTS contacts_floor").await?;
    db.execute("CREATE DATABASE contacts_floor").await?;
    let (server, _) = url.rsplit_once('/').ok_or("the URL names no database")?;
    let target = format!("{server}/contacts_floor");
    ServerProcess::migrate(&target, key_file)?;
    let mut target = PgConnection::connect(&target).await?;
    let mut sources = Vec::new();
    for (table, order) in TABLES {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut db).await?;
        let batch = (rows as u64 * POSTGRES_BATCH).div_ceil(contacts) as usize;
        sources.push((table, batch, Copied::open(url, table, order).await?));
    }
    let mut time = Duration::ZERO;
    for _ in 0..contacts.div_ceil(POSTGRES_BATCH) {
        let mut batch = Vec::new();
        for (table, rows, source) in &mut sources {
            batch.push((*table, source.rows(*rows).await?));
        }
        let started = Instant::now();
        let mut transaction = target.begin().await?;
        for (table, rows) in batch {
            let sql = format!("COPY {table} FROM STDIN (FORMAT BINARY)");
            let mut copy = transaction.copy_in_raw(&sql).await?;
            copy.send(rows).await?;
            copy.finish().await?;
        }
        transaction.commit().await?;
        time += started.elapsed();
    }
    drop(sources);
    target.close().await?;
    db.execute("DROP DATABASE contacts_floor WITH (FORCE)").await?;
    Ok(contacts as f64 / time.as_secs_f64())
}

/// The rows of a table in the binary format of COPY.
struct Copied {
    data: BoxStream<'static, Result<Bytes>>,
    left: BytesMut,
}

/// Signature, flags and the length of an extension that is not there.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

impl Copied {
    async fn open(url: &str, table: &str, order: &str) -> Result<Self> {
        let mut db = PgConnection::connect(url).await?;
        let sql =
            format!("COPY (SELECT * FROM {table} ORDER BY {order}) TO STDOUT (FORMAT BINARY)");
        let data = async_stream(move |sender| async move {
            let mut data = db.copy_out_raw(&sql).await?;
            while let Some(part) = data.try_next().await? {
                if sender.send(Ok(part)).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        let mut copied = Self { data, left: BytesMut::new() };
        copied.fill(HEADER.len()).await?;
        drop(copied.left.split_to(HEADER.len()));
        Ok(copied)
    }

    /// Waits for this many bytes. False at the end.
    async fn fill(&mut self, bytes: usize) -> Result<bool> {
        while self.left.len() < bytes {
            let Some(part) = self.data.try_next().await? else { return Ok(false) };
            self.left.extend_from_slice(&part);
        }
        Ok(true)
    }

    fn int<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        Ok(self.left[at..at + N].try_into()?)
    }

    /// The next rows, fewer at the end.
    async fn rows(&mut self, rows: usize) -> Result<Bytes> {
        let mut taken = BytesMut::from(HEADER);
        for _ in 0..rows {
            if !self.fill(2).await? {
                break;
            }
            let values = i16::from_be_bytes(self.int(0)?);
            if values < 0 {
                break;
            }
            let mut end = 2;
            for _ in 0..values {
                self.fill(end + 4).await?;
                let length = i32::from_be_bytes(self.int(end)?);
                end += 4 + usize::try_from(length).unwrap_or(0);
            }
            self.fill(end).await?;
            taken.extend_from_slice(&self.left.split_to(end));
        }
        taken.extend_from_slice(&(-1_i16).to_be_bytes());
        Ok(taken.freeze())
    }
}

/// What a task sends, and the error that it ends with.
fn async_stream<F>(
    run: impl FnOnce(tokio::sync::mpsc::Sender<Result<Bytes>>) -> F + Send + 'static,
) -> BoxStream<'static, Result<Bytes>>
where
    F: Future<Output = Result> + Send + 'static,
{
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    let failed = sender.clone();
    tokio::spawn(async move {
        if let Err(error) = run(sender).await {
            drop(failed.send(Err(error)).await);
        }
    });
    Box::pin(futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|part| (part, receiver))
    }))
}
