//! How fast a client takes what it asked for.
//!
//! hyper asks a body for its next part when the client took the one before.
//! While it does not ask, nothing here runs, so a stalled client is seen from
//! its connection, see [`Progress`].

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::around::Next;
use crate::grpc::connection::Progress;

/// A larger part is handed over in pieces: hyper takes a part as a whole, as
/// soon as the client has room for one byte of it.
const PIECE: usize = 128 << 10;

/// Tells the connection what of a response the client took.
pub async fn pace<S, B>(request: Request<Body>, next: Next<S>) -> Response<Paced<B>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let progress = request.extensions().get::<Progress>().cloned().unwrap_or_default();
    next.run(request).await.map(|body| Paced {
        body,
        rest: Bytes::new(),
        is_offered: false,
        progress,
    })
}

/// A response body that is handed over in pieces.
pub struct Paced<B> {
    body: B,
    /// What is left of a part.
    rest: Bytes,
    /// Whether a piece is with hyper and was not seen to be taken.
    is_offered: bool,
    progress: Progress,
}

impl<B> Paced<B> {
    fn offer(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        self.is_offered = true;
        self.progress.offered();
        Frame::data(piece)
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.is_offered) {
            self.progress.taken();
        }
    }
}

impl<B> Drop for Paced<B> {
    fn drop(&mut self) {
        self.settle();
    }
}

impl<B> http_body::Body for Paced<B>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.settle();
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        Poll::Ready(Some(Ok(self.offer())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
