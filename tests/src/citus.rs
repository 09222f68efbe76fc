//! The nodes of a Citus cluster that the tests run on, see `tests/run citus`.

use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::{env, fs};

use sqlx::{Connection, Executor, PgConnection};

use crate::backend::{execute, postgres_server};

/// Environment variable with the URLs of workers, separated by commas, where the server of
/// `CONTACTS_TEST_POSTGRES_URL` is the coordinator of a Citus cluster, set by `tests/run citus`.
const CITUS_WORKERS: &str = "CONTACTS_TEST_CITUS_WORKERS";

/// URLs of the workers of a Citus cluster, if the tests run on one.
pub(crate) fn citus_workers() -> Vec<String> {
    let workers = env::var(CITUS_WORKERS).unwrap_or_default();
    workers.split(',').filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

/// Waits until no other test makes nodes a cluster, until the connection is closed. Adding a node copies the roles of
/// the server, which fails beside another that does.
pub(crate) async fn turn_on_cluster() -> PgConnection {
    let mut turn = PgConnection::connect(&postgres_server()).await.expect("the coordinator");
    turn.execute("SELECT pg_advisory_lock(1)").await.expect("a turn");
    turn
}

/// Runs a statement on the workers of the cluster and then on the coordinator.
pub(crate) async fn on_each_node(sql: &str) {
    for node in citus_workers().into_iter().chain([postgres_server()]) {
        execute(&node, sql.to_owned()).await;
    }
}

/// Permits connections to a database of each node, or ends them and permits no more.
pub(crate) async fn permit_connections(name: &str, permitted: bool) {
    on_each_node(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {permitted}")).await;
    if !permitted {
        let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity";
        on_each_node(&format!("{end} WHERE datname = '{name}'")).await;
    }
}

/// Name of the database that the ones of tests are copies of, for this version of the schema.
pub(crate) fn template_name() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/src/store/postgres");
    let migrations = fs::read_dir(folder.join("migrations")).expect("migrations");
    let mut files: Vec<_> = migrations.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    // Has the list of tables.
    files.push(folder.join("schema.rs"));
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(&fs::read(file).expect("a file"));
    }
    format!("contacts_template_{:016x}", hasher.finish())
}
