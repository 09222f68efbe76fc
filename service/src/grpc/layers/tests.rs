//! The layers around services that misbehave.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body as _, Frame};
use tokio::time::{Instant, sleep};
use tonic::Code;
use tonic_types::StatusExt;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::config::Config;

const UNARY: &str = "/whatatalk.contacts.v1.OptInService/CheckOptIn";
const STREAM: &str = "/whatatalk.contacts.v1.ContactService/StreamContacts";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// A body that is whatever the function answers.
struct Scripted<F>(F);

impl<F> http_body::Body for Scripted<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        (self.0)(cx)
    }
}

/// One byte every second, for ever.
fn ticking() -> Body {
    let mut timer = Box::pin(sleep(Duration::from_secs(1)));
    Body::new(Scripted(move |cx: &mut Context<'_>| {
        timer.as_mut().poll(cx).map(|()| {
            timer.as_mut().reset(Instant::now() + Duration::from_secs(1));
            Some(Ok(Frame::data(Bytes::from_static(b"x"))))
        })
    }))
}

fn request(path: &str, timeout: Option<&str>) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    request.body(Body::empty()).expect("a request")
}

fn layered<A: Future<Output = Response<Body>> + Send + 'static>(
    handler: impl Fn() -> A + Clone + Send + 'static,
    permits: usize,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Status> + Send + 'static>,
    Error = Infallible,
> + Clone {
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    let handler = service_fn(move |_| {
        let answer = handler();
        async { Ok(answer.await) }
    });
    around(handler, methods, permits, Config::for_tests("unused.db").timeouts)
}

/// Reads a response to its end: the status, and how many bytes came before.
async fn read(
    response: Response<impl http_body::Body<Data = Bytes, Error = Status>>,
) -> (Status, usize) {
    let status = Status::from_header_map(response.headers());
    let mut body = Box::pin(response.into_body());
    let mut bytes = 0;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.expect("a frame");
        if let Some(data) = frame.data_ref() {
            bytes += data.len();
        }
        if let Some(trailers) = frame.trailers_ref() {
            return (Status::from_header_map(trailers).expect("a status"), bytes);
        }
    }
    (status.expect("a status"), bytes)
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
async fn streams_have_the_deadline_of_their_caller_only() {
    let service = layered(|| async { Response::new(ticking()) }, 1);
    let response = service.clone().oneshot(request(STREAM, Some("5500m"))).await;
    let (status, bytes) = read(response.expect("infallible")).await;
    assert_eq!((status.code(), bytes), (Code::DeadlineExceeded, 5));

    let response = service.oneshot(request(STREAM, None)).await.expect("infallible");
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, read(response)).await.is_err(), "a deadline of its own");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_time_is_not_begun() {
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

#[tokio::test(start_paused = true)]
async fn a_call_has_its_place_until_its_response_was_taken() {
    let service = layered(|| async { Response::new(ticking()) }, 1);
    let call = |path| service.clone().oneshot(request(path, None));
    let first = call(STREAM).await.expect("infallible");
    let (status, _) = read(call(UNARY).await.expect("infallible")).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "OVERLOADED");
    assert!(status.get_error_details().retry_info().is_some());
    let health = call(HEALTH).await.expect("infallible");
    assert!(!health.headers().contains_key(Status::GRPC_STATUS), "health is refused");
    drop((first, health));
    let again = call(STREAM).await.expect("infallible");
    assert!(!again.headers().contains_key(Status::GRPC_STATUS), "the place is not free");
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let before: fn() -> futures::future::Ready<Response<Body>> = || panic!("in the handler");
    let after = || async {
        Response::new(Body::new(Scripted(|_: &mut Context<'_>| panic!("in the body"))))
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

#[tokio::test]
async fn a_large_part_is_handed_over_in_pieces() {
    let mut parts = vec![Bytes::from(vec![0; 1 << 20])];
    let body = Body::new(Scripted(move |_: &mut Context<'_>| {
        Poll::Ready(parts.pop().map(|part| Ok(Frame::data(part))))
    }));
    let body = std::sync::Mutex::new(Some(body));
    let body = Arc::new(body);
    let handler = move || {
        let body = body.lock().expect("a lock").take().unwrap_or_default();
        async { Response::new(body) }
    };
    let response = layered(handler, 1).oneshot(request(STREAM, None)).await.expect("infallible");
    let mut body = Box::pin(response.into_body());
    let mut sizes = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        sizes.push(frame.expect("a frame").into_data().expect("data").len());
    }
    assert_eq!(sizes, [128 << 10; 8]);
}
