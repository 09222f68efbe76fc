//! How many calls the server takes at a time, over all connections.
//!
//! Each class of calls has places of its own, so that whatever fills one, the
//! others go on: neither streams nor batches keep checks and opt-outs out. What one
//! workspace may take of the places of bulk calls is limited where the workspace is
//! known, see [`WorkspacePlaces`](crate::grpc::workspace_places::WorkspacePlaces).

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use metrics::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::from_fn::Next;
use crate::config::Limits;
use crate::domain::error::{Error, Reason};
use crate::grpc::body::{BodyHook, HookedBody};
use crate::grpc::methods::{Class, Methods};
use crate::telemetry::metrics::{Metrics, PLACES, PLACES_REFUSED, PLACES_TAKEN};

/// Places for health checks. They respond at once, so these are enough for many.
const HEALTH_CHECKS: usize = 256;
/// Places for watches of the health service, and for reflection.
const INFRASTRUCTURE: usize = 128;

/// The places of all classes.
pub(super) struct Admission {
    methods: Arc<Methods>,
    health: Places,
    infrastructure: Places,
    checks: Places,
    opt_outs: Places,
    unary: Places,
    bulk: Places,
}

/// The places of a class.
struct Places {
    free: Arc<Semaphore>,
    refused: Counter,
}

impl Places {
    fn new(class: Class, count: usize, metrics: &Metrics) -> Self {
        let class = [class.name()];
        let free = Arc::new(Semaphore::new(count));
        metrics.gauge(&PLACES, &class).set(count as f64);
        let taken = metrics.gauge(&PLACES_TAKEN, &class);
        let sampled = Arc::clone(&free);
        metrics.sample(move || taken.set((count - sampled.available_permits().min(count)) as f64));
        Self { free, refused: metrics.counter(&PLACES_REFUSED, &class) }
    }
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

    /// Takes a place for a call, without waiting. Unknown methods, which are refused
    /// inside, count as unary.
    fn enter(&self, path: &str) -> Result<Place, Error> {
        let class = self.methods.find(path).map_or(Class::Unary, |(_, method)| method.class);
        let places = match class {
            Class::Health => &self.health,
            Class::Infrastructure => &self.infrastructure,
            Class::Check => &self.checks,
            Class::OptOut => &self.opt_outs,
            Class::Unary => &self.unary,
            Class::Bulk => &self.bulk,
        };
        Arc::clone(&places.free).try_acquire_owned().map(Place).map_err(|_| {
            places.refused.increment(1);
            overloaded()
        })
    }
}

/// Refuses a call when the places of its class are taken. A call holds its place
/// until the client took its response, not only its headers.
pub(super) async fn limit<S, B>(
    admission: Arc<Admission>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, Place>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let place = match admission.enter(request.uri().path()) {
        Ok(place) => place,
        Err(error) => return Status::from(error).into_http(),
    };
    next.run(request).await.map(|body| HookedBody::new(body, place))
}

fn overloaded() -> Error {
    let message = "the server has as many calls of this kind as it takes; retry later";
    Error::new(Reason::Overloaded, message)
}

/// The place of a call, given back when its response is dropped.
pub(super) struct Place(#[expect(dead_code, reason = "held to be dropped")] OwnedSemaphorePermit);

impl BodyHook for Place {}
