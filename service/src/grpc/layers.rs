//! What happens around every call.

mod around;
mod deadline;
mod load;
mod panics;
#[cfg(test)]
mod tests;
mod trace;
mod write_stall;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};

use self::around::Around;
use self::deadline::Deadlines;
use super::methods::Methods;
use crate::config::Timeouts;

/// The services with everything around them, outermost first.
pub fn around<S>(
    services: S,
    methods: Arc<Methods>,
    max_concurrent_requests: usize,
    timeouts: Timeouts,
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
    let timed = Arc::clone(&methods);
    let deadlines = Deadlines::from(timeouts);
    ServiceBuilder::new()
        // Outermost, since it measures what the connection takes.
        .layer_fn(|inner| Around::new(inner, write_stall::pace))
        // Around all that answers, so that refusals are seen, and so that what
        // is logged below carries the call's name.
        .layer_fn(move |inner| {
            let methods = Arc::clone(&methods);
            Around::new(inner, move |request, next| {
                trace::trace(Arc::clone(&methods), request, next)
            })
        })
        // Around the deadline: a call that ran out of time gives back its place
        // when the connection has taken the answer.
        .layer_fn(move |inner| {
            let permits = Arc::clone(&permits);
            Around::new(inner, move |request, next| {
                load::limit(Arc::clone(&permits), request, next)
            })
        })
        .layer_fn(move |inner| {
            let methods = Arc::clone(&timed);
            Around::new(inner, move |request, next| {
                deadline::enforce(Arc::clone(&methods), deadlines, request, next)
            })
        })
        // Innermost: an answer like any other for those above.
        .layer_fn(|inner| Around::new(inner, panics::catch))
        .service(services)
}

/// Health and reflection answer also when the server is full.
fn is_infrastructure(path: &str) -> bool {
    path.starts_with("/grpc.")
}

/// The trailers that end a call with this status.
fn trailers(status: &Status) -> http_body::Frame<Bytes> {
    let mut trailers = http::HeaderMap::new();
    // Adding fails for bytes that no header can have; the code is there then.
    drop(status.add_header(&mut trailers));
    http_body::Frame::trailers(trailers)
}
