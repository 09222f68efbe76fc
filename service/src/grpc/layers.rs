//! The middleware of every call.

mod admission;
mod authenticate;
mod background;
mod calls;
mod deadline;
mod from_fn;
mod memory;
mod messages;
mod panics;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use self::admission::Admission;
pub(super) use self::admission::Client;
use self::calls::Calls;
pub(super) use self::calls::Telemetry;
use self::deadline::Deadlines;
use self::from_fn::from_fn_with_state;
use self::messages::Messages;
use super::methods::Methods;
use crate::authenticator::Authenticator;
use crate::config::Config;
use crate::runtime::SideRuntime;

/// The services with all layers, outermost first. Outside of them is only the
/// detection of stalled writes, which belongs to a connection
/// (`transport.rs`).
pub(super) fn stack<S>(
    services: S,
    methods: Arc<Methods>,
    config: Config,
    (authenticator, telemetry): (Option<Authenticator>, Telemetry),
    background: SideRuntime,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Status> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static,
{
    let admission =
        Arc::new(Admission::new(Arc::clone(&methods), &config.limits, &telemetry.metrics));
    let messages = Arc::new(Messages::new(Arc::clone(&methods), &config, background.clone()));
    let calls = Arc::new(Calls::new(Arc::clone(&methods), telemetry));
    let deadlines = Deadlines::from(&config.timeouts);
    ServiceBuilder::new()
        // Outside of all that may respond, so that refusals are told of, and so that
        // what is logged below is of the call.
        .layer(from_fn_with_state(calls, calls::tell))
        // Outside of the deadline, so that a call that ran out of time holds its
        // place until the client took the response.
        .layer(from_fn_with_state(admission, admission::limit))
        .layer(from_fn_with_state((Arc::clone(&methods), deadlines), deadline::enforce))
        // Inside of both: finding a token waits for the database, at most until the
        // deadline, and those who send made-up ones are limited, too. Outside of what
        // receives messages: nothing is received from an unknown caller.
        .layer(from_fn_with_state(
            (Arc::clone(&methods), authenticator),
            authenticate::authenticate,
        ))
        // Inside of the deadline, which covers the time that a request takes to arrive.
        .layer(from_fn_with_state(messages, messages::receive))
        // Innermost, so that the others see a response like any other. First the
        // panics of streams, then those of handlers.
        .map_response(panics::catch_in_body)
        .layer(from_fn_with_state((methods, background), background::separate))
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(CatchPanicLayer::custom(panics::response))
        .service(services)
}
