//! Tells a connection how much of its responses the client takes.
//!
//! hyper asks a body for its next frame when the client took the one before.
//! While it does not ask, nothing here runs, so it is the connection that notices
//! a stalled client, see [`WriteProgress`].

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tonic::Status;

use super::body::{BodyHook, HookedBody, PolledFrame};
use super::connection::WriteProgress;

/// Larger frames are split: hyper takes a frame as a whole, as soon as the client
/// has room for one byte of it.
const MAX_FRAME_BYTES: usize = 128 << 10;

/// A response body that reports to its connection.
pub(super) fn report<B>(body: B, progress: WriteProgress) -> HookedBody<B, WriteStall> {
    HookedBody::new(body, WriteStall { progress, rest: Bytes::new(), is_pending: false })
}

/// Splits frames, and reports each that hyper was given or that the client took.
pub(super) struct WriteStall {
    progress: WriteProgress,
    /// What is left of a frame.
    rest: Bytes,
    /// Whether hyper has a frame that the client has not taken yet.
    is_pending: bool,
}

impl WriteStall {
    fn give(&mut self) -> Frame<Bytes> {
        let frame = self.rest.split_to(self.rest.len().min(MAX_FRAME_BYTES));
        self.is_pending = true;
        self.progress.given();
        Frame::data(frame)
    }

    fn taken(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.progress.taken();
        }
    }
}

impl Drop for WriteStall {
    fn drop(&mut self) {
        self.taken();
    }
}

impl BodyHook for WriteStall {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: Body<Data = Bytes, Error = Status>,
    {
        self.taken();
        if self.rest.is_empty() {
            match body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        Poll::Ready(Some(Ok(self.give())))
    }

    fn has_frames(&self) -> bool {
        !self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn a_large_frame_is_split() {
        let body = Full::new(Bytes::from(vec![0; 1 << 20])).map_err(|never| match never {});
        let mut body = report(body, WriteProgress::default());
        let mut sizes = Vec::new();
        while let Some(frame) = body.frame().await {
            sizes.push(frame.expect("a frame").into_data().expect("data").len());
        }
        assert_eq!(sizes, [128 << 10; 8]);
    }
}
