//! The deadline of a call, from its caller or by default. It covers the body of
//! a stream, too, and ends the call with DEADLINE_EXCEEDED.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::from_fn::Next;
use crate::domain::error::{Error, Reason, Result};
use crate::grpc::body::{BodyHook, HookedBody, PolledFrame, trailers};
use crate::grpc::methods::Methods;

/// The timeout of unary calls whose callers set none.
const UNARY_DEFAULT: Duration = Duration::from_secs(30);
/// The longest timeout of unary calls.
const UNARY_MAX: Duration = Duration::from_secs(10 * 60);

/// Ends a call at its deadline. A change that it began goes on to its end.
pub(super) async fn enforce<S, B>(
    methods: Arc<Methods>,
    request: Request<Body>,
    next: Next<S>,
) -> Response<HookedBody<B, Option<Deadline>>>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let is_stream = methods.find(request.uri().path()).is_some_and(|(_, method)| method.is_stream);
    let timeout = match grpc_timeout(request.headers()) {
        Ok(sent) if is_stream => sent,
        Ok(sent) => Some(sent.map_or(UNARY_DEFAULT, |sent| sent.min(UNARY_MAX))),
        Err(error) => return Status::from(error).into_http(),
    };
    let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) else {
        return next.run(request).await.map(|body| HookedBody::new(body, None));
    };
    let mut deadline = Deadline { at: deadline, sleep: None };
    let mut response = pin!(next.run(request));
    let response = poll_fn(|cx| {
        if deadline.has_passed() {
            return Poll::Ready(None);
        }
        match response.as_mut().poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => deadline.poll(cx).map(|()| None),
        }
    });
    match response.await {
        Some(response) => response.map(|body| HookedBody::new(body, Some(deadline))),
        None => exceeded().into_http(),
    }
}

/// A deadline, with a timer only for calls that have to wait.
pub(super) struct Deadline {
    at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Reads the clock: a timer fires only in calls that wait.
    fn has_passed(&self) -> bool {
        self.at <= Instant::now()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(self.at))).as_mut().poll(cx)
    }
}

fn exceeded() -> Status {
    let message = "the time for this call ran out; a change may have happened: repeat it with \
                   its request_id to know";
    Error::new(Reason::DeadlineExceeded, message).into()
}

impl BodyHook for Option<Deadline> {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: http_body::Body<Data = Bytes, Error = Status>,
    {
        let Some(deadline) = self else { return body.poll_frame(cx) };
        if !deadline.has_passed() {
            match body.poll_frame(cx) {
                Poll::Pending if deadline.poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => {}
                frame => return frame,
            }
        }
        Poll::Ready(Some(Ok(trailers(&exceeded()))))
    }
}

/// Parses the header `grpc-timeout`: up to eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse_timeout);
    parsed.map(Some).ok_or_else(|| {
        let message = "grpc-timeout has to be 1 to 8 digits and a unit of H, M, S, m, u, n";
        Error::invalid(Reason::InvalidArgument, "grpc-timeout", message)
    })
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("30S", Some(Duration::from_secs(30))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("0n", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("5", None),
            ("5s", None),
            ("+5S", None),
            ("-5S", None),
            ("1.5S", None),
            ("123456789S", None),
            ("5S ", None),
            ("٣S", None),
        ] {
            assert_eq!(parse_timeout(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_malformed_timeout_is_refused() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", value.parse().expect("a header"));
            grpc_timeout(&headers).map_err(|error| error.reason())
        };
        assert_eq!(headers("1S"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(headers("soon"), Err(Reason::InvalidArgument));
        assert_eq!(grpc_timeout(&HeaderMap::new()).map_err(|e| e.reason()), Ok(None));
    }
}
