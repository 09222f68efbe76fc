//! How many calls the server takes at a time, over all connections.
//!
//! Each class of calls has places of its own, so that whatever fills one, the
//! others go on: neither streams nor batches keep checks and opt-outs out. What one
//! workspace may take of the places of bulk calls is limited where the workspace is
//! known, see [`WorkspacePlaces`](crate::grpc::workspace_places::WorkspacePlaces).

mod answer;
mod places;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use self::answer::Answer;
pub(super) use self::places::Arrival;
pub(in crate::grpc) use self::places::Client;
use self::places::{Place, Places};
use super::from_fn::Next;
use super::memory::{Memory, Of};
use crate::config::{Limits, bytes};
use crate::domain::error::Result;
use crate::grpc::methods::{Class, Method, Methods};
use crate::telemetry::audit::Action;
use crate::telemetry::call;
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
    /// Of responses that wait for their clients.
    memory: Arc<Memory>,
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
            memory: Arc::new(Memory::new(Of::Responses, bytes(limits.max_request_memory))),
        }
    }

    /// Takes a place for a call. Unknown methods, which are refused inside, count as unary.
    fn enter(&self, method: Option<Method>, client: Option<Arc<Client>>) -> Result<Place> {
        let places = match method.map_or(Class::Unary, |method| method.class) {
            Class::Health => &self.health,
            Class::Infrastructure => &self.infrastructure,
            Class::Check => &self.checks,
            Class::OptOut => &self.opt_outs,
            Class::Unary => &self.unary,
            Class::Bulk => &self.bulk,
        };
        places.enter(client)
    }
}

/// Refuses a call when the places of its class are taken by calls that have arrived, or too many of
/// them by this connection. A call holds its place until whatever works for it has ended, and a stream
/// until its client took it.
pub(super) async fn limit<S, B>(
    admission: Arc<Admission>,
    mut request: Request<Body>,
    next: Next<S>,
) -> Response<Answer<B>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error = Status>,
{
    let method = admission.methods.find(request.uri().path()).map(|(_, method)| method);
    let client: Option<Arc<Client>> = request.extensions().get().cloned();
    let place = match admission.enter(method, client.clone()) {
        Ok(place) => Arc::new(place),
        Err(error) => return Status::from(error).into_http(),
    };
    if let Some(call) = call::current() {
        call.set_place(&place);
    }
    request.extensions_mut().insert(place.arrival());
    let mut handled = pin!(next.run(request));
    let handled = poll_fn(|cx| match handled.as_mut().poll(cx) {
        Poll::Ready(response) => Poll::Ready(Ok(response)),
        Poll::Pending => place.poll_gave_way(cx).map(Err),
    });
    match handled.await {
        Ok(response) if method.is_some_and(|method| method.is_stream) => {
            response.map(|body| Answer::stream(body, place))
        }
        Ok(response) => {
            let is_change = |action| action != Action::Read && action != Action::Export;
            let may_fail = !method.and_then(|method| method.action).is_some_and(is_change);
            Answer::whole(response, place, (&admission.memory, client), may_fail).await
        }
        Err(error) => Status::from(error).into_http(),
    }
}
