//! What the health service reports. `liveness` is that the process answers. The
//! server as a whole and each service are ready while the database answers reads
//! and writes, until the server stops.

use std::time::Duration;

use contacts_proto::v1::attribute_service_server::AttributeServiceServer;
use contacts_proto::v1::contact_service_server::ContactServiceServer;
use contacts_proto::v1::opt_in_service_server::OptInServiceServer;
use contacts_proto::v1::tag_service_server::TagServiceServer;
use contacts_proto::v1::token_service_server::TokenServiceServer;
use contacts_proto::v1::webhook_service_server::WebhookServiceServer;
use contacts_proto::v1::workspace_service_server::WorkspaceServiceServer;
use metrics::Gauge;
use tokio::time::{sleep, timeout};
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::api::Api;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// The names that are ready or not: the server as a whole, and each service.
const READINESS: [&str; 8] = [
    "",
    <WorkspaceServiceServer<Api> as NamedService>::NAME,
    <ContactServiceServer<Api> as NamedService>::NAME,
    <TagServiceServer<Api> as NamedService>::NAME,
    <AttributeServiceServer<Api> as NamedService>::NAME,
    <OptInServiceServer<Api> as NamedService>::NAME,
    <WebhookServiceServer<Api> as NamedService>::NAME,
    <TokenServiceServer<Api> as NamedService>::NAME,
];
/// The name that serves as long as the process answers.
const LIVENESS: &str = "liveness";

/// How often the database is probed, and how long it has to answer.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Probes in a row that have to fail: a single one may have met a restart.
const FAILURES: u32 = 2;

/// The health service as a server starts: its database was just opened.
pub(super) async fn reporter(ready: &Gauge) -> HealthReporter {
    let health = HealthReporter::new();
    health.set_service_status(LIVENESS, ServingStatus::Serving).await;
    set_readiness(&health, ready, true).await;
    health
}

/// Reports until the server drains.
pub(super) async fn report(
    (mut health, ready): (HealthReporter, Gauge),
    store: Store,
    shutdown: Shutdown,
) {
    tokio::select! {
        () = probe(&health, &ready, &store) => {}
        () = shutdown.begun.cancelled() => {}
    }
    set_readiness(&health, &ready, false).await;
    shutdown.drain.cancelled().await;
    for name in READINESS.into_iter().chain([LIVENESS]) {
        // Ends the streams of those who watch, after they got the status.
        health.clear_service_status(name).await;
    }
}

/// Reports forever whether the database answers.
async fn probe(health: &HealthReporter, ready: &Gauge, store: &Store) {
    let mut failures = 0;
    loop {
        sleep(PROBE_INTERVAL).await;
        let was_ready = failures < FAILURES;
        failures = match timeout(PROBE_TIMEOUT, store.probe()).await {
            Ok(Ok(())) => 0,
            Ok(Err(_)) | Err(_) => failures.saturating_add(1),
        };
        let is_ready = failures < FAILURES;
        // Watchers are notified each time it is set.
        if is_ready != was_ready {
            match is_ready {
                true => tracing::info!("ready: the database answers again"),
                false => tracing::warn!("not ready: the database does not answer"),
            }
            set_readiness(health, ready, is_ready).await;
        }
    }
}

async fn set_readiness(health: &HealthReporter, ready: &Gauge, is_ready: bool) {
    ready.set(f64::from(u8::from(is_ready)));
    let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in READINESS {
        health.set_service_status(name, status).await;
    }
}
