//! The layers around services that misbehave.

use std::future::pending;
use std::net::Ipv4Addr;
use std::pin::Pin;
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
use crate::telemetry::call;
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

fn layered<R: Future<Output = Response<Body>> + Send + 'static>(
    handler: impl Fn() -> R + Clone + Send + 'static,
    places: usize,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Status> + Send + 'static>,
    Error = Infallible,
> + Clone {
    let mut config = Config::for_tests("unused.db");
    config.limits.max_concurrent_requests = places;
    config.limits.max_concurrent_bulk = places;
    layered_by(handler, config)
}

fn layered_by<R: Future<Output = Response<Body>> + Send + 'static>(
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
        let service = layered(pending, 1);
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
    let service = layered(|| async { Response::new(ticking()) }, 1);
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
    let response = layered(handler, 1).oneshot(request(UNARY, Some("0n"))).await;
    assert_eq!(read(response.expect("infallible")).await.0.code(), Code::DeadlineExceeded);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

/// Whether a call was refused for lack of a place, with the advice to retry.
async fn is_refused(
    response: Response<impl http_body::Body<Data = Bytes, Error = Status>>,
) -> bool {
    if !response.headers().contains_key(Status::GRPC_STATUS) {
        return false;
    }
    let (status, _) = read(response).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "OVERLOADED");
    assert!(status.get_error_details().retry_info().is_some());
    true
}

/// Begins a call. None if it is refused.
async fn begin<R, B>(call: R) -> Option<Pin<Box<R>>>
where
    R: Future<Output = Response<B>>,
    B: http_body::Body<Data = Bytes, Error = Status>,
{
    let mut call = Box::pin(call);
    if let Some(response) = call.as_mut().now_or_never() {
        assert!(is_refused(response).await, "it has ended");
        return None;
    }
    Some(call)
}

#[tokio::test(start_paused = true)]
async fn a_stream_holds_its_place_until_it_was_taken() {
    let service = layered(|| async { Response::new(ticking()) }, 1);
    let call = async |path| service.clone().oneshot(request(path, None)).await.expect("infallible");
    let first = call(STREAM).await;
    assert!(is_refused(call(STREAM).await).await);
    drop(first);
    assert!(!is_refused(call(STREAM).await).await, "the place was not given back");
}

#[tokio::test(start_paused = true)]
async fn no_class_of_calls_takes_the_places_of_another() {
    let paths = [
        STREAM,
        UNARY,
        "/whatatalk.contacts.v1.OptInService/RecordOptOut",
        "/whatatalk.contacts.v1.ContactService/GetContact",
    ];
    let service = layered(pending, 1);
    let call =
        |path| service.clone().oneshot(request(path, None)).map(|done| done.expect("infallible"));
    let mut open = Vec::new();
    for path in paths {
        open.push(begin(call(path)).await.expect(path));
        assert!(begin(call(path)).await.is_none(), "{path}");
    }
    assert!(begin(call(HEALTH)).await.is_some(), "health is refused");

    // Watches and reflection are limited too, and leave health checks alone.
    let mut watches = Vec::new();
    while let Some(watch) = begin(call("/grpc.health.v1.Health/Watch")).await {
        watches.push(watch);
        assert!(watches.len() < 1000, "watches are not limited");
    }
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert!(begin(call(reflection)).await.is_none());
    assert!(begin(call(HEALTH)).await.is_some(), "health is refused");
}

/// A whole response of this size.
fn whole(bytes: usize) -> Response<Body> {
    let frames = [Frame::data(vec![0; bytes].into()), trailers(&Status::ok(""))];
    Response::new(Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Status>)))))
}

#[tokio::test]
async fn a_response_waits_for_its_client_without_a_place() {
    let service = layered(|| async { whole(100) }, 1);
    for path in [UNARY, HEALTH, "/whatatalk.contacts.v1.OptInService/RecordOptOut"] {
        let mut waiting = Vec::new();
        for _ in 0..300 {
            let response = service.clone().oneshot(request(path, None)).await.expect("infallible");
            assert!(!response.headers().contains_key(Status::GRPC_STATUS), "{path}");
            waiting.push(response);
        }
        for response in waiting {
            let (status, bytes) = read(response).await;
            assert_eq!((status.code(), bytes), (Code::Ok, 100));
        }
    }
}

#[tokio::test]
async fn what_outlives_its_caller_keeps_the_place() {
    let (end, ended) = tokio::sync::watch::channel(false);
    let handler = move || {
        let mut ended = ended.clone();
        tokio::spawn(call::outliving(
            async move { ended.wait_for(|ended| *ended).await.map(drop) },
        ));
        pending()
    };
    let service = layered(handler, 1);
    let call =
        || service.clone().oneshot(request(UNARY, None)).map(|done| done.expect("infallible"));
    let first = begin(call()).await.expect("a place");
    drop(first);
    assert!(begin(call()).await.is_none(), "what the first began goes on");
    end.send_replace(true);
    tokio::task::yield_now().await;
    assert!(begin(call()).await.is_some(), "the place was not given back");
}

#[tokio::test]
async fn responses_that_wait_for_their_clients_have_a_budget_of_memory() {
    let mut config = Config::for_tests("unused.db");
    config.limits.max_request_memory = bytesize::ByteSize::mib(1);
    config.limits.max_concurrent_requests = 2;
    let service = layered_by(|| async { whole(300 << 10) }, config);
    let client = client(7);
    let call = async |path| {
        let mut request = request(path, None);
        request.extensions_mut().insert(Arc::clone(&client));
        service.clone().oneshot(request).await.expect("infallible")
    };
    let (read_one, change) = (
        "/whatatalk.contacts.v1.ContactService/GetContact",
        "/whatatalk.contacts.v1.ContactService/CreateContact",
    );
    let waiting = [call(read_one).await, call(read_one).await];
    assert!(waiting.iter().all(|one| !one.headers().contains_key(Status::GRPC_STATUS)));
    assert!(is_refused(call(read_one).await).await, "there is no memory");
    // What a change did is told, and its place is not given back before.
    let changed = call(change).await;
    assert!(!changed.headers().contains_key(Status::GRPC_STATUS));
    assert!(is_refused(call(change).await).await, "one that waits has the place");
    drop(changed);
    for response in waiting {
        assert_eq!(read(response).await.1, 300 << 10);
    }
    let again = read(call(read_one).await).await;
    assert_eq!((again.0.code(), again.1), (Code::Ok, 300 << 10));
}

/// A request of a connection, of which no more arrives than its headers.
fn unfinished(path: &str, client: &Arc<Client>) -> Request<Body> {
    let mut request = request(path, None);
    *request.body_mut() =
        Body::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>()));
    request.extensions_mut().insert(Arc::clone(client));
    request
}

fn client(port: u16) -> Arc<Client> {
    Arc::new(Client::new((Ipv4Addr::LOCALHOST, port).into()))
}

#[tokio::test(start_paused = true)]
async fn calls_that_have_not_arrived_give_way() {
    // Health checks have more places.
    for (path, places) in
        [(UNARY, 4), ("/whatatalk.contacts.v1.OptInService/RecordOptOut", 4), (HEALTH, 256)]
    {
        let service = layered(pending, 4);
        let call = |request| service.clone().oneshot(request).map(|done| done.expect("infallible"));
        let (one, another) = (client(7), client(8));
        let mut open: Vec<_> = (0..600)
            .map(|n| Box::pin(call(unfinished(path, if n == 1 { &one } else { &another }))))
            .collect();
        for call in &mut open {
            assert!(call.now_or_never().is_none(), "{path}");
        }
        let mut gave_way = Vec::new();
        for (n, call) in open.iter_mut().enumerate() {
            if let Some(response) = call.now_or_never() {
                assert!(is_refused(response).await, "{path}");
                gave_way.push(n);
            }
        }
        // The oldest of the connection that has half of the places.
        let expected: Vec<_> = (0..600 - places / 2).filter(|n| *n != 1).collect();
        assert_eq!(gave_way, expected, "{path}");
        // Those that arrive take the places of the others, and keep them.
        let mut arrived = Vec::new();
        for _ in 0..places {
            arrived.push(begin(call(request(path, None))).await.expect(path));
        }
        assert!(begin(call(request(path, None))).await.is_none(), "{path}");
        assert!(begin(call(unfinished(path, &client(9)))).await.is_none(), "{path}");
        drop(arrived);
        drop(open);
        // No place was lost, and none was made.
        let mut again = Vec::new();
        for _ in 0..places {
            again.push(begin(call(request(path, None))).await.expect(path));
        }
        assert!(begin(call(request(path, None))).await.is_none(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_leaves_places_to_others() {
    let service = layered(pending, 60);
    let call = |client: &Arc<Client>| {
        let mut request = request(UNARY, None);
        request.extensions_mut().insert(Arc::clone(client));
        begin(service.clone().oneshot(request).map(|done| done.expect("infallible")))
    };
    let clients: Vec<_> = (0..5).map(client).collect();
    let mut open: Vec<Vec<_>> = Vec::new();
    for client in &clients {
        let mut held = Vec::new();
        while let Some(one) = call(client).await {
            held.push(one);
        }
        open.push(held);
    }
    // Each has half of what those before it left.
    assert_eq!(open.iter().map(Vec::len).collect::<Vec<_>>(), [30, 15, 8, 4, 2]);
    assert!(call(&client(9)).await.is_some(), "one is left");
    // What is given back is the next one's.
    open[0].truncate(10);
    assert!(call(&clients[4]).await.is_some());
    assert!(call(&clients[0]).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_way_until_its_first_message() {
    const CHECKS: &str = "/whatatalk.contacts.v1.OptInService/CheckOptInStream";
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    // As long as the client sends, and nothing.
    let handler = service_fn(|request: Request<Body>| async {
        let silent = request.into_body().into_data_stream();
        let silent = silent.filter_map(|_| async { None::<Result<Frame<Bytes>, Status>> });
        Ok(Response::new(Body::new(StreamBody::new(silent))))
    });
    let mut config = Config::for_tests("unused.db");
    config.limits.max_concurrent_bulk = 1;
    let callers = (None, telemetry(Arc::default()));
    let service = stack(handler, methods, config, callers, SideRuntime::default());
    let first = service.clone().oneshot(unfinished(CHECKS, &client(7))).await.expect("infallible");
    let mut first = Box::pin(read(first));
    let moment = Duration::from_secs(1);
    assert!(timeout(moment, first.as_mut()).await.is_err());

    let parts = [Frame::data(Bytes::from_static(&[0; 5]))].map(Ok::<_, Status>);
    let mut begun = unfinished(CHECKS, &client(7));
    *begun.body_mut() = Body::new(StreamBody::new(stream::iter(parts).chain(stream::pending())));
    let second = service.clone().oneshot(begun).await.expect("infallible");
    assert_eq!(reason(&first.await.0), "OVERLOADED");
    let mut second = Box::pin(read(second));
    assert!(timeout(moment, second.as_mut()).await.is_err());
    let third = service.oneshot(unfinished(CHECKS, &client(8))).await.expect("infallible");
    assert!(is_refused(third).await);
    assert!(timeout(moment, second.as_mut()).await.is_err(), "it has begun");
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
    let response = layered(before, 1).oneshot(request(UNARY, None)).await.expect("infallible");
    responses.push(read(response).await);
    let response = layered(after, 1).oneshot(request(STREAM, None)).await.expect("infallible");
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
    let service = layered(|| async { Response::new(Body::empty()) }, 1);
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
