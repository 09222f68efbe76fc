//! Faults of the database, statement by statement: the same tests on every database.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use contacts_service::config::DatabaseUrl;
use contacts_service::store::sqlite::fail_point::{self, Fault as SqliteFault};

use crate::app::TestApp;
use crate::backend::Backend;
use crate::faulty_postgres::{FaultyPostgres, PostgresFault};

/// How a statement fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// On SQLite.
    Sqlite(SqliteFault),
    /// On Postgres.
    Postgres(PostgresFault),
}

impl Fault {
    /// All faults of a database.
    pub fn of(backend: Backend) -> Vec<Self> {
        match backend {
            Backend::Sqlite => [
                SqliteFault::NotRun,
                SqliteFault::TransactionEnded,
                SqliteFault::AnswerLost,
                SqliteFault::AllFromHere,
            ]
            .map(Self::Sqlite)
            .to_vec(),
            Backend::Postgres => {
                [PostgresFault::Refused, PostgresFault::AnswerLost, PostgresFault::CommitLost]
                    .map(Self::Postgres)
                    .to_vec()
            }
        }
    }

    /// Whether the statement may have run, and a commit have taken effect, although it failed.
    pub fn may_have_run(self) -> bool {
        let lost =
            [Self::Sqlite(SqliteFault::AnswerLost), Self::Postgres(PostgresFault::AnswerLost)];
        lost.contains(&self)
    }
}

/// Makes statements of a server fail.
pub enum Faults {
    /// In the server's own store.
    Sqlite(PathBuf),
    /// Between the server and Postgres.
    Postgres(FaultyPostgres),
}

impl Faults {
    /// Makes the `nth` statement of the server from now on fail, counted from 1.
    pub fn arm(&self, fault: Fault, nth: u64) {
        match (self, fault) {
            (Self::Sqlite(path), Fault::Sqlite(fault)) => fail_point::arm(path, fault, nth),
            (Self::Postgres(proxy), Fault::Postgres(fault)) => proxy.arm(fault, nth),
            _ => panic!("{fault:?} is one of another database"),
        }
    }

    /// Makes no statement fail any more. Returns whether one was reached that had to.
    pub fn disarm(&self) -> bool {
        match self {
            Self::Sqlite(path) => fail_point::disarm(path),
            Self::Postgres(proxy) => proxy.disarm(),
        }
    }
}

/// How long connections have to come back after a call.
const RETURN: Duration = Duration::from_secs(10);

impl TestApp {
    /// Restarts the server so that the test can make its statements fail.
    pub async fn with_faults(&self) -> Faults {
        let url = match &self.config().database.url {
            DatabaseUrl::Sqlite(path) => return Faults::Sqlite(path.clone()),
            DatabaseUrl::Postgres(url) => url.expose().to_owned(),
        };
        let server = host(&url);
        let proxy = FaultyPostgres::to(resolve(server)).await;
        let through = url.replacen(server, &proxy.address().to_string(), 1);
        self.restart_with(|config| config.database.url = through.parse().expect("a URL")).await;
        Faults::Postgres(proxy)
    }

    /// Waits until nothing uses a connection to the database. Panics if that does not happen.
    pub async fn wait_until_idle(&self) {
        let began = Instant::now();
        loop {
            let metrics = self.metrics().await;
            let used: Vec<_> = metrics.lines().filter(|line| is_used(line)).collect();
            if used.is_empty() {
                return;
            }
            assert!(began.elapsed() < RETURN, "connections do not come back: {used:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Whether a metric says that connections are in use.
fn is_used(line: &str) -> bool {
    line.starts_with("contacts_pool_connections{")
        && line.contains("state=\"used\"")
        && !line.ends_with(" 0")
}

/// `HOST:PORT` in a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").expect("a URL").1;
    let authority = rest.split_once(['/', '?']).map_or(rest, |(authority, _)| authority);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn resolve(host: &str) -> SocketAddr {
    host.to_socket_addrs().expect("HOST:PORT").next().expect("an address")
}
