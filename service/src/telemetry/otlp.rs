//! Traces for an OpenTelemetry collector: a span for each call, which continues the trace of its caller. A
//! span has what the access log has, and no log lines.

use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::Empty;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::access::Ended;
use super::call::Call;

const NAME: &str = "contacts-service";
/// How long the end of the program waits for the collector.
const FLUSH: Duration = Duration::from_secs(2);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Begins to send spans to a collector. Once per process, within a tokio runtime.
pub(super) fn layer<S>(endpoint: &str) -> Result<impl Layer<S>, String>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
    let exporter = exporter.map_err(|error| format!("cannot send traces: {error}"))?;
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(NAME);
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(NAME))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        // Of this service, without the lines of its log.
        .with_filter(filter_fn(|data| {
            data.is_span() && data.target().starts_with("contacts_service")
        }));
    drop(PROVIDER.set(provider));
    Ok(layer)
}

/// The span of a call, a part of its caller's trace, which the header `traceparent` names.
pub(crate) fn span_of(call: &Call, headers: &HeaderMap) -> Span {
    let span = tracing::debug_span!(
        "call",
        otel.name = &*call.method,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.method = &*call.method,
        rpc.code = Empty,
        request.id = call.request_id(),
        workspace.id = Empty,
    );
    if PROVIDER.get().is_some() {
        // Fails if the span is not sampled.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    }
    span
}

/// Adds to the current span how its call ended.
pub(crate) fn end_span(call: &Call, ended: Ended) {
    let span = Span::current();
    span.record("rpc.code", ended.code);
    span.record("workspace.id", call.workspace_id());
    if !ended.is_ok {
        span.record("otel.status_code", "ERROR");
    }
}

/// Sends what is left.
pub(super) async fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // It waits for a thread that needs this runtime.
        let flushed = tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(FLUSH));
        if !matches!(flushed.await, Ok(Ok(()))) {
            tracing::warn!("some traces did not reach their collector");
        }
    }
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
