//! A span around each call, and a line at its end: method, code and duration,
//! nothing of what was sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tracing::{Instrument, Span};

use super::around::Next;
use crate::grpc::methods::Methods;

/// Traces a call from its headers to the end of its response.
pub async fn trace<S, B>(
    methods: Arc<Methods>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<Traced<B>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    // A path that is none of ours is whatever somebody sent.
    let path = methods.find(request.uri().path()).map_or("unknown", |(path, _)| path);
    let span = tracing::info_span!("call", rpc.method = path);
    let mut call = Call { span: span.clone(), began: Instant::now(), code: None };
    let response = next.run(request).instrument(span).await;
    call.code = code(response.headers());
    response.map(|body| Traced { body: Some(body), call: Some(call) })
}

/// A call under way; its end is logged when it is dropped.
struct Call {
    span: Span,
    began: Instant,
    /// None: the client went away before there was one.
    code: Option<Code>,
}

impl Drop for Call {
    fn drop(&mut self) {
        tracing::debug!(
            parent: &self.span,
            rpc.code = ?self.code.unwrap_or(Code::Cancelled),
            rpc.duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "call ended"
        );
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// A response body that is part of a traced call.
pub struct Traced<B> {
    /// None: empty.
    body: Option<B>,
    call: Option<Call>,
}

impl<B> Default for Traced<B> {
    fn default() -> Self {
        Self { body: None, call: None }
    }
}

impl<B> http_body::Body for Traced<B>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, call } = &mut *self;
        let (Some(body), Some(call)) = (body, call) else { return Poll::Ready(None) };
        let _entered = call.span.enter();
        let frame = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            call.code = code(trailers);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
