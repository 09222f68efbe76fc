//! The response of a call that has a place.
//!
//! One that is whole waits for its client without the place: whoever asks, and takes no answers, keeps
//! nobody else out. It takes memory instead, of which all clients together have so much.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tonic::Status;

use super::places::{Client, Place};
use crate::grpc::body::{HookedBody, PolledFrame, trailers};
use crate::grpc::layers::memory::{Charge, Memory};

/// What a call takes that waits for its client, beside its response.
const OVERHEAD: usize = 4 << 10;
/// A response larger than this is not kept without memory.
const LARGE: usize = 64 << 10;

pin_project! {
    /// A response, with what it holds.
    #[project = AnswerProjection]
    pub(in crate::grpc::layers) enum Answer<B> {
        Whole {
            frames: VecDeque<Frame<Bytes>>,
            // The place, if there was no memory for it.
            held: (Option<Charge>, Option<Arc<Place>>),
        },
        Stream { #[pin] body: HookedBody<B, Arc<Place>> },
    }
}

impl<B> Answer<B> {
    pub(super) fn stream(body: B, place: Arc<Place>) -> Self {
        Self::Stream { body: HookedBody::new(body, place) }
    }
}

impl<B: Body<Data = Bytes, Error = Status>> Answer<B> {
    /// Makes the whole response, and takes memory for it. Without that, a large one is refused if the
    /// call `may_fail`, and others keep their place.
    pub(super) async fn whole(
        response: Response<B>,
        place: Arc<Place>,
        (memory, client): (&Arc<Memory>, Option<Arc<Client>>),
        may_fail: bool,
    ) -> Response<Self> {
        let (head, body) = response.into_parts();
        let mut body = pin!(body);
        let (mut frames, mut bytes) = (VecDeque::with_capacity(2), 0);
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let frame = frame.unwrap_or_else(|status| trailers(&status));
            bytes += frame.data_ref().map_or(0, Bytes::len);
            let is_last = frame.is_trailers();
            frames.push_back(frame);
            if is_last {
                break;
            }
        }
        let mut charge = Charge::new(Arc::clone(memory), client);
        let held = match charge.grow(OVERHEAD + bytes) {
            Ok(()) => (Some(charge), None),
            Err(error) if bytes > LARGE && may_fail => return Status::from(error).into_http(),
            Err(_) => (None, Some(place)),
        };
        Response::from_parts(head, Self::Whole { frames, held })
    }
}

/// The body of a response that consists of headers only.
impl<B> Default for Answer<B> {
    fn default() -> Self {
        Self::Whole { frames: VecDeque::new(), held: (None, None) }
    }
}

impl<B: Body<Data = Bytes, Error = Status>> Body for Answer<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        match self.project() {
            AnswerProjection::Whole { frames, .. } => Poll::Ready(frames.pop_front().map(Ok)),
            AnswerProjection::Stream { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { frames, .. } => frames.is_empty(),
            Self::Stream { body } => body.is_end_stream(),
        }
    }
}
