//! HTTP/2: the accept loop, and the settings of connections.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};

use super::connection::{Connection, accept};
use super::write_stall;

/// Concurrent calls on one connection. hyper's default is 200.
const MAX_STREAMS: u32 = 1000;
/// Bytes that a client may send before they are read, large enough that uploads
/// wait only for the database. Downloads depend on the client's windows.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// A client that does not respond to pings is gone, even if TCP has not noticed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves until `drain`, then waits for the calls under way. There is no limit to
/// that: the caller drops the future to abort what is left.
pub(super) async fn serve<S, B>(
    service: S,
    listener: TcpListener,
    idle_timeout: Duration,
    drain: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<B>, Future: Send, Error: Send>
        + Clone
        + Send
        + 'static,
    S::Error: Into<tonic::codegen::StdError>,
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    // Aborts the connections that are left when this future is dropped.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = accept(&listener) => stream,
            Some(_) = connections.join_next() => continue,
            () = drain.cancelled() => break,
        };
        let connection = Connection::new(stream, idle_timeout);
        let progress = connection.write_progress();
        let service = ServiceBuilder::new()
            .map_request(|request: Request<Incoming>| request.map(Body::new))
            .map_response(move |response: Response<B>| {
                response.map(|body| write_stall::report(body, progress.clone()))
            })
            .service(service.clone());
        let io = TokioIo::new(connection);
        let serving = settings().serve_connection(io, TowerToHyperService::new(service));
        let serving = graceful.watch(serving);
        connections.spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    // Refuses new connections, which would wait in the backlog.
    drop(listener);
    graceful.shutdown().await;
}

fn settings() -> Builder<TokioExecutor> {
    let mut settings = Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    settings
}
