//! How long callers wait for a connection, and how many there are.

use std::sync::Arc;
use std::time::Instant;

use metrics::{Counter, Histogram};

use super::{Backend, ReadPurpose, Reader, Writer};
use crate::domain::error::Result;
use crate::telemetry::metrics::{
    Metrics, POOL_CONNECTIONS, POOL_CONNECTIONS_MAX, POOL_FAILURES, POOL_WAIT,
};

/// The connections of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolState {
    /// What they are for, as in the labels of metrics.
    pub(crate) purpose: &'static str,
    /// Most connections.
    pub(crate) max: u32,
    /// Open connections.
    pub(crate) open: u32,
    /// Those that nobody uses.
    pub(crate) idle: u32,
}

impl PoolState {
    /// The state of a pool.
    pub(super) fn of<D: sqlx::Database>(purpose: &'static str, pool: &sqlx::Pool<D>) -> Self {
        let (open, idle) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(u32::MAX));
        Self { purpose, max: pool.options().get_max_connections(), open, idle: idle.min(open) }
    }
}

/// The names of the pools, in metrics.
pub(super) const CHECK: &str = "check";
pub(super) const UNARY: &str = "read";
pub(super) const SCAN: &str = "scan";
pub(super) const STREAM: &str = "stream";
pub(super) const WRITE: &str = "write";

/// A backend whose waits are measured.
#[derive(Clone)]
pub(super) struct Measured {
    backend: Arc<dyn Backend>,
    check: Waits,
    unary: Waits,
    scan: Waits,
    stream: Waits,
    write: Waits,
}

#[derive(Clone)]
struct Waits {
    seconds: Histogram,
    failures: Counter,
}

impl Waits {
    fn new(purpose: &str, metrics: &Metrics) -> Self {
        let seconds = metrics.histogram(&POOL_WAIT, &[purpose]);
        Self { seconds, failures: metrics.counter(&POOL_FAILURES, &[purpose]) }
    }

    async fn measure<T>(&self, wait: impl Future<Output = Result<T>>) -> Result<T> {
        let began = Instant::now();
        let result = wait.await;
        self.seconds.record(began.elapsed());
        if result.is_err() {
            self.failures.increment(1);
        }
        result
    }
}

impl Measured {
    pub(super) fn new(backend: Arc<dyn Backend>, metrics: &Metrics) -> Self {
        for PoolState { purpose, max, .. } in backend.pools() {
            metrics.gauge(&POOL_CONNECTIONS_MAX, &[purpose]).set(f64::from(max));
        }
        let gauges: Vec<_> = backend
            .pools()
            .iter()
            .map(|pool| {
                ["used", "idle"]
                    .map(|state| metrics.gauge(&POOL_CONNECTIONS, &[pool.purpose, state]))
            })
            .collect();
        let sampled = Arc::clone(&backend);
        metrics.sample(move || {
            for (PoolState { open, idle, .. }, [used_gauge, idle_gauge]) in
                sampled.pools().into_iter().zip(&gauges)
            {
                used_gauge.set(f64::from(open - idle));
                idle_gauge.set(f64::from(idle));
            }
        });
        let waits = |purpose| Waits::new(purpose, metrics);
        let (check, unary, scan) = (waits(CHECK), waits(UNARY), waits(SCAN));
        let (stream, write) = (waits(STREAM), waits(WRITE));
        Self { backend, check, unary, scan, stream, write }
    }

    pub(super) async fn begin(&self, workspace_id: Option<&str>) -> Result<Box<dyn Writer>> {
        self.write.measure(self.backend.begin(workspace_id)).await
    }

    pub(super) async fn reader(
        &self,
        purpose: ReadPurpose,
        workspace_id: Option<&str>,
    ) -> Result<Box<dyn Reader>> {
        let waits = match purpose {
            ReadPurpose::Check => &self.check,
            ReadPurpose::Unary => &self.unary,
            ReadPurpose::Scan | ReadPurpose::Snapshot => &self.scan,
            ReadPurpose::Stream => &self.stream,
        };
        waits.measure(self.backend.reader(purpose, workspace_id)).await
    }
}

impl std::ops::Deref for Measured {
    type Target = Arc<dyn Backend>;

    fn deref(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}
