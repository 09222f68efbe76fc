//! Who a call is from, and whether that caller may call the method.
//!
//! Whether a message of the call is about a workspace of the caller is decided where it is decoded
//! (`grpc/access.rs`).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::from_fn::Next;
use crate::authenticator::{Authenticator, MAX_AGE, unauthenticated};
use crate::domain::access::{ApiToken, Caller, TokenHash};
use crate::domain::error::{Error, Result};
use crate::grpc::body::{BodyHook, HookedBody, PolledFrame, trailers};
use crate::grpc::methods::Methods;
use crate::grpc::permissions::Access;
use crate::telemetry::call::{self, Actor};

/// Refuses a call whose caller is unknown or lacks the scope; without an authenticator, none. A
/// stream ends when the token does.
pub(super) async fn authenticate<S, B>(
    (methods, authenticator): (Arc<Methods>, Option<Authenticator>),
    mut request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, Session>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let method = methods.find(request.uri().path()).map(|(_, method)| method);
    // Without a token, nobody learns what methods there are.
    let access = method.map_or(Access::AnyToken, |method| method.access);
    let session = match (authenticator, access) {
        // Without a caller: such a method cannot open its message.
        (_, Access::Open) => Session(None),
        (None, _) => {
            request.extensions_mut().insert(Caller::Anybody);
            Session(None)
        }
        (Some(authenticator), _) => {
            let token = match identify(&authenticator, request.headers(), access).await {
                Ok(token) => token,
                Err(error) => return Status::from(error).into_http(),
            };
            // Nothing behind this can log it.
            request.headers_mut().remove(AUTHORIZATION);
            let is_stream = method.is_some_and(|method| method.is_stream);
            let end = is_stream.then(|| end(authenticator, Arc::clone(&token)).boxed());
            request.extensions_mut().insert(Caller::Token(token));
            Session(end)
        }
    };
    next.run(request).await.map(|body| HookedBody::new(body, session))
}

async fn identify(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    access: Access,
) -> Result<Arc<ApiToken>> {
    let token = authenticator.find(token_hash(headers)?).await?;
    // So that what it is refused is in the audit log, too.
    if let Some(call) = call::current() {
        call.set_actor(Actor(token.token_id.to_string().into()));
        call.set_arrived();
    }
    if let Access::Scope(scope) = access {
        token.require_scope(scope)?;
    }
    Ok(token)
}

/// The hash of the token in `authorization: Bearer …`.
fn token_hash(headers: &HeaderMap) -> Result<TokenHash> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, more) = (values.next(), values.next());
    let Some(value) = value else {
        return Err(unauthenticated(
            "this server needs an API token: send the metadata authorization: Bearer contacts_…",
        ));
    };
    if more.is_some() {
        return Err(unauthenticated("the call has more than one authorization; send one"));
    }
    let bearer = |text: &str| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| TokenHash::of(token))?
    };
    value.to_str().ok().and_then(bearer).ok_or_else(|| {
        unauthenticated("the authorization has to be Bearer and a token, contacts_…")
    })
}

/// Waits until a token ends, or its holder's rights change: then the stream's are not what it was
/// opened with. If that cannot be known, the stream ends too.
async fn end(authenticator: Authenticator, opened_with: Arc<ApiToken>) -> Error {
    loop {
        tokio::time::sleep(MAX_AGE).await;
        match authenticator.find(opened_with.hash).await {
            Ok(token) if token.workspaces == opened_with.workspaces => {}
            Ok(_) => return unauthenticated("the workspaces of the API token have changed"),
            Err(error) => return error,
        }
    }
}

/// Ends a stream with its token. None: nothing ends it.
pub(super) struct Session(Option<BoxFuture<'static, Error>>);

impl BodyHook for Session {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: http_body::Body<Data = Bytes, Error = Status>,
    {
        if let Some(end) = &mut self.0
            && let Poll::Ready(error) = end.as_mut().poll(cx)
        {
            return Poll::Ready(Some(Ok(trailers(&Status::from(error)))));
        }
        body.poll_frame(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::TokenSecret;
    use crate::domain::error::Reason;

    #[test]
    fn a_call_has_one_authorization_with_a_token() {
        let secret = TokenSecret::from_random([3; 32]);
        let token = secret.expose();
        let hash = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a header"));
            }
            token_hash(&headers).map_err(|error| error.reason())
        };
        let bearer = format!("Bearer {token}");
        assert_eq!(hash(&[&bearer]).ok(), TokenHash::of(token));
        assert_eq!(hash(&[&format!("bearer {token}")]).ok(), TokenHash::of(token));
        for values in [
            &[][..],
            &[""],
            &[token],
            &["Bearer"],
            &["Bearer "],
            &[&format!("Bearer  {token}")],
            &[&format!("Bearer {token} ")],
            &[&format!("Basic {token}")],
            &[&format!("Bearer {token}, Bearer {token}")],
            &[&bearer, &bearer],
            &[&bearer, ""],
        ] {
            assert_eq!(hash(values).err(), Some(Reason::Unauthenticated), "{values:?}");
        }
    }
}
