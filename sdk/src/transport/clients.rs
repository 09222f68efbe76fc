//! The generated clients, over one connection for unary calls and one for streams.

use contacts_proto::v1::{
    attribute_service_client::AttributeServiceClient, contact_service_client::ContactServiceClient,
    opt_in_service_client::OptInServiceClient, tag_service_client::TagServiceClient,
    token_service_client::TokenServiceClient, webhook_service_client::WebhookServiceClient,
    workspace_service_client::WorkspaceServiceClient,
};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::credentials::Credentials;

/// A connection that adds the caller's credentials to every call.
pub type Service = InterceptedService<Channel, Credentials>;

/// A page of 1000 contacts with every field at its limit is far larger than tonic's 4 MiB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Streams have a connection of their own: a slow reader of a stream fills the flow-control window
/// of its connection, and opt-in checks must not wait for that.
pub(crate) struct Clients {
    pub attributes: AttributeServiceClient<Service>,
    pub contacts: ContactServiceClient<Service>,
    pub opt_in: OptInServiceClient<Service>,
    pub tags: TagServiceClient<Service>,
    pub tokens: TokenServiceClient<Service>,
    pub webhooks: WebhookServiceClient<Service>,
    pub workspaces: WorkspaceServiceClient<Service>,
    pub streams: ContactServiceClient<Service>,
}

impl Clients {
    pub fn new(calls: Channel, streams: Channel, credentials: Credentials) -> Self {
        let calls = InterceptedService::new(calls, credentials.clone());
        let streams = InterceptedService::new(streams, credentials);
        macro_rules! client {
            ($client:ident($service:expr)) => {
                $client::new($service).max_decoding_message_size(MAX_MESSAGE_BYTES)
            };
        }
        Self {
            attributes: client!(AttributeServiceClient(calls.clone())),
            contacts: client!(ContactServiceClient(calls.clone())),
            opt_in: client!(OptInServiceClient(calls.clone())),
            tags: client!(TagServiceClient(calls.clone())),
            tokens: client!(TokenServiceClient(calls.clone())),
            webhooks: client!(WebhookServiceClient(calls.clone())),
            workspaces: client!(WorkspaceServiceClient(calls)),
            streams: client!(ContactServiceClient(streams)),
        }
    }
}
