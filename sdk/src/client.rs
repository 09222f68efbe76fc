mod builder;

use std::fmt;
use std::sync::Arc;

pub use builder::ClientBuilder;

use crate::attributes::Attributes;
use crate::config::Config;
use crate::contacts::Contacts;
use crate::opt_in::OptIn;
use crate::tags::Tags;
use crate::transport::Transport;
use crate::workspaces::Workspaces;

/// A client of the contacts service.
///
/// Cheap to clone and to share: clones use the same two connections, one for plain calls and one for
/// streams. A connection that breaks is made anew by the next call. `Channel`s do not follow DNS
/// changes and do not balance: with several servers, put an L7 proxy before them.
///
/// ```no_run
/// use contacts_sdk::{ContactsClient, MessageCategory};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), contacts_sdk::Error> {
/// let client = ContactsClient::builder("http://127.0.0.1:50051").connect().await?;
///
/// if client.opt_in().may_send("15551234567", MessageCategory::Marketing).await {
///     // send the template
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ContactsClient {
    shared: Arc<Shared>,
    workspace: Arc<str>,
}

struct Shared {
    transport: Transport,
    config: Config,
}

impl ContactsClient {
    /// Begins a client of the service at this address: `http://host:port`, or `https://…` with the
    /// feature `tls`.
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(endpoint.into())
    }

    fn new(transport: Transport, config: Config) -> Self {
        let workspace = config.workspace.as_str().into();
        Self { shared: Arc::new(Shared { transport, config }), workspace }
    }

    /// A client for another workspace that shares this one's connections.
    #[must_use]
    pub fn with_workspace(&self, workspace_id: impl Into<String>) -> Self {
        Self { shared: Arc::clone(&self.shared), workspace: workspace_id.into().into() }
    }

    /// The workspace of this client's calls. Empty means the server's default one.
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// Contacts: one at a time, in pages, as a stream, in bulk.
    pub fn contacts(&self) -> Contacts {
        Contacts::new(self.clone())
    }

    /// Whether people may be messaged, and the proof of it.
    pub fn opt_in(&self) -> OptIn {
        OptIn::new(self.clone())
    }

    /// The labels contacts can carry.
    pub fn tags(&self) -> Tags {
        Tags::new(self.clone())
    }

    /// The custom fields contacts can have.
    pub fn attributes(&self) -> Attributes {
        Attributes::new(self.clone())
    }

    /// Workspaces: one business each. Calls name the workspace themselves; the client's own does not
    /// matter.
    pub fn workspaces(&self) -> Workspaces {
        Workspaces::new(self.clone())
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }
}

/// The generated tonic clients, for what the typed calls leave out. They carry the client's
/// credentials but neither its deadlines nor its retries.
#[cfg(feature = "proto")]
mod raw {
    use contacts_proto::v1::{
        attribute_service_client::AttributeServiceClient,
        contact_service_client::ContactServiceClient, opt_in_service_client::OptInServiceClient,
        tag_service_client::TagServiceClient, workspace_service_client::WorkspaceServiceClient,
    };

    use super::ContactsClient;
    use crate::transport::Service;

    impl ContactsClient {
        /// The generated client of ContactService.
        pub fn raw_contacts(&self) -> ContactServiceClient<Service> {
            self.transport().contacts.clone()
        }

        /// The generated client of OptInService.
        pub fn raw_opt_in(&self) -> OptInServiceClient<Service> {
            self.transport().opt_in.clone()
        }

        /// The generated client of TagService.
        pub fn raw_tags(&self) -> TagServiceClient<Service> {
            self.transport().tags.clone()
        }

        /// The generated client of AttributeService.
        pub fn raw_attributes(&self) -> AttributeServiceClient<Service> {
            self.transport().attributes.clone()
        }

        /// The generated client of WorkspaceService.
        pub fn raw_workspaces(&self) -> WorkspaceServiceClient<Service> {
            self.transport().workspaces.clone()
        }
    }
}

impl fmt::Debug for ContactsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactsClient")
            .field("endpoint", &self.shared.config.endpoint)
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}
