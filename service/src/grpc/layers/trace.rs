//! A span around each call, and an event at its end with method, code and
//! duration. Nothing of the request or the response is logged.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tracing::{Instrument, Span};

use super::from_fn::Next;
use crate::grpc::body::{BodyHook, HookedBody, PolledFrame};
use crate::grpc::methods::Methods;

/// Traces a call from its headers to the end of its response.
pub(super) async fn trace<S, B>(
    methods: Arc<Methods>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, Call>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    // An unknown path can be anything, personal data included.
    let path = methods.find(request.uri().path()).map_or("unknown", |(path, _)| path);
    let span = tracing::info_span!("call", rpc.method = path);
    let mut call = Call { span: span.clone(), began: Instant::now(), code: None };
    let response = next.run(request).instrument(span).await;
    call.code = code(response.headers());
    response.map(|body| HookedBody::new(body, call))
}

/// A call under way. It is logged when it is dropped.
pub(super) struct Call {
    span: Span,
    began: Instant,
    /// None if the client went away before there was a status.
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

impl BodyHook for Call {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: http_body::Body<Data = Bytes, Error = Status>,
    {
        let _entered = self.span.enter();
        let frame = body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.code = code(trailers);
        }
        frame
    }
}
