//! Connection pools: their sizes and limits, and which connections are used again.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};

use super::nodes::Visit;
use super::row_security::RowSecurity;
use crate::domain::error::{Error, Result};
use crate::store::common::is_disconnected;

/// Connections and time limits, per process.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Number of connections for checks.
    pub check_connections: u32,
    /// Number of connections for other reads of one call, by key.
    pub unary_connections: u32,
    /// Number of connections for lists, searches and counts.
    pub scan_connections: u32,
    /// Number of connections for the pages of streams.
    pub stream_connections: u32,
    /// Number of connections for writes.
    pub write_connections: u32,
    /// How long a check waits for a connection before it is UNAVAILABLE.
    pub check_acquire_timeout: Duration,
    /// How long every other call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement of a check may run.
    pub check_statement_timeout: Duration,
    /// How long any other statement may run.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a transaction may be idle before the server ends it. Its process
    /// may be suspended while others wait for its locks.
    pub idle_in_transaction_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            check_connections: 4,
            unary_connections: 6,
            scan_connections: 4,
            stream_connections: 4,
            write_connections: 8,
            check_acquire_timeout: Duration::from_millis(250),
            acquire_timeout: Duration::from_secs(3),
            check_statement_timeout: Duration::from_millis(1500),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(10),
        }
    }
}

/// How long after the statement timeout, at which the server itself ends a
/// statement, a server that does not answer is given up.
const SILENCE: Duration = Duration::from_millis(300);

/// How long a statement whose caller is gone keeps its connection.
const ABANDONED: Duration = Duration::from_millis(200);

/// How long a connection is kept that nothing uses, and how long one is at all.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// What the connections of a pool are for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PoolRole {
    Check,
    Unary,
    Scan,
    Stream,
    Write,
    /// Finding the node of a workspace.
    Placement,
    /// Asking a node whether it answers.
    Question,
}

/// How many connections a pool has, and how long a call waits for one.
pub(super) fn pool_size(options: &PostgresOptions, role: PoolRole) -> (u32, Duration) {
    match role {
        PoolRole::Check => (options.check_connections, options.check_acquire_timeout),
        PoolRole::Unary => (options.unary_connections, options.acquire_timeout),
        PoolRole::Scan => (options.scan_connections, options.acquire_timeout),
        PoolRole::Stream => (options.stream_connections, options.acquire_timeout),
        PoolRole::Write => (options.write_connections, options.acquire_timeout),
        PoolRole::Placement | PoolRole::Question => (1, options.check_acquire_timeout),
    }
}

/// Makes the pool, without connecting.
pub(super) fn pool(
    connect: PgConnectOptions,
    options: &PostgresOptions,
    role: PoolRole,
    disconnects: &Arc<DisconnectTracker>,
    policies: Option<RowSecurity>,
) -> PgPool {
    let (size, acquire) = pool_size(options, role);
    let disconnects = Arc::clone(disconnects);
    let reads_in_transactions = policies.is_some() && !matches!(role, PoolRole::Write);
    // Of a connection that was opened but not used, the rollback has nothing to end, with a warning.
    let quiet = reads_in_transactions.then_some(("client_min_messages", "error"));
    // Those for checks stay open: to open them again takes a file, which there may not be.
    let (idle_timeout, max_lifetime) = match role {
        PoolRole::Check => (None, None),
        _ => (Some(IDLE_TIMEOUT), Some(MAX_LIFETIME)),
    };
    PgPoolOptions::new()
        .max_connections(size)
        .idle_timeout(idle_timeout)
        .max_lifetime(max_lifetime)
        .acquire_timeout(acquire)
        // Testing costs a round trip per call, a third of a check. Instead, a broken
        // connection fails one call, and `disconnects` then retires the others.
        .test_before_acquire(false)
        .before_acquire(move |_, meta| {
            let usable = !disconnects.since(meta.age);
            Box::pin(async move { Ok(usable) })
        })
        // The statement of a caller who is gone may still run. The pool itself would wait
        // for it without a limit. A connection that is closed makes room for another one,
        // and the server ends its statement (client_connection_check_interval).
        .after_release(move |connection, _| {
            Box::pin(async move {
                let ended = async {
                    match reads_in_transactions {
                        true => roll_back(connection).await,
                        false => connection.ping().await,
                    }
                };
                Ok(matches!(tokio::time::timeout(ABANDONED, ended).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(options_of(connect, options, role).options(quiet))
}

/// Options of a connection for this.
pub(super) fn options_of(
    connect: PgConnectOptions,
    options: &PostgresOptions,
    role: PoolRole,
) -> PgConnectOptions {
    named(settings(connect, options, role), role)
}

/// Ends the transaction that a read with policies is, after its caller has the answer.
async fn roll_back(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection.execute("ROLLBACK").await.map(drop)
}

/// Names the connections, so that operators see in `pg_stat_activity` what each is
/// for.
fn named(connect: PgConnectOptions, role: PoolRole) -> PgConnectOptions {
    let purpose = match role {
        PoolRole::Check => "check",
        PoolRole::Unary => "read",
        PoolRole::Scan => "scan",
        PoolRole::Stream => "stream",
        PoolRole::Write => "write",
        PoolRole::Placement => "placement",
        PoolRole::Question => "question",
    };
    let program = connect.get_application_name().unwrap_or("contacts-service").to_owned();
    connect.application_name(&format!("{program} {purpose}"))
}

fn settings(
    connect: PgConnectOptions,
    options: &PostgresOptions,
    role: PoolRole,
) -> PgConnectOptions {
    let millis = |duration: Duration| duration.as_millis().to_string();
    let statement_timeout = match role {
        PoolRole::Check | PoolRole::Placement => options.check_statement_timeout,
        // Ends by itself.
        PoolRole::Question => Duration::ZERO,
        _ => options.statement_timeout,
    };
    let connect = connect.options([
        ("statement_timeout", millis(statement_timeout)),
        ("lock_timeout", millis(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
        ("client_connection_check_interval", "500ms".to_owned()),
        ("default_transaction_isolation", "read committed".to_owned()),
        // Compiling would take longer than the statements themselves.
        ("jit", "off".to_owned()),
    ]);
    match role {
        // Only lookups by key of one table, planned once: Citus has such plans for no others. If the
        // table is still empty then, a scan looks just as good, and would stay the plan.
        PoolRole::Check => {
            connect.options([("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")])
        }
        PoolRole::Write => connect.options([("enable_seqscan", "off")]),
        // Contacts are in memory or on flash, where a random page costs little more
        // than the next one. The bitmap of matching contacts should fit into
        // work_mem.
        PoolRole::Unary
        | PoolRole::Scan
        | PoolRole::Stream
        | PoolRole::Placement
        | PoolRole::Question => {
            connect.options([("random_page_cost", "1.1"), ("work_mem", "16MB")])
        }
    }
}

fn limit(options: &PostgresOptions, role: PoolRole) -> Duration {
    SILENCE
        + match role {
            PoolRole::Check | PoolRole::Placement => options.check_statement_timeout,
            _ => options.statement_timeout,
        }
}

/// When a connection was last lost. A server that restarts or fails over closes
/// all connections, so older ones are not used again.
pub(super) struct DisconnectTracker {
    last: Mutex<Option<Instant>>,
    /// Whether the server passes on errors of others, as a coordinator does.
    relays: bool,
}

impl DisconnectTracker {
    pub(super) fn new(relays: bool) -> Self {
        Self { last: Mutex::default(), relays }
    }

    fn add(&self, error: &Error) {
        if is_disconnected(error, self.relays) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Whether a connection was lost during the last `age`.
    fn since(&self, age: Duration) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() <= age)
    }
}

/// Watches the statements of one connection for failures and for a server that does
/// not answer.
pub(super) struct Watch {
    limit: Duration,
    disconnects: Arc<DisconnectTracker>,
    /// On Citus, the node that has to answer.
    visit: Option<Visit>,
    failed: AtomicBool,
}

impl Watch {
    pub(super) fn new(
        options: &PostgresOptions,
        role: PoolRole,
        disconnects: &Arc<DisconnectTracker>,
        visit: Option<Visit>,
    ) -> Self {
        Self {
            limit: limit(options, role),
            disconnects: Arc::clone(disconnects),
            visit,
            failed: AtomicBool::new(false),
        }
    }

    /// Runs a statement, and gives up if the server does not answer within the
    /// time that a statement may take, or the node that it is for does not answer at all.
    pub(super) async fn over<T, E: Into<Error>>(
        &self,
        statement: impl Future<Output = std::result::Result<T, E>>,
    ) -> Result<T> {
        let answered = tokio::time::timeout(self.limit, statement);
        let result = tokio::select! {
            biased;
            answered = answered => match answered {
                Ok(result) => result.map_err(Into::into),
                Err(elapsed) => Err(Error::unavailable(elapsed)),
            },
            error = self.is_hopeless() => Err(error),
        };
        if let Err(error) = &result {
            self.failed.store(true, Ordering::Relaxed);
            self.disconnects.add(error);
        }
        result
    }

    async fn is_hopeless(&self) -> Error {
        match &self.visit {
            Some(visit) => visit.is_hopeless().await,
            None => std::future::pending().await,
        }
    }

    /// Whether any statement failed.
    pub(super) fn saw_failure(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}
