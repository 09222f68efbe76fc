//! The layers around services that misbehave.

mod places;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic_types::StatusExt;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::config::{AccessLogMode, AuditTarget, Config};
use crate::domain::Time;
use crate::grpc::body::trailers;
use crate::store::Clock;
use crate::telemetry::access::AccessLog;
use crate::telemetry::audit::AuditLog;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::request_id::RequestIds;

const UNARY: &str = "/whatatalk.contacts.v1.OptInService/CheckOptIn";
const STREAM: &str = "/whatatalk.contacts.v1.ContactService/StreamContacts";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// One byte every second, for ever.
fn ticking() -> Body {
    let ticks = stream::unfold((), |()| async {
        sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Status>(Frame::data(Bytes::from_static(b"x"))), ()))
    });
    Body::new(StreamBody::new(ticks))
}

fn request(path: &str, timeout: Option<&str>) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    request.body(Body::empty()).expect("a request")
}

/// Settings with this many places for each class of calls.
fn limited(places: usize) -> Config {
    let mut config = Config::for_tests("unused.db");
    config.limits.max_concurrent_requests = places;
    config.limits.max_concurrent_bulk = places;
    config
}

fn layered<R: Future<Output = Response<Body>> + Send + 'static>(
    handler: impl Fn() -> R + Clone + Send + 'static,
    config: Config,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Status> + Send + 'static>,
    Error = Infallible,
> + Clone {
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    let handler = service_fn(move |_| {
        let response = handler();
        async { Ok(response.await) }
    });
    stack(handler, methods, config, (None, telemetry(Arc::default())), SideRuntime::default())
}

/// Reads a response to its end: the status, and the number of bytes before it.
async fn read(
    response: Response<impl http_body::Body<Data = Bytes, Error = Status>>,
) -> (Status, usize) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("no error but in the trailers");
    let status = Status::from_header_map(body.trailers().unwrap_or(&head.headers));
    (status.expect("a status"), body.to_bytes().len())
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().expect("an ErrorInfo").reason.clone()
}

#[tokio::test(start_paused = true)]
async fn unary_calls_end_at_their_deadline() {
    for (timeout, seconds) in [(None, 30), (Some("2S"), 2), (Some("3H"), 600)] {
        let service = layered(pending, limited(1));
        let began = Instant::now();
        let response = service.oneshot(request(UNARY, timeout)).await.expect("infallible");
        let (status, _) = read(response).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
        assert_eq!(began.elapsed().as_secs(), seconds, "{timeout:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_have_no_deadline_but_their_callers() {
    let service = layered(|| async { Response::new(ticking()) }, limited(1));
    let response = service.clone().oneshot(request(STREAM, Some("5500m"))).await;
    let (status, bytes) = read(response.expect("infallible")).await;
    assert_eq!((status.code(), bytes), (Code::DeadlineExceeded, 5));

    let response = service.oneshot(request(STREAM, None)).await.expect("infallible");
    let hour = Duration::from_secs(3600);
    assert!(timeout(hour, read(response)).await.is_err(), "a stream has no default deadline");
}

#[tokio::test(start_paused = true)]
async fn a_call_past_its_deadline_does_not_reach_the_handler() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let handler = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        async { Response::new(Body::empty()) }
    };
    let response = layered(handler, limited(1)).oneshot(request(UNARY, Some("0n"))).await;
    assert_eq!(read(response.expect("infallible")).await.0.code(), Code::DeadlineExceeded);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let before: fn() -> futures::future::Ready<Response<Body>> = || panic!("in the handler");
    let after = || async {
        let frames = stream::poll_fn(|_| -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            panic!("in the body")
        });
        Response::new(Body::new(StreamBody::new(frames)))
    };
    let mut responses = Vec::new();
    let response =
        layered(before, limited(1)).oneshot(request(UNARY, None)).await.expect("infallible");
    responses.push(read(response).await);
    let response =
        layered(after, limited(1)).oneshot(request(STREAM, None)).await.expect("infallible");
    responses.push(read(response).await);
    for (status, _) in responses {
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(reason(&status), "INTERNAL");
        assert!(!status.message().contains("in the"), "{status:?}");
    }
}

fn telemetry(metrics: Arc<Metrics>) -> Telemetry {
    Telemetry {
        ids: RequestIds::new([7; 16]),
        access: AccessLog::new(AccessLogMode::All, &metrics),
        audit: Arc::new(AuditLog::open(&AuditTarget::Off, &metrics).expect("no log")),
        clock: Clock::of(Time::default),
        metrics,
    }
}

#[tokio::test]
async fn every_response_has_the_id_of_its_request() {
    let service = layered(|| async { Response::new(Body::empty()) }, limited(1));
    let id = async |path: &str, sent: Option<&str>| {
        let mut request = request(path, None);
        if let Some(sent) = sent {
            request.headers_mut().insert("x-request-id", sent.parse().expect("a header"));
        }
        let response = service.clone().oneshot(request).await.expect("infallible");
        response.headers()["x-request-id"].to_str().expect("text").to_owned()
    };
    for path in [UNARY, STREAM, HEALTH, "/no/such/method"] {
        assert_eq!(id(path, Some("order-42")).await, "order-42");
        let (first, second) = (id(path, None).await, id(path, Some("with a space")).await);
        assert!(first.len() == 32 && second.len() == 32 && first != second, "{first} {second}");
    }
    // Refused before it is handled.
    let mut late = request(UNARY, Some("0n"));
    late.headers_mut().insert("x-request-id", "7".parse().expect("a header"));
    let response = service.oneshot(late).await.expect("infallible");
    assert_eq!(response.headers()["x-request-id"], "7");
}

#[tokio::test]
async fn calls_are_measured_by_method_and_code() {
    let metrics = Arc::new(Metrics::recorded());
    let handler = service_fn(|_| async { Ok(Status::not_found("no such thing").into_http()) });
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    let mut config = Config::for_tests("unused.db");
    config.limits.max_concurrent_bulk = 1;
    let service = stack(
        handler,
        methods,
        config,
        (None, telemetry(Arc::clone(&metrics))),
        SideRuntime::default(),
    );
    let call = async |path: &str| {
        let response = service.clone().oneshot(request(path, None)).await.expect("infallible");
        read(response).await.0.code()
    };
    assert_eq!(call(UNARY).await, Code::NotFound);
    assert_eq!(call("/4915112345678/Ana").await, Code::NotFound);
    let held = service.clone().oneshot(request(STREAM, None)).await.expect("infallible");
    assert_eq!(call(STREAM).await, Code::ResourceExhausted);
    let text = metrics.render();
    let check = "whatatalk.contacts.v1.OptInService/CheckOptIn";
    let stream = "whatatalk.contacts.v1.ContactService/StreamContacts";
    for line in [
        &format!("contacts_rpc_duration_seconds_count{{method=\"{check}\",code=\"NOT_FOUND\"}} 1"),
        &format!("contacts_rpcs_under_way{{method=\"{stream}\"}} 1"),
        &format!("contacts_rpcs_under_way{{method=\"{check}\"}} 0"),
        "contacts_rpc_duration_seconds_count{method=\"unknown\",code=\"NOT_FOUND\"} 1",
        "contacts_places{class=\"bulk\"} 1",
        "contacts_places_taken{class=\"bulk\"} 1",
        "contacts_places_refused_total{class=\"bulk\"} 1",
        "contacts_places_taken{class=\"check\"} 0",
    ] {
        assert!(text.lines().any(|rendered| rendered == line), "{line}: {text}");
    }
    assert!(!text.contains("Ana") && !text.contains("4915112345678"), "{text}");
    drop(held);
}

/// On the runtime of streams too: Python's client takes a frame after the headers for a broken stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_ends_with_its_headers() {
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    let handler = service_fn(|_| async { Ok(Status::not_found("nobody").into_http()) });
    let config = Config::for_tests("unused.db");
    let background = SideRuntime::background().expect("threads");
    let service = stack(handler, methods, config, (None, telemetry(Arc::default())), background);
    let response = service.oneshot(request(STREAM, None)).await.expect("infallible");
    assert!(http_body::Body::is_end_stream(response.body()));
    let (status, bytes) = read(response).await;
    assert_eq!((status.code(), bytes), (Code::NotFound, 0));
}

/// Frames that are made on another runtime arrive in order, and with the status behind them.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_the_background_runtime_is_whole() {
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    let handler = service_fn(|_| async {
        let frames = stream::iter(0..100_u8).then(async |n| {
            if n < 99 {
                tokio::task::yield_now().await;
            }
            match n {
                99 => Ok(trailers(&Status::aborted("the end"))),
                n => Ok::<_, Status>(Frame::data(Bytes::from(vec![n; 10]))),
            }
        });
        Ok(Response::new(Body::new(StreamBody::new(frames.boxed()))))
    });
    let config = Config::for_tests("unused.db");
    let background = SideRuntime::background().expect("threads");
    let callers = (None, telemetry(Arc::default()));
    // Its threads end with its last clone, and a connection, which this test lacks, has one.
    let service = stack(handler, methods, config, callers, background.clone());
    let response = service.oneshot(request(STREAM, None)).await.expect("infallible");
    let mut body = Box::pin(response.into_body());
    let mut received = Vec::new();
    while received.len() < 990 {
        let frame = body.frame().await.expect("a frame").expect("no error");
        received.extend_from_slice(&frame.into_data().expect("data"));
    }
    assert_eq!(received, (0..99).flat_map(|n| [n; 10]).collect::<Vec<u8>>());
    // The status is there with the last message: the client may leave then.
    let last = body.frame().now_or_never().expect("at once").expect("a frame").expect("no error");
    let status = Status::from_header_map(last.trailers_ref().expect("trailers"));
    assert_eq!(status.expect("a status").code(), Code::Aborted);
}
