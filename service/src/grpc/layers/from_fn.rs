//! A layer made of one async function, as `axum::middleware::from_fn_with_state`
//! makes one, but without boxing what is inside.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::Map;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

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
    pub(super) fn run(mut self, request: Request<Body>) -> impl Future<Output = Response<B>> {
        // It is ready: `poll_ready` of the service around it said so.
        self.0.call(request).map(|response| match response {
            Ok(response) => response,
            Err(never) => match never {},
        })
    }
}

impl<S, T, F, R, B> Service<Request<Body>> for FromFn<S, T, F>
where
    S: Service<Request<Body>, Error = Infallible> + Clone,
    T: Clone,
    F: Fn(T, Request<Body>, Next<S>) -> R,
    R: Future<Output = Response<B>>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Map<R, fn(Response<B>) -> Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let next = self.inner.clone();
        // The one that is ready, not its clone.
        let ready = std::mem::replace(&mut self.inner, next);
        (self.function)(self.state.clone(), request, Next(ready)).map(Ok)
    }
}
