//! How many calls there may be at once, over all connections.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::around::Next;
use super::is_infrastructure;
use crate::domain::error::{Error, Reason};

/// Refuses a call when the server is full. A call has its place until its
/// response has been taken, not only until its headers.
pub async fn limit<S, B>(
    permits: Arc<Semaphore>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<PermitBody<B>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let place = match is_infrastructure(request.uri().path()) {
        true => None,
        false => match permits.try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => return Status::from(overloaded()).into_http(),
        },
    };
    next.run(request).await.map(|body| PermitBody { body: Some(body), _place: place })
}

fn overloaded() -> Error {
    Error::new(Reason::Overloaded, "the server has as many calls as it takes; retry later")
}

/// A response body that holds its call's place.
pub struct PermitBody<B> {
    /// None: empty.
    body: Option<B>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<B> Default for PermitBody<B> {
    fn default() -> Self {
        Self { body: None, _place: None }
    }
}

impl<B> http_body::Body for PermitBody<B>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
