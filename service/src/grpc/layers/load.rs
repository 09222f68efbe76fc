//! The limit of concurrent calls, over all connections.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::from_fn::Next;
use crate::domain::error::{Error, Reason};
use crate::grpc::body::{BodyHook, HookedBody};

/// Refuses a call when the server is full. A call holds its permit until the
/// client took its response, not only its headers.
pub(super) async fn limit<S, B>(
    permits: Arc<Semaphore>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, Permit>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let permit = match is_infrastructure(request.uri().path()) {
        true => None,
        false => match permits.try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => return Status::from(overloaded()).into_http(),
        },
    };
    next.run(request).await.map(|body| HookedBody::new(body, Permit(permit)))
}

/// Health and reflection respond even when the server is full.
fn is_infrastructure(path: &str) -> bool {
    path.starts_with("/grpc.")
}

fn overloaded() -> Error {
    Error::new(Reason::Overloaded, "the server has as many calls as it takes; retry later")
}

/// The permit of a call, released when its response is dropped.
pub(super) struct Permit(
    #[expect(dead_code, reason = "held to be dropped")] Option<OwnedSemaphorePermit>,
);

impl BodyHook for Permit {}
