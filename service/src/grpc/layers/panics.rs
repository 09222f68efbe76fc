//! A panic is an INTERNAL error of one call, not the end of its connection.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use tonic::Status;
use tonic::body::Body;

use crate::domain::error::Error;
use crate::grpc::body::{BodyHook, HookedBody, PolledFrame, trailers};

/// The response to a call whose handler panicked. The panic hook logged where.
pub(super) fn response(_: Box<dyn Any + Send>) -> Response<Body> {
    panicked().into_http()
}

/// Catches the panics of response bodies, in which streams do their work.
pub(super) fn catch_in_body<B>(response: Response<B>) -> Response<HookedBody<B, CatchPanic>> {
    response.map(|body| HookedBody::new(body, CatchPanic))
}

pub(super) struct CatchPanic;

impl BodyHook for CatchPanic {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: http_body::Body<Data = Bytes, Error = Status>,
    {
        // A body that panicked is not polled again; state that is shared recovers
        // from poisoned locks.
        catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx)))
            .unwrap_or_else(|_| Poll::Ready(Some(Ok(trailers(&panicked())))))
    }
}

fn panicked() -> Status {
    Error::internal("the handler of a call panicked").into()
}
