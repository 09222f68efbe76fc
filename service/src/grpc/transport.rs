//! HTTP/2 under the API: the accept loop, and the settings of connections.

use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};

use super::connection::{Connection, accept};
use crate::config::{Limits, Timeouts};

/// How much a client may send ahead: uploads then wait for nothing but the
/// database. Downloads depend on the client's windows.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// Serves until `drain`; then calls under way are waited for. Those of a future
/// that is dropped before are cut.
pub async fn serve<S, B>(
    service: S,
    listener: TcpListener,
    limits: &Limits,
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
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = accept(&listener) => stream,
            Some(_) = connections.join_next() => continue,
            () = drain.cancelled() => break,
        };
        let connection = Connection::new(stream, timeouts);
        let progress = connection.progress();
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(progress.clone());
                request.map(Body::new)
            })
            .service(service.clone());
        let io = TokioIo::new(connection);
        let serving =
            settings(limits, timeouts).serve_connection(io, TowerToHyperService::new(service));
        let drain = drain.clone();
        connections.spawn(async move {
            let mut serving = pin!(serving);
            let ended = tokio::select! {
                ended = &mut serving => ended,
                () = drain.cancelled() => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    // Before waiting: nobody may queue up where nobody accepts.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn settings(limits: &Limits, timeouts: &Timeouts) -> Builder<TokioExecutor> {
    let mut settings = Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_connection_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        // A peer that answers no ping is gone, whatever TCP thinks.
        .keep_alive_interval(timeouts.keepalive_interval)
        .keep_alive_timeout(timeouts.keepalive_timeout);
    settings
}
