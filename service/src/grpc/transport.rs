//! HTTP/2: the accept loop, and the settings of connections.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics::{Counter, Gauge};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};

use super::connection::{Connection, accept};
use super::layers::Client;
use super::tls_stream;
use super::write_stall::{self, StreamExecutor};
use crate::config::{Limits, Timeouts};
use crate::telemetry::metrics::{CONNECTIONS, CONNECTIONS_REFUSED, Metrics};
use crate::tls::Tls;

/// Bytes that a client may send before they are read, large enough that uploads
/// wait only for the database. Downloads depend on the client's windows.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// How much the transport takes.
pub(super) struct Capacity<'c> {
    limits: &'c Limits,
    max_connections: usize,
    connections: Gauge,
    refused: Counter,
}

impl<'c> Capacity<'c> {
    pub(super) fn new(limits: &'c Limits, max_connections: usize, metrics: &Metrics) -> Self {
        let connections = metrics.gauge(&CONNECTIONS, &[]);
        let refused = metrics.counter(&CONNECTIONS_REFUSED, &[]);
        Self { limits, max_connections, connections, refused }
    }
}

/// Serves at most `max_connections` at a time until `drain`, then waits for the calls under way. There is no limit to
/// that: the caller drops the future to abort what is left.
pub(super) async fn serve<S, B>(
    service: S,
    (listener, tls): (TcpListener, Option<Tls>),
    capacity: Capacity<'_>,
    timeouts: &Timeouts,
    drain: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<B>, Future: Send, Error: Send>
        + Clone
        + Send
        + 'static,
    S::Error: Into<tonic::codegen::StdError>,
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let Capacity { limits, max_connections, .. } = capacity;
    let graceful = GracefulShutdown::new();
    // Aborts the connections that are left when this future is dropped.
    let mut connections = JoinSet::new();
    let mut is_full = false;
    loop {
        capacity.connections.set(connections.len() as f64);
        let (stream, peer) = tokio::select! {
            // Those that ended first, so that they do not count.
            biased;
            () = drain.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let was_full = std::mem::replace(&mut is_full, connections.len() >= max_connections);
        if is_full {
            capacity.refused.increment(1);
            if !was_full {
                tracing::warn!(connections = max_connections, "further connections are refused");
            }
            // Closed at once: its client tries elsewhere, instead of waiting here.
            continue;
        }
        let connection = Connection::new(tls_stream::wrap(stream, tls.as_ref()), timeouts);
        let client = Arc::new(Client::new(peer));
        let service = ServiceBuilder::new()
            // A call takes kilobytes, and hyper and tokio move it several times.
            .map_future(Box::pin)
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Arc::clone(&client));
                request.map(Body::new)
            })
            .map_response(|response: Response<B>| response.map(write_stall::report))
            .service(service.clone());
        let io = TokioIo::new(connection);
        let serving =
            settings(limits, timeouts).serve_connection(io, TowerToHyperService::new(service));
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

fn settings(limits: &Limits, timeouts: &Timeouts) -> Builder<StreamExecutor> {
    let mut settings = Builder::new(StreamExecutor { idle_timeout: timeouts.idle_timeout });
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_connection_streams)
        // Calls whose deadline passed before they were accepted: as many as may be under way are
        // no attack. By default, 20 of them end the connection with all its calls.
        .max_pending_accept_reset_streams(limits.max_connection_streams as usize)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        // A client that does not respond to pings is gone, even if TCP has not noticed.
        .keep_alive_interval(timeouts.keepalive_interval)
        .keep_alive_timeout(timeouts.keepalive_timeout);
    settings
}
