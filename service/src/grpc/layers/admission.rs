//! How many calls the server takes at a time, over all connections.
//!
//! Each class of calls has places of its own, so that whatever fills one, the
//! others go on: neither streams nor batches keep checks and opt-outs out. What one
//! workspace may take of the places of bulk calls is limited where the workspace is
//! known, see [`WorkspacePlaces`](crate::grpc::workspace_places::WorkspacePlaces).

mod places;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

pub(super) use self::places::Arrival;
pub(in crate::grpc) use self::places::Client;
use self::places::{Place, Places};
use super::from_fn::Next;
use crate::config::Limits;
use crate::domain::error::Result;
use crate::grpc::body::HookedBody;
use crate::grpc::methods::{Class, Methods};
use crate::telemetry::metrics::Metrics;

/// Places for health checks. They respond at once, so these are enough for many.
const HEALTH_CHECKS: usize = 256;
/// Places for watches of the health service, and for reflection.
const INFRASTRUCTURE: usize = 128;

/// The places of all classes.
pub(super) struct Admission {
    methods: Arc<Methods>,
    health: Arc<Places>,
    infrastructure: Arc<Places>,
    checks: Arc<Places>,
    opt_outs: Arc<Places>,
    unary: Arc<Places>,
    bulk: Arc<Places>,
}

impl Admission {
    pub(super) fn new(methods: Arc<Methods>, limits: &Limits, metrics: &Metrics) -> Self {
        let places = |class, count| Places::new(class, count, metrics);
        Self {
            methods,
            health: places(Class::Health, HEALTH_CHECKS),
            infrastructure: places(Class::Infrastructure, INFRASTRUCTURE),
            checks: places(Class::Check, limits.max_concurrent_requests),
            opt_outs: places(Class::OptOut, limits.max_concurrent_requests),
            unary: places(Class::Unary, limits.max_concurrent_requests),
            bulk: places(Class::Bulk, limits.max_concurrent_bulk),
        }
    }

    /// Takes a place for a call. Unknown methods, which are refused inside, count as unary.
    fn enter(&self, request: &Request<Body>) -> Result<Place> {
        let path = request.uri().path();
        let class = self.methods.find(path).map_or(Class::Unary, |(_, method)| method.class);
        let places = match class {
            Class::Health => &self.health,
            Class::Infrastructure => &self.infrastructure,
            Class::Check => &self.checks,
            Class::OptOut => &self.opt_outs,
            Class::Unary => &self.unary,
            Class::Bulk => &self.bulk,
        };
        places.enter(request.extensions().get().cloned())
    }
}

/// Refuses a call when the places of its class are taken by calls that have arrived, or too many of
/// them by this connection. A call holds its place until the client took its response, not only its
/// headers.
pub(super) async fn limit<S, B>(
    admission: Arc<Admission>,
    mut request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, Place>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let place = match admission.enter(&request) {
        Ok(place) => place,
        Err(error) => return Status::from(error).into_http(),
    };
    request.extensions_mut().insert(place.arrival());
    let mut handled = pin!(next.run(request));
    let handled = poll_fn(|cx| match handled.as_mut().poll(cx) {
        Poll::Ready(response) => Poll::Ready(Ok(response)),
        Poll::Pending => place.poll_gave_way(cx).map(Err),
    });
    match handled.await {
        Ok(response) => response.map(|body| HookedBody::new(body, place)),
        Err(error) => Status::from(error).into_http(),
    }
}
