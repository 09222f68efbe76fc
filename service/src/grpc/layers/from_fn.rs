//! A layer made of one async function, as `axum::middleware::from_fn_with_state`
//! makes one, but without boxing what is inside.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::Map;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service, ServiceExt};

/// A layer whose services call `function` with the state, the request and the
/// service inside.
pub(super) fn from_fn_with_state<T, F>(state: T, function: F) -> FromFnLayer<T, F> {
    FromFnLayer { state, function }
}

/// See [`from_fn_with_state`].
#[derive(Clone)]
pub(super) struct FromFnLayer<T, F> {
    state: T,
    function: F,
}

impl<S, T: Clone, F: Clone> Layer<S> for FromFnLayer<T, F> {
    type Service = FromFn<S, T, F>;

    fn layer(&self, inner: S) -> Self::Service {
        FromFn { inner, state: self.state.clone(), function: self.function.clone() }
    }
}

/// A service inside of a function.
#[derive(Clone)]
pub(super) struct FromFn<S, T, F> {
    inner: S,
    state: T,
    function: F,
}

/// The rest of the stack, for one request.
pub(super) struct Next<S>(S);

impl<S, B> Next<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    /// Calls it.
    pub(super) async fn run(self, request: Request<Body>) -> Response<B> {
        match self.0.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl<S, T, F, R, B> Service<Request<Body>> for FromFn<S, T, F>
where
    S: Clone,
    T: Clone,
    F: Fn(T, Request<Body>, Next<S>) -> R,
    R: Future<Output = Response<B>>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Map<R, fn(Response<B>) -> Result<Response<B>, Infallible>>;

    /// Always ready: [`Next::run`] waits for the service inside.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        (self.function)(self.state.clone(), request, Next(self.inner.clone())).map(Ok)
    }
}
