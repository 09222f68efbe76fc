//! Receives the messages of a request, whole, before anything decodes them: within
//! a time, at most so large, with so many elements, and all connections together
//! within a budget of memory. Compressed messages are decompressed here, so that
//! what is counted is what is decoded.

mod partial;
mod receiver;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::header::HeaderName;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use self::receiver::{PREFIX, Receiver};
use super::admission::Arrival;
use super::from_fn::Next;
use super::memory::{Memory, Of};
use crate::config::{Config, bytes};
use crate::domain::error::Result;
use crate::grpc::body::HookedBody;
use crate::grpc::methods::{Class, Methods};
use crate::runtime::{SideRuntime, off_worker};
use crate::telemetry::call;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Requests at least this large are handled off the workers: to decode and convert
/// them takes milliseconds.
pub(super) const LARGE_BYTES: usize = 64 << 10;

/// The limits of all messages.
pub(super) struct Messages {
    methods: Arc<Methods>,
    max_bytes: usize,
    message_timeout: Duration,
    idle_timeout: Duration,
    memory: Arc<Memory>,
    background: SideRuntime,
    /// Large messages that are decompressed at a time, so that many do not get more of the processors
    /// together than one thread gives way to.
    decompressing: Semaphore,
}

impl Messages {
    pub(super) fn new(methods: Arc<Methods>, config: &Config, background: SideRuntime) -> Self {
        Self {
            methods,
            max_bytes: bytes(config.limits.max_request_size),
            message_timeout: config.timeouts.message_timeout,
            idle_timeout: config.timeouts.idle_timeout,
            memory: Arc::new(Memory::new(Of::Requests, bytes(config.limits.max_request_memory))),
            background,
            decompressing: Semaphore::new(
                std::thread::available_parallelism().map_or(1, usize::from),
            ),
        }
    }
}

/// Receives the message of a unary request, then calls what is inside. The messages
/// of a stream are received while that asks for them.
pub(super) async fn receive<S, B>(
    messages: Arc<Messages>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, ()>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let method = messages.methods.find(request.uri().path()).map(|(_, method)| method);
    let Some(method) = method else { return next.run(request).await.map(unhooked) };
    let (mut head, body) = request.into_parts();
    let is_gzip = head.headers.get(ENCODING).is_some_and(|encoding| encoding == "gzip");
    if is_gzip {
        head.headers.remove(ENCODING);
    }
    let call = call::current();
    let arrival = head.extensions.remove::<Arc<Arrival>>();
    let arrived = move || arrival.as_ref().map_or(Ok(()), |arrival| arrival.complete());
    let note = move |message: &Bytes| {
        if let (Some(call), Some(encoded)) = (&call, message.get(PREFIX..)) {
            method.subject.note(encoded, call);
        }
    };
    let client = head.extensions.get().cloned();
    let mut receiver = Receiver::new(Arc::clone(&messages), method, client, body, is_gzip);
    if method.is_client_stream {
        let first = move |message: Option<&Bytes>| {
            message.map(&note);
            arrived()
        };
        let body = Body::new(StreamBody::new(stream_of(receiver, first)));
        return next.run(Request::from_parts(head, body)).await.map(unhooked);
    }
    let message = match receiver.only().await {
        Ok(message) => message,
        Err(status) => return status.into_http(),
    };
    // The memory of the message, until the response, and until whatever works for the call has ended.
    let memory = receiver.into_charge();
    if let (Some(call), Some(memory)) = (call::current(), &memory) {
        call.set_memory(memory);
    }
    note(&message);
    if let Err(error) = arrived() {
        return Status::from(error).into_http();
    }
    // Those about many people go to another runtime.
    let is_large = message.len() >= LARGE_BYTES && method.class != Class::Bulk;
    let handled = next.run(Request::from_parts(head, Body::new(Full::new(message))));
    let response = match is_large {
        true => off_worker(handled).await,
        false => handled.await,
    };
    response.map(unhooked)
}

fn unhooked<B>(body: B) -> HookedBody<B, ()> {
    HookedBody::new(body, ())
}

/// The messages of a stream. The first one, or the end without one, is passed to `first`, too.
fn stream_of(
    receiver: Receiver,
    first: impl Fn(Option<&Bytes>) -> Result<()>,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, Status>> {
    stream::unfold((Some(receiver), Some(first)), async |(receiver, mut first)| {
        let mut receiver = receiver?;
        let received = receiver.next().await.and_then(|message| {
            if let Some(first) = first.take() {
                first(message.as_ref())?;
            }
            Ok(message)
        });
        match received {
            Ok(message) => Some((Ok(Frame::data(message?)), (Some(receiver), first))),
            Err(status) => Some((Err(status), (None, None))),
        }
    })
    // tonic may ask again after the end.
    .fuse()
}
