//! A new database for each test.

#![expect(clippy::disallowed_methods, reason = "databases with random names")]

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use contacts_service::config::DatabaseUrl;
use contacts_service::key_file::KeyFileError;
use contacts_service::store::postgres;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection, raw_sql,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::citus::{self, citus_workers, on_each_node, permit_connections, turn_on_cluster};

/// Environment variable with the URL of a Postgres server for tests, set by `tests/tools/postgres`.
const POSTGRES_URL: &str = "CONTACTS_TEST_POSTGRES_URL";

/// Environment variable: with any value, the Postgres databases of the suite have row-level security.
const ROW_LEVEL_SECURITY: &str = "CONTACTS_TEST_ROW_LEVEL_SECURITY";

/// Owns databases with row-level security, and is subject to it.
const CONFINED_ROLE: &str = "contacts_confined";

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
    /// As servers use it.
    pub(crate) settings: DatabaseUrl,
    /// Removed, with the files in it, when this is dropped.
    _directory: Option<TempDir>,
    /// URL of the Postgres server, as a superuser, and name of this database.
    postgres: Option<(String, String)>,
    /// Whether it has row-level security.
    is_confined: bool,
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
        Self { settings, _directory: Some(directory), postgres: None, is_confined: false }
    }

    async fn postgres() -> Self {
        match citus_workers().is_empty() {
            true => Self::of_server(postgres_server(), String::new(), false).await,
            false => Self::distributed().await,
        }
    }

    /// Copies a distributed database without rows. The first test makes that one, which takes several times as
    /// long.
    async fn distributed() -> Self {
        let template = citus::template_name();
        let mut turn = turn_on_cluster().await;
        // The last step of making it.
        let made =
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND NOT datallowconn)";
        let made: bool =
            sqlx::query_scalar(made).bind(&template).fetch_one(&mut turn).await.expect("an answer");
        if !made {
            on_each_node(&format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)")).await;
            let new = Self::named(postgres_server(), template.clone(), String::new(), false).await;
            new.join().await;
            postgres::migrate(&new.url(), true).await.expect("a schema");
            permit_connections(&template, false).await;
        }
        turn.close().await.expect("closed");
        Self::of_cluster(&template).await
    }

    /// Copies a database of each node. It must have no connections.
    async fn of_cluster(template: &str) -> Self {
        let made = Self::of_server(postgres_server(), format!("TEMPLATE {template}"), false).await;
        let (_, name) = made.postgres.as_ref().expect("a Postgres database");
        for worker in citus_workers() {
            execute(&worker, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        }
        made
    }

    /// Creates an empty database of a Citus cluster, where the tests run on one. Nothing is distributed yet.
    pub async fn undistributed() -> Option<Self> {
        if citus_workers().is_empty() {
            return None;
        }
        let made = Self::of_server(postgres_server(), String::new(), false).await;
        let turn = turn_on_cluster().await;
        made.join().await;
        turn.close().await.expect("closed");
        Some(made)
    }

    /// Makes the database of every node one cluster.
    async fn join(&self) {
        let (server, name) = self.postgres.as_ref().expect("a Postgres database");
        let host_and_port = |url: &str| {
            let (_, rest) = url.rsplit_once('@').expect("a user");
            let (address, _) = rest.split_once('/').expect("a database");
            let (host, port) = address.split_once(':').expect("a port");
            format!("'{host}', {port}")
        };
        let workers = citus_workers();
        for worker in &workers {
            execute(worker, format!("CREATE DATABASE {name}")).await;
            execute(&with_name(worker, name), "CREATE EXTENSION citus".to_owned()).await;
        }
        let url = self.url();
        // Few shards: most tests have one workspace, and each table of each shard is a file or more.
        execute(&url, format!("ALTER DATABASE {name} SET citus.shard_count = 4")).await;
        execute(&url, "CREATE EXTENSION citus".to_owned()).await;
        let coordinator = host_and_port(server);
        execute(&url, format!("SELECT citus_set_coordinator_host({coordinator})")).await;
        for worker in &workers {
            execute(&url, format!("SELECT citus_add_node({})", host_and_port(worker))).await;
        }
    }

    /// Creates the database of a test of the suite.
    pub(crate) async fn for_suite(backend: Backend) -> Self {
        match backend {
            Backend::Postgres if env::var_os(ROW_LEVEL_SECURITY).is_some() => {
                Self::confined().await
            }
            _ => Self::create(backend).await,
        }
    }

    /// Creates a Postgres database with row-level security. Servers have a role that owns its
    /// tables, and tests one that sees everything.
    pub async fn confined() -> Self {
        let server = postgres_server();
        let create = "DO $$ BEGIN
                          CREATE ROLE contacts_confined LOGIN;
                      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                      END $$";
        execute(&server, create.to_owned()).await;
        let made = Self::of_server(server, String::new(), true).await;
        let DatabaseUrl::Postgres(url) = &made.settings else { panic!("a Postgres database") };
        postgres::migrate(url.expose(), false).await.expect("a schema");
        postgres::set_row_level_security(url.expose(), true).await.expect("policies");
        made
    }

    async fn of_server(server: String, template: String, is_confined: bool) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        Self::named(server, name, template, is_confined).await
    }

    async fn named(server: String, name: String, template: String, is_confined: bool) -> Self {
        let owner = if is_confined { format!("OWNER {CONFINED_ROLE}") } else { String::new() };
        execute(&server, format!("CREATE DATABASE {name} {template} {owner}")).await;
        let url = with_name(&server, &name);
        let url = if is_confined { with_user(&url, CONFINED_ROLE) } else { url };
        let settings = url.parse().expect("a URL");
        Self { settings, _directory: None, postgres: Some((server, name)), is_confined }
    }

    /// Servers of this database reach it at another address.
    pub(crate) fn behind(mut self, address: SocketAddr) -> Self {
        let DatabaseUrl::Postgres(url) = &self.settings else { panic!("a Postgres database") };
        let (before, rest) = url.expose().split_once('@').expect("a user");
        let (_, database) = rest.split_once('/').expect("a database");
        self.settings = format!("{before}@{address}/{database}").parse().expect("a URL");
        self
    }

    /// Address of its Postgres server.
    pub(crate) fn server_address(&self) -> SocketAddr {
        let (server, _) = self.postgres.as_ref().expect("a Postgres database");
        let (_, rest) = server.split_once('@').expect("a user");
        let (address, _) = rest.split_once('/').expect("a database");
        address.parse().expect("an address")
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
            Some((_, name)) if !citus_workers().is_empty() => {
                // Citus itself has connections.
                permit_connections(name, false).await;
                let copy = Self::of_cluster(name).await;
                permit_connections(name, true).await;
                copy
            }
            Some((server, name)) => {
                let template = format!("TEMPLATE {name}");
                Self::of_server(server.clone(), template, self.is_confined).await
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

    /// URL of a Postgres database, for a superuser.
    pub fn url(&self) -> String {
        match &self.postgres {
            Some((server, name)) => with_name(server, name),
            None => panic!("a file has no URL that others could use"),
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
        PgConnection::connect(&self.url()).await.expect("a connection")
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
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            match citus_workers().is_empty() {
                true => execute(server, drop).await,
                false => on_each_node(&drop).await,
            }
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

pub(crate) async fn execute(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server).await.expect("the Postgres server");
    connection.execute(AssertSqlSafe(sql)).await.expect("a database made or dropped");
    connection.close().await.expect("closed");
}

/// URL of the server that tests make databases on.
pub(crate) fn postgres_server() -> String {
    env::var(POSTGRES_URL).unwrap_or_else(|_| {
        panic!(
            "{POSTGRES_URL} is not set: run tests/run rust, or tests/tools/postgres -- cargo test"
        )
    })
}

/// The URL with another user, who has no password.
fn with_user(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{user}@{rest}")
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
        assert_eq!(with_user("postgres://ana:s3@db/x", "eva"), "postgres://eva@db/x");
    }
}
