//! What every handler has: the store, the checker, and changes that happen once
//! per request_id.

use std::sync::Arc;

use contacts_proto::v1;
use futures::FutureExt;
use metrics::Counter;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::access::{self, Targeted};
use super::idempotency::{IdempotencyKey, InFlight};
use super::mutation::{Mutation, MutationResponse};
use super::workspace_places::WorkspacePlaces;
use crate::config::{Config, bytes};
use crate::domain::error::{Error, Reason, Result};
use crate::opt_in::{Checker, MirrorLimits};
use crate::runtime::SideRuntime;
use crate::store::{Operation, Store};
use crate::telemetry::metrics::{IMPORT_ROWS, Metrics};
use crate::webhook_secrets::WebhookSecrets;

/// The services of the API. Each is implemented in the file of its name.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) store: Store,
    pub(super) checker: Checker,
    in_flight: InFlight,
    /// Verify webhooks.
    pub(super) webhook_secrets: Arc<WebhookSecrets>,
    /// Runs what must not take the processor from checks of now.
    pub(super) background: SideRuntime,
    /// Cancelled when the server stops: streams end.
    pub(super) drain: CancellationToken,
    /// Places of bulk calls, by workspace.
    pub(super) places: WorkspacePlaces,
    /// Counts what becomes of imported rows.
    pub(super) import_rows: ImportRows,
}

/// Counts rows of imports by what became of them.
#[derive(Clone)]
pub(super) struct ImportRows {
    created: Counter,
    updated: Counter,
    unchanged: Counter,
    failed: Counter,
}

impl ImportRows {
    fn new(metrics: &Metrics) -> Self {
        let counter = |outcome| metrics.counter(&IMPORT_ROWS, &[outcome]);
        Self {
            created: counter("created"),
            updated: counter("updated"),
            unchanged: counter("unchanged"),
            failed: counter("failed"),
        }
    }

    /// Counts the rows of a response.
    pub(super) fn count(&self, response: &v1::BatchUpsertContactsResponse) {
        let count = |rows: i32| u64::try_from(rows).unwrap_or(0);
        self.created.increment(count(response.created));
        self.updated.increment(count(response.updated));
        self.unchanged.increment(count(response.unchanged));
        self.failed.increment(response.failures.len() as u64);
    }
}

impl Api {
    pub(super) fn new(
        store: Store,
        webhook_secrets: WebhookSecrets,
        (background, drain): (SideRuntime, CancellationToken),
        config: &Config,
        metrics: &Metrics,
    ) -> Self {
        let limits = &config.limits;
        let mirror = MirrorLimits {
            bytes: bytes(limits.mirror_memory),
            after_checks: limits.mirror_after_checks,
        };
        let timeout = config.timeouts.check_timeout;
        let checker = Checker::new(store.clone(), timeout, mirror).measured(metrics);
        Self {
            store,
            checker,
            in_flight: InFlight::default(),
            webhook_secrets: Arc::new(webhook_secrets),
            background,
            drain,
            places: WorkspacePlaces::new(config.limits.max_workspace_bulk),
            import_rows: ImportRows::new(metrics),
        }
    }

    /// Handles a change: decodes its request into an operation, runs that once
    /// per request_id, and encodes the outcome.
    pub(super) async fn change<M, O, R>(
        &self,
        request: Request<M>,
        decode: impl FnOnce(M) -> Result<O>,
        encode: impl Fn(O::Output) -> R + Send + Sync + 'static,
    ) -> Result<Response<M::Response>, Status>
    where
        M: Mutation + Targeted,
        O: Operation,
        O::Output: Sync,
        R: Into<MutationResponse<M>>,
    {
        let request = access::message(request)?;
        let key = IdempotencyKey::of(&request)?;
        Ok(Response::new(self.run(key, decode(request)?, encode).await?))
    }

    /// Runs a decoded change. For handlers whose response depends on more than
    /// the operation's outcome; the others use [`change`](Self::change).
    pub(super) async fn run<M, O, R>(
        &self,
        key: IdempotencyKey<M>,
        operation: O,
        encode: impl Fn(O::Output) -> R + Send + Sync + 'static,
    ) -> Result<M::Response>
    where
        M: Mutation,
        O: Operation,
        O::Output: Sync,
        R: Into<MutationResponse<M>>,
    {
        // Boxed: a change is large, and tonic moves the futures of its handlers.
        self.in_flight.run(&self.store, key, operation, encode).boxed().await
    }
}

/// The error that ends a stream when the server stops.
pub(super) fn shutting_down() -> Error {
    Error::new(Reason::ShuttingDown, "the server is stopping; go on with another connection")
}
