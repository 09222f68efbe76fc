//! What is told of each call: its id, in the headers of its response; metrics; a line of the access
//! log and one of the audit log at its end; and a span around it at the level DEBUG. Nothing of the
//! request or the response is in any of these, but for the ids of the workspace and the contact.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use metrics::{Gauge, Histogram};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tracing::{Instrument, Span};

use super::admission::Client;
use super::from_fn::Next;
use crate::grpc::body::{BodyHook, HookedBody, PolledFrame};
use crate::grpc::methods::Methods;
use crate::store::Clock;
use crate::telemetry::access::{AccessLog, Ended};
use crate::telemetry::audit::{Action, AuditLog};
use crate::telemetry::call::{self, Call};
use crate::telemetry::metrics::{Metrics, RPC_DURATION, RPCS_UNDER_WAY};
#[cfg(feature = "otlp")]
use crate::telemetry::otlp;
use crate::telemetry::request_id::{REQUEST_ID, RequestIds};

/// The codes by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Where calls are told of.
pub(in crate::grpc) struct Telemetry {
    pub(in crate::grpc) metrics: Arc<Metrics>,
    pub(in crate::grpc) ids: RequestIds,
    pub(in crate::grpc) access: AccessLog,
    pub(in crate::grpc) audit: Arc<AuditLog>,
    pub(in crate::grpc) clock: Clock,
}

/// The calls of a server.
pub(super) struct Calls {
    methods: Arc<Methods>,
    /// Instead of a path that could be anything, personal data included.
    unknown: Arc<str>,
    /// By the index of the method. The last is that of unknown ones.
    measured: Vec<MethodMetrics>,
    telemetry: Telemetry,
}

struct MethodMetrics {
    name: Arc<str>,
    under_way: Gauge,
    /// By code. Most methods end with few of them.
    durations: [OnceLock<Histogram>; CODES.len()],
}

impl Calls {
    pub(super) fn new(methods: Arc<Methods>, telemetry: Telemetry) -> Self {
        let unknown: Arc<str> = "unknown".into();
        let measured = methods.paths().iter().chain([&unknown]).map(|path| {
            let name: Arc<str> = path.trim_start_matches('/').into();
            let under_way = telemetry.metrics.gauge(&RPCS_UNDER_WAY, &[&name]);
            MethodMetrics { name, under_way, durations: Default::default() }
        });
        let measured = measured.collect();
        Self { methods, unknown, measured, telemetry }
    }

    fn end(&self, ending: &Ending) {
        let duration = ending.began.elapsed();
        let code = ending.code.unwrap_or(Code::Cancelled);
        let name = CODES.get(code as usize).copied().unwrap_or("UNKNOWN");
        if let Some(measured) = self.measured.get(ending.index) {
            measured.under_way.decrement(1.0);
            if let Some(histogram) = measured.durations.get(code as usize) {
                let metrics = &self.telemetry.metrics;
                let labels = || [&*measured.name, name];
                let make = || metrics.histogram(&RPC_DURATION, &labels());
                histogram.get_or_init(make).record(duration);
            }
        }
        let ended = Ended { code: name, is_ok: code == Code::Ok, duration };
        self.telemetry.access.record(&ending.call, ended);
        if let Some(action) = ending.action
            && self.telemetry.audit.is_on()
            && ending.call.has_arrived()
        {
            let now = self.telemetry.clock.now();
            self.telemetry.audit.record(now, action, &ending.call, name);
        }
        #[cfg(feature = "otlp")]
        otlp::end_span(&ending.call, ended);
    }
}

/// Tells of a call from its headers to the end of its response.
pub(super) async fn tell<S, B>(
    calls: Arc<Calls>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, CallEnd>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let (path, index, action) = match calls.methods.find(request.uri().path()) {
        Some((path, method)) => (path, method.index, method.action),
        None => (&calls.unknown, calls.measured.len() - 1, None),
    };
    let request_id = calls.telemetry.ids.of(request.headers());
    let peer = request.extensions().get().map(|client: &Arc<Client>| client.peer());
    let call = Arc::new(Call::new(Arc::clone(path), request_id.clone(), peer));
    // At lower levels it would cost a check a tenth of its time.
    #[cfg(not(feature = "otlp"))]
    let span =
        tracing::debug_span!("call", rpc.method = &*call.method, request.id = call.request_id());
    #[cfg(feature = "otlp")]
    let span = otlp::span_of(&call, request.headers());
    calls.measured[index].under_way.increment(1.0);
    let ending =
        Ending { call: Arc::clone(&call), index, action, began: Instant::now(), code: None };
    let mut end = CallEnd { ending, span: span.clone(), calls };
    let mut response = call::scope(call, next.run(request)).instrument(span).await;
    end.ending.code = code(response.headers());
    response.headers_mut().insert(REQUEST_ID, request_id);
    response.map(|body| HookedBody::new(body, end))
}

/// What is known of a call when it ends.
struct Ending {
    call: Arc<Call>,
    index: usize,
    action: Option<Action>,
    began: Instant,
    /// None if the client went away before there was a status.
    code: Option<Code>,
}

/// A call under way. It ends when this is dropped.
pub(super) struct CallEnd {
    ending: Ending,
    span: Span,
    calls: Arc<Calls>,
}

impl Drop for CallEnd {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        self.calls.end(&self.ending);
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

impl BodyHook for CallEnd {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: http_body::Body<Data = Bytes, Error = Status>,
    {
        let _entered = self.span.enter();
        let frame = call::sync_scope(&self.ending.call, || body.poll_frame(cx));
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.ending.code = code(trailers);
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_the_order_of_their_numbers() {
        for (number, name) in CODES.iter().enumerate() {
            let code = Code::from_i32(i32::try_from(number).expect("small"));
            let shown = format!("{code:?}").to_uppercase();
            assert_eq!(shown, name.replace('_', ""));
        }
        assert_eq!(Code::from_i32(CODES.len() as i32), Code::Unknown);
    }
}
