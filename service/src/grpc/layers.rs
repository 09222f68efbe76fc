//! The middleware of every call.

mod deadline;
mod from_fn;
mod load;
mod panics;
#[cfg(test)]
mod tests;
mod trace;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use self::from_fn::from_fn_with_state;
use super::methods::Methods;

/// The services with all layers, outermost first. Outside of them is only the
/// detection of stalled writes, which belongs to a connection
/// (`transport.rs`).
pub(super) fn stack<S>(
    services: S,
    methods: Arc<Methods>,
    max_concurrent_requests: usize,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Status> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let permits = Arc::new(Semaphore::new(max_concurrent_requests));
    ServiceBuilder::new()
        // Outside of all that may respond, so that refusals are traced, and so
        // that events below are in the call's span.
        .layer(from_fn_with_state(Arc::clone(&methods), trace::trace))
        // Outside of the deadline, so that a call that ran out of time holds its
        // permit until the client took the response.
        .layer(from_fn_with_state(permits, load::limit))
        .layer(from_fn_with_state(methods, deadline::enforce))
        // Innermost, so that the others see a response like any other. First the
        // panics of streams, then those of handlers.
        .map_response(panics::catch_in_body)
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(CatchPanicLayer::custom(panics::response))
        .service(services)
}
