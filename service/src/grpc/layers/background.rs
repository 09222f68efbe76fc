//! Runs streams and large requests on the background runtime, so that they take no processor from
//! checks and opt-outs.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tracing::Instrument;

use super::from_fn::Next;
use super::messages::LARGE_BYTES;
use super::panics;
use crate::domain::error::Error;
use crate::grpc::methods::{Class, Methods};
use crate::runtime::SideRuntime;
use crate::telemetry::call;

type MadeFrame = Result<Frame<Bytes>, Status>;

/// Calls what is inside, where it belongs.
pub(super) async fn separate<S>(
    (methods, background): (Arc<Methods>, SideRuntime),
    request: Request<Body>,
    next: Next<S>,
) -> Response<Body>
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Send
        + 'static,
{
    let method = methods.find(request.uri().path()).map(|(_, method)| method);
    let is_bulk = method.is_some_and(|method| {
        // A small batch takes less time than to hand it over.
        let is_large = request.body().size_hint().lower() >= LARGE_BYTES as u64;
        method.class == Class::Bulk && (method.is_stream || is_large)
    });
    if !is_bulk {
        return next.run(request).await;
    }
    let handled = call::carried(next.run(request)).in_current_span();
    match background.spawn(handled).await {
        // One that ends with its headers, as refusals do, stays so: clients take an empty frame for
        // a broken stream.
        Ok(response) if response.body().is_end_stream() => response,
        Ok(response) => response.map(|body| sent_by(&background, body)),
        Err(ended) => Status::from(Error::internal(ended)).into_http(),
    }
}

/// A body whose frames are made on the background runtime, one ahead of the client.
fn sent_by(background: &SideRuntime, body: Body) -> Body {
    let (sender, frames) = mpsc::channel(1);
    let sending = background.spawn(
        call::carried(async move {
            // Here, for a panic would end only this task, and nobody would learn of it.
            let mut body = pin!(panics::catch_in_body(Response::new(body)).into_body());
            let mut next = None;
            // Drops the body when the client is gone.
            while let Ok(place) = sender.reserve().await {
                let frame = match next.take() {
                    Some(frame) => Some(frame),
                    None => tokio::select! {
                        () = sender.closed() => return,
                        frame = body.frame() => frame,
                    },
                };
                let Some(frame) = frame else { return };
                // The status goes with the message before it, if it is there: with the last message, a
                // client may leave.
                next = body.frame().now_or_never().flatten();
                let is_status =
                    |frame: &mut MadeFrame| frame.as_ref().is_ok_and(|frame| frame.is_trailers());
                place.send((frame, next.take_if(is_status)));
            }
        })
        .in_current_span(),
    );
    let frames = ReceiverStream::new(frames).flat_map(move |(frame, status)| {
        let _ends_with_this = &sending;
        stream::iter([Some(frame), status].into_iter().flatten())
    });
    Body::new(StreamBody::new(frames))
}
