//! Connections and calls. Only this module uses tonic.

mod checks_limit;
mod clients;
mod credentials;
mod endpoint;
mod status;
mod unary;

use std::time::Duration;

use contacts_proto::v1;
use futures_channel::mpsc;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{BoxStream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use checks_limit::ChecksLimit;
pub(crate) use clients::Clients;
#[cfg(feature = "proto")]
pub use clients::Service;
pub use credentials::Credentials;
use endpoint::endpoint;
use status::{connection_error, deadline_exceeded, from_status};
pub(crate) use unary::Unary;

use crate::config::{Config, FOREVER};
use crate::error::{Error, Result};
use crate::retry::{self, RetryPolicy};

/// The messages that a stream receives.
pub(crate) type Incoming<T> = BoxStream<'static, Result<T>>;

/// The messages that a stream sends.
pub(crate) type Outgoing<T> = mpsc::UnboundedReceiver<T>;

pub(crate) struct Transport {
    clients: Clients,
    retry: RetryPolicy,
    checks: ChecksLimit,
}

impl Transport {
    /// Connects at once for unary calls, and on the first stream for streams.
    pub async fn connect(config: &Config) -> Result<Self> {
        let endpoint = endpoint(config)?;
        let credentials = Credentials::new(config.bearer_token.as_deref())?;
        let calls = timeout(config.connect_timeout, endpoint.connect())
            .await
            .map_err(|_| Error::unavailable("no connection within the connect timeout"))?
            .map_err(|error| connection_error(&error))?;
        Ok(Self::new(Clients::new(calls, endpoint.connect_lazy(), credentials), config))
    }

    pub fn connect_lazy(config: &Config) -> Result<Self> {
        let endpoint = endpoint(config)?;
        let credentials = Credentials::new(config.bearer_token.as_deref())?;
        let clients = Clients::new(endpoint.connect_lazy(), endpoint.connect_lazy(), credentials);
        Ok(Self::new(clients, config))
    }

    fn new(clients: Clients, config: &Config) -> Self {
        let checks = ChecksLimit::new(config.max_concurrent_checks);
        Self { clients, retry: config.retry.clone(), checks }
    }

    #[cfg(feature = "proto")]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Makes a unary call and retries it while that is safe and can help.
    ///
    /// The deadline covers all attempts. It is sent in the `grpc-timeout` header, so that the server
    /// stops too, and enforced here, so that a dead peer cannot block the call.
    pub async fn call<Q: Unary>(&self, mut request: Q, deadline: Duration) -> Result<Q::Response> {
        if let Some(id) = request.request_id().filter(|id| id.is_empty()) {
            *id = new_request_id();
        }
        let ends = Instant::now() + deadline.min(FOREVER);
        let policy = if Q::IDEMPOTENT { self.retry.clone() } else { RetryPolicy::never() };
        let attempt = async || {
            let late = |_| deadline_exceeded();
            // Not while a retry waits for its time.
            let _place = match Q::IS_CHECK {
                true => Some(timeout_at(ends, self.checks.enter()).await.map_err(late)?),
                false => None,
            };
            let mut message = Request::new(request.clone());
            message.set_timeout(ends.saturating_duration_since(Instant::now()));
            // Boxed, so that a call that waits for its place is small: there may be many.
            let sent = Box::pin(Q::send(message, &self.clients));
            let outcome = match timeout_at(ends, sent).await {
                Ok(response) => response.map(Response::into_inner).map_err(from_status),
                Err(_) => Err(deadline_exceeded()),
            };
            if Q::IS_CHECK {
                self.checks.note(&outcome);
            }
            outcome
        };
        let outcome = retry::until(ends, &policy, attempt).await;
        outcome.map_err(|error| {
            let id = request.request_id().cloned();
            error.edit(|inner| inner.request_id = id)
        })
    }

    /// Opens a stream of contacts.
    ///
    /// `open_timeout` limits only the wait for the response headers. The stream as a whole has no
    /// deadline, which would end a long campaign.
    pub fn stream_contacts(
        &self,
        request: v1::StreamContactsRequest,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::StreamContactsResponse>>> {
        let mut client = self.clients.streams.clone();
        opened(open_timeout, async move { client.stream_contacts(request).await }).boxed()
    }

    pub fn stream_duplicate_contacts(
        &self,
        request: v1::StreamDuplicateContactsRequest,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::StreamDuplicateContactsResponse>>> {
        let mut client = self.clients.streams.clone();
        opened(open_timeout, async move { client.stream_duplicate_contacts(request).await }).boxed()
    }

    pub fn import_contacts(
        &self,
        requests: Outgoing<v1::ImportContactsRequest>,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::ImportContactsResponse>>> {
        let mut client = self.clients.streams.clone();
        opened(open_timeout, async move { client.import_contacts(requests).await }).boxed()
    }

    /// Uses the connection for unary calls: its responses are small and few are in flight, so that
    /// they cannot fill the flow-control window, and a slow stream of contacts cannot delay them.
    pub fn check_opt_in_stream(
        &self,
        requests: Outgoing<v1::CheckOptInStreamRequest>,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::CheckOptInStreamResponse>>> {
        let mut client = self.clients.opt_in.clone();
        opened(open_timeout, async move { client.check_opt_in_stream(requests).await }).boxed()
    }
}

#[expect(clippy::disallowed_methods, reason = "ids of requests must differ between clients")]
fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

async fn opened<T: Send + 'static>(
    open_timeout: Duration,
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
) -> Result<Incoming<T>> {
    match timeout(open_timeout, call).await {
        Ok(Ok(response)) => {
            Ok(response.into_inner().map(|message| message.map_err(from_status)).boxed())
        }
        Ok(Err(status)) => Err(from_status(status)),
        Err(_) => Err(Error::unavailable("the stream did not open within the idle timeout")),
    }
}
