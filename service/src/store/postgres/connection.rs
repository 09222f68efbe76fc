//! Connections: how many, with which limits, and which of them may be used
//! again.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::is_disconnected;
use crate::domain::error::{Error, Result};

/// How the store uses its database. Connections are counted per process.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Connections for checks.
    pub check_connections: u32,
    /// Connections for other reads of one call.
    pub unary_connections: u32,
    /// Connections for the pages of streams.
    pub stream_connections: u32,
    /// Connections for changes.
    pub write_connections: u32,
    /// How long a check waits for a connection before it is UNAVAILABLE.
    pub check_acquire_timeout: Duration,
    /// How long everything else waits for one.
    pub acquire_timeout: Duration,
    /// How long the statement of a check may run.
    pub check_statement_timeout: Duration,
    /// How long any other statement may run.
    pub statement_timeout: Duration,
    /// How long a change waits for another one.
    pub lock_timeout: Duration,
    /// How long a transaction may stand still before the server ends it: its
    /// process was stopped, and others wait for its locks.
    pub idle_in_transaction_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            check_connections: 4,
            unary_connections: 8,
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

/// The server ends a statement at its timeout and says so. How much later we
/// stop waiting for a server that does not answer at all.
const SILENCE: Duration = Duration::from_millis(300);

/// Who a pool is for.
#[derive(Clone, Copy)]
pub(super) enum PoolRole {
    Check,
    Unary,
    Stream,
    Write,
}

/// Makes the pool, without connecting.
pub(super) fn pool(
    connect: PgConnectOptions,
    options: &PostgresOptions,
    usage: PoolRole,
    disconnects: &Arc<DisconnectTracker>,
) -> PgPool {
    let (size, acquire) = match usage {
        PoolRole::Check => (options.check_connections, options.check_acquire_timeout),
        PoolRole::Unary => (options.unary_connections, options.acquire_timeout),
        PoolRole::Stream => (options.stream_connections, options.acquire_timeout),
        PoolRole::Write => (options.write_connections, options.acquire_timeout),
    };
    let limit = limit(options, usage);
    let disconnects = Arc::clone(disconnects);
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(acquire)
        // A round trip per call, a third of a check. A connection that died
        // unseen fails one call instead, and after it `disconnects` retires its kin.
        .test_before_acquire(false)
        .before_acquire(move |_, meta| {
            let usable = !disconnects.since(meta.age);
            Box::pin(async move { Ok(usable) })
        })
        // A call that was given up leaves its answer on the way: it is waited
        // for, but not for ever, as the pool itself would.
        .after_release(move |connection, _| {
            Box::pin(async move {
                Ok(matches!(tokio::time::timeout(limit, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(named(settings(connect, options, usage), usage))
}

/// Lets an operator tell what a session is for.
fn named(connect: PgConnectOptions, usage: PoolRole) -> PgConnectOptions {
    let purpose = match usage {
        PoolRole::Check => "check",
        PoolRole::Unary => "read",
        PoolRole::Stream => "stream",
        PoolRole::Write => "write",
    };
    let program = connect.get_application_name().unwrap_or("contacts-service").to_owned();
    connect.application_name(&format!("{program} {purpose}"))
}

fn settings(
    connect: PgConnectOptions,
    options: &PostgresOptions,
    usage: PoolRole,
) -> PgConnectOptions {
    let millis = |duration: Duration| duration.as_millis().to_string();
    let statement_timeout = match usage {
        PoolRole::Check => options.check_statement_timeout,
        PoolRole::Unary | PoolRole::Stream | PoolRole::Write => options.statement_timeout,
    };
    let connect = connect.options([
        ("statement_timeout", millis(statement_timeout)),
        ("lock_timeout", millis(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
        ("default_transaction_isolation", "read committed".to_owned()),
        // Compiling costs more than any statement here.
        ("jit", "off".to_owned()),
    ]);
    match usage {
        // Only lookups by key, planned once. On a table that was empty then, a
        // scan may look as good and would stay.
        PoolRole::Check => {
            connect.options([("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")])
        }
        PoolRole::Write => connect.options([("enable_seqscan", "off")]),
        // Contacts are in memory or on flash, where the next row on disk is not
        // four times as cheap as any other; and the list of those that match
        // should fit.
        PoolRole::Unary | PoolRole::Stream => {
            connect.options([("random_page_cost", "1.1"), ("work_mem", "16MB")])
        }
    }
}

fn limit(options: &PostgresOptions, usage: PoolRole) -> Duration {
    SILENCE
        + match usage {
            PoolRole::Check => options.check_statement_timeout,
            PoolRole::Unary | PoolRole::Stream | PoolRole::Write => options.statement_timeout,
        }
}

/// When a connection was last lost. The server that restarted or failed over
/// cut all of them, so those from before are not worth a try.
#[derive(Default)]
pub(super) struct DisconnectTracker(Mutex<Option<Instant>>);

impl DisconnectTracker {
    fn add(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether one was lost in the last `age`.
    fn since(&self, age: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() <= age)
    }
}

/// Watches the statements of one connection.
pub(super) struct Watch {
    limit: Duration,
    disconnects: Arc<DisconnectTracker>,
    failed: AtomicBool,
}

impl Watch {
    pub(super) fn new(
        options: &PostgresOptions,
        usage: PoolRole,
        disconnects: &Arc<DisconnectTracker>,
    ) -> Self {
        Self {
            limit: limit(options, usage),
            disconnects: Arc::clone(disconnects),
            failed: AtomicBool::new(false),
        }
    }

    /// Runs statements, but waits for a server that went silent no longer than
    /// one may take.
    pub(super) async fn over<T>(&self, statements: impl Future<Output = Result<T>>) -> Result<T> {
        let answered = tokio::time::timeout(self.limit, statements).await;
        let result = answered.unwrap_or_else(|silence| Err(Error::unavailable(silence)));
        if let Err(error) = &result {
            self.failed.store(true, Ordering::Relaxed);
            if is_disconnected(error) {
                self.disconnects.add();
            }
        }
        result
    }

    /// Whether any of them failed.
    pub(super) fn saw_failure(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}
