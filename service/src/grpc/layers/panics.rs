//! A panic is an INTERNAL answer to one call, not the end of its connection.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::around::Next;
use super::trailers;
use crate::domain::error::Error;

/// Answers for a call that panics. Where it did is the panic hook's to log.
pub async fn catch<S, B>(request: Request<Body>, next: Next<S>) -> Response<Caught<B>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    // A handler's state is its own; what is shared recovers from poison.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response.map(|body| Caught { body: Some(body) }),
        Err(_) => panicked().into_http(),
    }
}

fn panicked() -> Status {
    Error::internal("the handler of a call panicked").into()
}

/// A response body whose panics are caught: streams do their work in it.
pub struct Caught<B> {
    /// None: ended.
    body: Option<B>,
}

impl<B> Default for Caught<B> {
    fn default() -> Self {
        Self { body: None }
    }
}

impl<B> http_body::Body for Caught<B>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))).unwrap_or_else(|_| {
            self.body = None;
            Poll::Ready(Some(Ok(trailers(&panicked()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
