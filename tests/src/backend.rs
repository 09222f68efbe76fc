//! A new database for each test.

#![expect(clippy::disallowed_methods, reason = "databases with random names")]

use std::env;
use std::path::{Path, PathBuf};

use contacts_service::config::DatabaseUrl;
use contacts_service::key_file::KeyFileError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection, raw_sql,
};
use tempfile::TempDir;
use uuid::Uuid;

/// Environment variable with the URL of a Postgres server for tests, set by `tests/tools/postgres`.
const POSTGRES_URL: &str = "CONTACTS_TEST_POSTGRES_URL";

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary directory.
    Sqlite,
    /// A database of the server that `CONTACTS_TEST_POSTGRES_URL` names.
    Postgres,
}

/// A database for one test.
pub struct TestDatabase {
    pub(crate) settings: DatabaseUrl,
    /// Removed, with the files in it, when this is dropped.
    _directory: Option<TempDir>,
    /// URL of the Postgres server, and name of this database.
    postgres: Option<(String, String)>,
}

impl TestDatabase {
    /// Creates an empty database.
    pub async fn create(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::sqlite(),
            Backend::Postgres => Self::postgres().await,
        }
    }

    fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings = DatabaseUrl::Sqlite(directory.path().join("contacts.db"));
        Self { settings, _directory: Some(directory), postgres: None }
    }

    async fn postgres() -> Self {
        let Ok(server) = env::var(POSTGRES_URL) else {
            panic!(
                "{POSTGRES_URL} is not set: run tests/run rust, or tests/tools/postgres -- cargo test"
            );
        };
        let name = format!("test_{}", Uuid::new_v4().simple());
        execute(&server, format!("CREATE DATABASE {name}")).await;
        let settings = postgres_url(&server, &name);
        Self { settings, _directory: None, postgres: Some((server, name)) }
    }

    /// Copies the database, as a backup does. A Postgres database must have no connections.
    pub async fn copy(&self) -> Self {
        match &self.postgres {
            None => {
                let copy = Self::sqlite();
                let options = SqliteConnectOptions::new().filename(self.path());
                let mut connection = options.connect().await.expect("a connection");
                let to = copy.path().to_str().expect("a path of characters");
                let copied = sqlx::query("VACUUM INTO ?").bind(to).execute(&mut connection).await;
                copied.expect("a copy");
                copy
            }
            Some((server, name)) => {
                let copy = format!("test_{}", Uuid::new_v4().simple());
                execute(server, format!("CREATE DATABASE {copy} TEMPLATE {name}")).await;
                let settings = postgres_url(server, &copy);
                Self { settings, _directory: None, postgres: Some((server.clone(), copy)) }
            }
        }
    }

    /// Path of a SQLite database.
    pub fn path(&self) -> &Path {
        match &self.settings {
            DatabaseUrl::Sqlite(path) => path,
            DatabaseUrl::Postgres(_) => panic!("a server's database is no file"),
        }
    }

    /// URL of a Postgres database.
    pub fn url(&self) -> &str {
        match &self.settings {
            DatabaseUrl::Postgres(url) => url.expose(),
            DatabaseUrl::Sqlite(_) => panic!("a file has no URL that others could use"),
        }
    }

    /// The URL in the settings of a server.
    pub fn settings_url(&self) -> String {
        match &self.settings {
            DatabaseUrl::Postgres(url) => url.expose().to_owned(),
            DatabaseUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
        }
    }

    /// A connection to a Postgres database.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.url()).await.expect("a connection")
    }

    /// Whether it is SQLite's.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.settings, DatabaseUrl::Sqlite(_))
    }

    /// A connection to a SQLite database.
    pub(crate) async fn open_file(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path());
        options.connect().await.expect("a connection")
    }

    /// Runs SQL statements that all databases support.
    pub async fn run_sql(&self, sql: &'static str) {
        match self.is_file() {
            true => {
                raw_sql(sql).execute(&mut self.open_file().await).await.expect(sql);
            }
            false => {
                raw_sql(sql).execute(&mut self.connect().await).await.expect(sql);
            }
        }
    }

    /// Drops a Postgres database. Databases of failed tests are removed with the server.
    pub async fn remove(&self) {
        if let Some((server, name)) = &self.postgres {
            execute(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

/// The folder of the programs built with the profile of this one, which is there itself or, a test,
/// in `deps`.
pub(crate) fn target_folder() -> PathBuf {
    let program = env::current_exe().expect("this program's own path");
    let folder = program.parent().expect("its folder");
    let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    folder.expect("the target folder").to_owned()
}

/// The key file shared by all Postgres databases, created by the first test that needs it.
pub(crate) fn key_file() -> PathBuf {
    let path = target_folder().join("contacts-tests.key");
    match contacts_service::key_file::create(&path) {
        Ok(_) | Err(KeyFileError::Exists(_)) => path,
        Err(error) => panic!("{error}"),
    }
}

async fn execute(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server).await.expect("the Postgres server");
    connection.execute(AssertSqlSafe(sql)).await.expect("a database made or dropped");
    connection.close().await.expect("closed");
}

fn postgres_url(server: &str, name: &str) -> DatabaseUrl {
    with_name(server, name).parse().expect("a URL")
}

/// The URL of another database of the same server.
fn with_name(server: &str, name: &str) -> String {
    let (url, parameters) = server.split_once('?').unwrap_or((server, ""));
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    let question = if parameters.is_empty() { "" } else { "?" };
    format!("{scheme}://{host}/{name}{question}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_same_server_has_another_name() {
        for (server, expected) in [
            ("postgres://ana@127.0.0.1:5433/postgres", "postgres://ana@127.0.0.1:5433/x"),
            ("postgres://ana:s3@db", "postgres://ana:s3@db/x"),
            ("postgres://db/a?sslmode=disable", "postgres://db/x?sslmode=disable"),
        ] {
            assert_eq!(with_name(server, "x"), expected);
        }
    }
}
