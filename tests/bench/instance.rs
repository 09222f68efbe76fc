//! A server over a new database, and a client of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use contacts_sdk::{ContactsClient, ImportOptions, OnConflict};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::processors::{self, Cpu};
use super::server::ServerProcess;
use super::{Result, data};

pub enum Engine {
    /// Files in this folder.
    Sqlite(PathBuf),
    /// Databases on the server of this URL, which names one that exists.
    Postgres(String),
}

impl Engine {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "Postgres",
        }
    }

    /// Makes an empty database.
    async fn create(&self, name: &str) -> Result<Database> {
        match self {
            Self::Sqlite(folder) => Ok(Database::Sqlite(folder.join(format!("{name}.db")))),
            Self::Postgres(url) => {
                let (server, _) = url.rsplit_once('/').ok_or("the URL names no database")?;
                let name = format!("contacts_{name}");
                let url_of_new = format!("{server}/{name}");
                let mut db = PgConnection::connect(url).await?;
                for sql in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
                    db.execute(AssertSqlSafe(format!("{sql} {name}"))).await?;
                }
                Ok(Database::Postgres { url: url_of_new, name, admin: url.clone() })
            }
        }
    }
}

pub enum Database {
    Sqlite(PathBuf),
    Postgres { url: String, name: String, admin: String },
}

impl Database {
    fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    async fn delete(&self) -> Result {
        match self {
            Self::Sqlite(path) => {
                for suffix in ["", "-wal", "-shm"] {
                    drop(fs::remove_file(format!("{}{suffix}", path.display())));
                }
            }
            Self::Postgres { name, admin, .. } => {
                let mut db = PgConnection::connect(admin).await?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                db.execute(AssertSqlSafe(sql)).await?;
            }
        }
        Ok(())
    }
}

pub struct Instance {
    pub client: ContactsClient,
    pub server: ServerProcess,
    pub database: Database,
    pub key_file: PathBuf,
    /// The process of a database server on this machine.
    postmaster: Option<u32>,
}

impl Instance {
    pub async fn start(engine: &Engine, folder: &Path, name: &str) -> Result<Self> {
        let database = engine.create(name).await?;
        let key_file = folder.join(format!("{name}.key"));
        // Of an instance before this one.
        drop(fs::remove_file(&key_file));
        let server = ServerProcess::start(&database.url(), &key_file)?;
        let client = ContactsClient::builder(server.url()).connect().await?;
        data::define(&client).await?;
        let postmaster = match engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(url) => postmaster(url).await?,
        };
        Ok(Self { client, server, database, key_file, postmaster })
    }

    /// Imports new contacts. Returns how long that took.
    pub async fn import(&self, contacts: u64) -> Result<Duration> {
        let started = Instant::now();
        let options = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
        let summary = self.client.contacts().import(options).send(data::rows(contacts)).await?;
        match summary.created == contacts {
            true => Ok(started.elapsed()),
            false => Err(format!("{} of {contacts} rows imported", summary.created).into()),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.database, Database::Postgres { .. })
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Result<Cpu> {
        let database = self.postmaster.map(processors::of_family).transpose()?.unwrap_or_default();
        let server = self.server.cpu()?.as_secs_f64();
        Ok(Cpu { server, database: database.as_secs_f64() })
    }

    /// Ends the server and deletes the database.
    pub async fn end(self) -> Result {
        drop(self.server);
        self.database.delete().await
    }
}

/// The first process of a Postgres server, if it is on this machine.
async fn postmaster(url: &str) -> Result<Option<u32>> {
    let mut db = PgConnection::connect(url).await?;
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut db).await?;
    Ok(processors::parent_of(backend.cast_unsigned(), "postgres"))
}
