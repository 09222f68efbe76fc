//! The generated tonic clients, for calls that the typed API does not cover. They send the client's
//! credentials but have neither its deadlines nor its retries.

use contacts_proto::v1::{
    attribute_service_client::AttributeServiceClient, contact_service_client::ContactServiceClient,
    opt_in_service_client::OptInServiceClient, tag_service_client::TagServiceClient,
    token_service_client::TokenServiceClient, webhook_service_client::WebhookServiceClient,
    workspace_service_client::WorkspaceServiceClient,
};

use super::ContactsClient;
use crate::transport::{Clients, Service};

impl ContactsClient {
    fn clients(&self) -> &Clients {
        self.handle.transport().clients()
    }

    /// The generated client of ContactService, without deadlines and retries.
    pub fn raw_contacts(&self) -> ContactServiceClient<Service> {
        self.clients().contacts.clone()
    }

    /// The generated client of OptInService, without deadlines and retries.
    pub fn raw_opt_in(&self) -> OptInServiceClient<Service> {
        self.clients().opt_in.clone()
    }

    /// The generated client of TagService, without deadlines and retries.
    pub fn raw_tags(&self) -> TagServiceClient<Service> {
        self.clients().tags.clone()
    }

    /// The generated client of AttributeService, without deadlines and retries.
    pub fn raw_attributes(&self) -> AttributeServiceClient<Service> {
        self.clients().attributes.clone()
    }

    /// The generated client of WebhookService, without deadlines and retries.
    pub fn raw_webhooks(&self) -> WebhookServiceClient<Service> {
        self.clients().webhooks.clone()
    }

    /// The generated client of WorkspaceService, without deadlines and retries.
    pub fn raw_workspaces(&self) -> WorkspaceServiceClient<Service> {
        self.clients().workspaces.clone()
    }

    /// The generated client of TokenService, without deadlines and retries.
    pub fn raw_tokens(&self) -> TokenServiceClient<Service> {
        self.clients().tokens.clone()
    }
}
