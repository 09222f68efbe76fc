//! The endpoint that Prometheus reads metrics from, on an address of its own: `GET /metrics`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use super::Metrics;

/// The media type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Most connections at a time. Further ones are closed at once.
const MAX_CONNECTIONS: usize = 16;
/// Time for the headers of a request, and for all of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of the headers.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// How long histograms keep single values.
const SUM_UP_INTERVAL: Duration = Duration::from_secs(2);
/// The pause after a connection could not be accepted, for example for lack of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(250);

/// Serves forever. Dropping the future aborts the connections.
pub(crate) async fn serve(metrics: Arc<Metrics>, listener: TcpListener) -> Infallible {
    let mut connections = JoinSet::new();
    let mut due = interval(SUM_UP_INTERVAL);
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            _ = due.tick() => metrics.sum_up(),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(timeout(CONNECTION_TIMEOUT, connection(Arc::clone(&metrics), stream)));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error.kind = ?error.kind(), "no connection for metrics could be accepted");
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
        }
    }
}

async fn connection(metrics: Arc<Metrics>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let metrics = Arc::clone(&metrics);
        async move {
            Ok::<_, Infallible>(respond(&metrics, request.method(), request.uri().path()).await)
        }
    });
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        // One request per connection: there is one every some seconds.
        .keep_alive(false);
    // Whoever reads metrics notices a connection that ended early.
    drop(settings.serve_connection(TokioIo::new(stream), service).await);
}

async fn respond(metrics: &Arc<Metrics>, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let (status, text) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let metrics = Arc::clone(metrics);
            match tokio::task::spawn_blocking(move || metrics.render()).await {
                Ok(text) => (StatusCode::OK, text),
                Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            }
        }
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        _ => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(TEXT));
    response
}
