//! A layer made of one async function.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::Map;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Service, ServiceExt};

/// A service with a function around it, which gets each request and decides
/// what becomes of it.
#[derive(Clone)]
pub struct Around<S, F> {
    inner: S,
    function: F,
}

impl<S, F> Around<S, F> {
    /// `function` around `inner`.
    pub fn new(inner: S, function: F) -> Self {
        Self { inner, function }
    }
}

/// The service inside of the function.
pub struct Next<S>(S);

impl<S, B> Next<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    /// Its answer.
    pub async fn run(self, request: Request<Body>) -> Response<B> {
        match self.0.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl<S, F, A, B> Service<Request<Body>> for Around<S, F>
where
    S: Clone,
    F: FnMut(Request<Body>, Next<S>) -> A,
    A: Future<Output = Response<B>>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Map<A, fn(Response<B>) -> Result<Response<B>, Infallible>>;

    /// Always: the function waits for the service inside, see [`Next::run`].
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        (self.function)(request, Next(self.inner.clone())).map(Ok)
    }
}
