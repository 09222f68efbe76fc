//! Connections and calls: the only file that knows tonic.

use std::error::Error as StdError;
use std::time::Duration;

use contacts_proto::rpc;
use contacts_proto::v1::{self, attribute_service_client::AttributeServiceClient};
use contacts_proto::v1::{
    contact_service_client::ContactServiceClient, opt_in_service_client::OptInServiceClient,
    tag_service_client::TagServiceClient, workspace_service_client::WorkspaceServiceClient,
};
use futures::channel::mpsc;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use prost::Message;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::{Interceptor, interceptor::InterceptedService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming, TimeoutExpired};
use uuid::Uuid;

use crate::config::{Config, FOREVER};
use crate::convert::FromProto;
use crate::error::{Error, ErrorKind, Result};
use crate::retry::{self, RetryPolicy};

/// What a stream brings, one by one.
pub(crate) type Incoming<T> = BoxStream<'static, Result<T>>;

/// What is sent over a stream.
pub(crate) type Outgoing<T> = mpsc::UnboundedReceiver<T>;

/// A connection that adds the caller's credentials to every call.
pub type Service = InterceptedService<Channel, Credentials>;

/// A page of a thousand contacts with every field at its limit is far beyond tonic's 4 MiB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// At 13 ms round-trip time tonic's own windows give a third of the throughput of these.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Two connections: one for plain calls and one for streams, because a reader that is slow with a
/// stream fills the window its connection shares, and checks must not wait for that.
pub(crate) struct Transport {
    pub attributes: AttributeServiceClient<Service>,
    pub contacts: ContactServiceClient<Service>,
    pub opt_in: OptInServiceClient<Service>,
    pub tags: TagServiceClient<Service>,
    pub workspaces: WorkspaceServiceClient<Service>,
    streams: ContactServiceClient<Service>,
    retry: RetryPolicy,
}

/// A plain call, by the type of its request.
pub(crate) trait Call: Clone + Send + Sync + 'static {
    type Response: Send + 'static;

    /// Whether it may run twice without harm.
    const REPEATABLE: bool;

    /// By what the server recognises a repeated change.
    fn request_id(&mut self) -> Option<&mut String>;

    fn make(
        request: Request<Self>,
        transport: &Transport,
    ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send;
}

macro_rules! calls {
    ($($service:ident.$method:ident: $class:ident $request:ident -> $response:ident;)*) => {$(
        impl Call for v1::$request {
            type Response = v1::$response;
            const REPEATABLE: bool = calls!(@repeatable $class);

            fn request_id(&mut self) -> Option<&mut String> {
                calls!(@request_id $class self)
            }

            async fn make(
                request: Request<Self>,
                transport: &Transport,
            ) -> Result<Response<Self::Response>, Status> {
                transport.$service.clone().$method(request).await
            }
        }
    )*};
    (@repeatable once) => { false };
    (@repeatable $class:ident) => { true };
    (@request_id change $this:ident) => { Some(&mut $this.request_id) };
    (@request_id $class:ident $this:ident) => { { let _ = $this; None } };
}

// `read` changes nothing, `change` carries a request_id, `once` has neither and is never repeated.
calls! {
    workspaces.create_workspace: once CreateWorkspaceRequest -> CreateWorkspaceResponse;
    workspaces.get_workspace: read GetWorkspaceRequest -> GetWorkspaceResponse;
    workspaces.list_workspaces: read ListWorkspacesRequest -> ListWorkspacesResponse;
    workspaces.delete_workspace: once DeleteWorkspaceRequest -> DeleteWorkspaceResponse;

    contacts.create_contact: change CreateContactRequest -> CreateContactResponse;
    contacts.get_contact: read GetContactRequest -> GetContactResponse;
    contacts.batch_get_contacts: read BatchGetContactsRequest -> BatchGetContactsResponse;
    contacts.update_contact: change UpdateContactRequest -> UpdateContactResponse;
    contacts.delete_contact: change DeleteContactRequest -> DeleteContactResponse;
    contacts.link_identity: change LinkIdentityRequest -> LinkIdentityResponse;
    contacts.merge_contacts: change MergeContactsRequest -> MergeContactsResponse;
    contacts.export_contact_data: read ExportContactDataRequest -> ExportContactDataResponse;
    contacts.list_contacts: read ListContactsRequest -> ListContactsResponse;
    contacts.count_contacts: read CountContactsRequest -> CountContactsResponse;
    contacts.batch_upsert_contacts: change BatchUpsertContactsRequest -> BatchUpsertContactsResponse;
    contacts.update_contact_tags: change UpdateContactTagsRequest -> UpdateContactTagsResponse;

    tags.create_tag: change CreateTagRequest -> CreateTagResponse;
    tags.get_tag: read GetTagRequest -> GetTagResponse;
    tags.list_tags: read ListTagsRequest -> ListTagsResponse;
    tags.update_tag: change UpdateTagRequest -> UpdateTagResponse;
    tags.delete_tag: change DeleteTagRequest -> DeleteTagResponse;

    attributes.create_attribute: change CreateAttributeRequest -> CreateAttributeResponse;
    attributes.get_attribute: read GetAttributeRequest -> GetAttributeResponse;
    attributes.list_attributes: read ListAttributesRequest -> ListAttributesResponse;
    attributes.update_attribute: change UpdateAttributeRequest -> UpdateAttributeResponse;
    attributes.delete_attribute: change DeleteAttributeRequest -> DeleteAttributeResponse;

    opt_in.check_opt_in: read CheckOptInRequest -> CheckOptInResponse;
    opt_in.batch_check_opt_in: read BatchCheckOptInRequest -> BatchCheckOptInResponse;
    opt_in.record_opt_in: change RecordOptInRequest -> RecordOptInResponse;
    opt_in.record_opt_out: change RecordOptOutRequest -> RecordOptOutResponse;
    opt_in.record_platform_preference:
        change RecordPlatformPreferenceRequest -> RecordPlatformPreferenceResponse;
    opt_in.list_opt_in_events: read ListOptInEventsRequest -> ListOptInEventsResponse;
}

impl Transport {
    /// Connects at once for plain calls, and for streams with the first of them.
    pub async fn connect(config: &Config) -> Result<Self> {
        let endpoint = endpoint(config)?;
        let calls = timeout(config.connect_timeout, endpoint.connect())
            .await
            .map_err(|_| Error::unavailable("no connection within the connect timeout"))?
            .map_err(|error| connection_error(&error))?;
        Self::new(calls, endpoint.connect_lazy(), config)
    }

    pub fn connect_lazy(config: &Config) -> Result<Self> {
        let endpoint = endpoint(config)?;
        Self::new(endpoint.connect_lazy(), endpoint.connect_lazy(), config)
    }

    fn new(calls: Channel, streams: Channel, config: &Config) -> Result<Self> {
        let credentials = Credentials::new(config.bearer_token.as_deref())?;
        let calls = InterceptedService::new(calls, credentials.clone());
        let streams = InterceptedService::new(streams, credentials);
        macro_rules! client {
            ($client:ident($service:expr)) => {
                $client::new($service).max_decoding_message_size(MAX_MESSAGE_BYTES)
            };
        }
        Ok(Self {
            attributes: client!(AttributeServiceClient(calls.clone())),
            contacts: client!(ContactServiceClient(calls.clone())),
            opt_in: client!(OptInServiceClient(calls.clone())),
            tags: client!(TagServiceClient(calls.clone())),
            workspaces: client!(WorkspaceServiceClient(calls)),
            streams: client!(ContactServiceClient(streams)),
            retry: config.retry.clone(),
        })
    }

    /// Makes a plain call and repeats it while that is safe and helps.
    ///
    /// The deadline covers all attempts. It travels in the `grpc-timeout` header, so that the server
    /// stops too, and runs here as well, so that a dead peer cannot hold the call.
    pub async fn call<Q: Call>(&self, mut request: Q, deadline: Duration) -> Result<Q::Response> {
        if let Some(id) = request.request_id().filter(|id| id.is_empty()) {
            *id = new_request_id();
        }
        let ends = Instant::now() + deadline.min(FOREVER);
        let policy = if Q::REPEATABLE { self.retry.clone() } else { RetryPolicy::never() };
        let attempt = async || {
            let mut message = Request::new(request.clone());
            message.set_timeout(ends.saturating_duration_since(Instant::now()));
            match timeout_at(ends, Q::make(message, self)).await {
                Ok(answer) => answer.map(Response::into_inner).map_err(from_status),
                Err(_) => Err(deadline_exceeded()),
            }
        };
        let outcome = retry::until(ends, &policy, attempt).await;
        outcome.map_err(|error| {
            let id = request.request_id().cloned();
            error.edit(|inner| inner.request_id = id)
        })
    }

    /// Opens a segment. `patience` bounds the wait for the stream to open; there is no deadline on
    /// its whole length, which would cut a long campaign.
    pub fn stream_contacts(
        &self,
        request: v1::StreamContactsRequest,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::StreamContactsResponse>>> {
        let mut client = self.streams.clone();
        opened(patience, async move { client.stream_contacts(request).await }).boxed()
    }

    pub fn stream_duplicate_contacts(
        &self,
        request: v1::StreamDuplicateContactsRequest,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::StreamDuplicateContactsResponse>>> {
        let mut client = self.streams.clone();
        opened(patience, async move { client.stream_duplicate_contacts(request).await }).boxed()
    }

    pub fn import_contacts(
        &self,
        messages: Outgoing<v1::ImportContactsRequest>,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::ImportContactsResponse>>> {
        let mut client = self.streams.clone();
        opened(patience, async move { client.import_contacts(messages).await }).boxed()
    }

    /// On the connection for plain calls: the answers are small and few are in flight, so that they
    /// cannot fill its window, and a slow segment cannot hold them up.
    pub fn check_opt_in_stream(
        &self,
        messages: Outgoing<v1::CheckOptInStreamRequest>,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Incoming<v1::CheckOptInStreamResponse>>> {
        let mut client = self.opt_in.clone();
        opened(patience, async move { client.check_opt_in_stream(messages).await }).boxed()
    }
}

#[expect(clippy::disallowed_methods, reason = "ids of requests must differ between clients")]
fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

async fn opened<T: Send + 'static>(
    patience: Duration,
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
) -> Result<Incoming<T>> {
    match timeout(patience, call).await {
        Ok(Ok(response)) => {
            Ok(response.into_inner().map(|message| message.map_err(from_status)).boxed())
        }
        Ok(Err(status)) => Err(from_status(status)),
        Err(_) => Err(Error::unavailable("the stream did not open within the idle timeout")),
    }
}

fn endpoint(config: &Config) -> Result<Endpoint> {
    let invalid = || {
        Error::invalid_argument(
            "the endpoint is not an address such as http://127.0.0.1:50051 or https://example.com",
        )
    };
    let endpoint = Endpoint::from_shared(config.endpoint.clone()).map_err(|_| invalid())?;
    let secure = match endpoint.uri().scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(invalid()),
    };
    let endpoint = endpoint
        .user_agent(config.user_agent.clone())
        .map_err(|_| Error::invalid_argument("the user agent is not visible ASCII text"))?
        .connect_timeout(config.connect_timeout)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    if secure { with_tls(endpoint, config) } else { Ok(endpoint) }
}

#[cfg(feature = "tls")]
fn with_tls(endpoint: Endpoint, config: &Config) -> Result<Endpoint> {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};

    const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    // tonic takes text without a certificate for a trust in nobody.
    let lacks_certificate =
        |pem: &Vec<u8>| !pem.windows(PEM_BEGIN.len()).any(|part| part == PEM_BEGIN);
    if config.tls.authority.as_ref().is_some_and(lacks_certificate) {
        return Err(Error::invalid_argument("the TLS authority is not a certificate in PEM"));
    }
    let mut tls = match &config.tls.authority {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &config.tls.identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    if let Some(name) = &config.tls.domain_name {
        tls = tls.domain_name(name);
    }
    endpoint.tls_config(tls).map_err(|error| {
        Error::invalid_argument(format!("the TLS settings are not valid: {}", root(&error)))
    })
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Endpoint, _: &Config) -> Result<Endpoint> {
    Err(Error::invalid_argument("an https address needs the feature `tls` of contacts-sdk"))
}

/// Adds the bearer token to every call.
#[derive(Clone)]
pub struct Credentials {
    authorization: Option<MetadataValue<Ascii>>,
}

impl Credentials {
    fn new(token: Option<&str>) -> Result<Self> {
        let Some(token) = token else { return Ok(Self { authorization: None }) };
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| Error::invalid_argument("the token is not visible ASCII text"))?;
        value.set_sensitive(true);
        Ok(Self { authorization: Some(value) })
    }
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

fn deadline_exceeded() -> Error {
    Error::new(ErrorKind::DeadlineExceeded, "no answer within the deadline")
}

/// The only way from a status to an error.
fn from_status(status: Status) -> Error {
    if chain(&status).any(|error| error.is::<TimeoutExpired>()) {
        return deadline_exceeded();
    }
    if is_broken_connection(&status) {
        return connection_error(&status);
    }
    let mut answer = rpc::Status::decode(status.details()).unwrap_or_default();
    answer.code = status.code().into();
    answer.message = status.message().to_owned();
    Error::from_proto(answer)
}

/// Whether the status was made on this side because the connection failed in the middle, be it by a
/// GOAWAY, a reset or a proxy. tonic gives such a status many codes, CANCELLED and UNKNOWN among
/// them; what the server sends has no source and, except from proxies, has details.
fn is_broken_connection(status: &Status) -> bool {
    let bare = status.details().is_empty();
    status.source().is_some()
        || (bare && status.code() == Code::Unknown)
        || (bare && status.code() == Code::Internal && status.message().contains("Unexpected EOF"))
}

fn connection_error(error: &(dyn StdError + 'static)) -> Error {
    Error::unavailable(format!("the connection to the service failed: {}", root(error)))
}

/// The innermost cause, which says most: `Connection refused` and not `transport error`.
fn root(error: &(dyn StdError + 'static)) -> String {
    match chain(error).last() {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

fn chain<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
