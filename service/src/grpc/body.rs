//! Response bodies with a hook around each frame.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tonic::Status;

/// What polling a response body returns.
pub(super) type PolledFrame = Poll<Option<Result<Frame<Bytes>, Status>>>;

/// What happens when a frame of a response body is asked for. The hook is dropped
/// with the body, that is when the client took the response or went away.
pub(super) trait BodyHook {
    /// Returns the next frame of the response, by default that of `body`. Trailers
    /// end the response: `body` is dropped and not polled again.
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: Body<Data = Bytes, Error = Status>,
    {
        body.poll_frame(cx)
    }

    /// Whether the hook has kept frames of the body back.
    fn has_frames(&self) -> bool {
        false
    }
}

/// No hook.
impl BodyHook for () {}

pin_project! {
    /// A body with a hook around each of its frames.
    pub(super) struct HookedBody<B, H> {
        // None when the response has ended.
        #[pin]
        body: Option<B>,
        // None in a response that never had a body.
        hook: Option<H>,
    }
}

impl<B, H> HookedBody<B, H> {
    pub(super) fn new(body: B, hook: H) -> Self {
        Self { body: Some(body), hook: Some(hook) }
    }
}

/// The body of a response that consists of headers only.
impl<B, H> Default for HookedBody<B, H> {
    fn default() -> Self {
        Self { body: None, hook: None }
    }
}

impl<B, H> Body for HookedBody<B, H>
where
    B: Body<Data = Bytes, Error = Status>,
    H: BodyHook,
{
    type Data = Bytes;
    type Error = Status;

    // No size hint: a hook may end the body before its end.
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let mut this = self.project();
        let (Some(body), Some(hook)) = (this.body.as_mut().as_pin_mut(), this.hook) else {
            return Poll::Ready(None);
        };
        let frame = hook.poll_frame(body, cx);
        let goes_on = match &frame {
            Poll::Pending => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_data(),
            Poll::Ready(Some(Err(_)) | None) => false,
        };
        if !goes_on {
            this.body.set(None);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let has_frames = self.hook.as_ref().is_some_and(BodyHook::has_frames);
        !has_frames && self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}

/// The trailers that end a response with this status.
pub(super) fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    // Fails if the message cannot be a header. The code was added before.
    drop(status.add_header(&mut trailers));
    Frame::trailers(trailers)
}
