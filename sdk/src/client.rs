mod builder;
#[cfg(feature = "proto")]
mod raw;

use std::fmt;

pub use builder::ClientBuilder;

use crate::api_tokens::ApiTokens;
use crate::attributes::Attributes;
use crate::contacts::Contacts;
use crate::handle::Handle;
use crate::opt_in::OptIn;
use crate::tags::Tags;
use crate::webhooks::Webhooks;
use crate::workspaces::Workspaces;

/// A client of the contacts service.
///
/// Cheap to clone: all clones share two connections, one for single calls and one for streams. A
/// broken connection is replaced on the next call.
///
/// The client resolves the server's name when it connects and does not balance load. Put an HTTP/2
/// load balancer in front of several servers.
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
    handle: Handle,
}

impl ContactsClient {
    /// Starts building a client for the server at this address: `http://host:port`, or `https://…`
    /// with the feature `tls`.
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(endpoint.into())
    }

    fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Returns a client for another workspace over the same connections.
    #[must_use]
    pub fn with_workspace(&self, workspace_id: impl Into<String>) -> Self {
        Self { handle: self.handle.with_workspace(workspace_id.into()) }
    }

    /// The workspace of this client's calls. Empty means the server's default workspace.
    pub fn workspace(&self) -> &str {
        self.handle.workspace()
    }

    /// Contacts: create, read, update, delete, list, stream and import.
    pub fn contacts(&self) -> Contacts {
        Contacts::new(self.handle.clone())
    }

    /// Consent: check whether a person may be messaged, and record opt-ins and opt-outs.
    pub fn opt_in(&self) -> OptIn {
        OptIn::new(self.handle.clone())
    }

    /// Tags: the labels that contacts can have.
    pub fn tags(&self) -> Tags {
        Tags::new(self.handle.clone())
    }

    /// Attributes: the custom fields that contacts can have.
    pub fn attributes(&self) -> Attributes {
        Attributes::new(self.handle.clone())
    }

    /// Webhooks: forward what Meta sends, to record stops, resumes and changes of numbers.
    pub fn webhooks(&self) -> Webhooks {
        Webhooks::new(self.handle.clone())
    }

    /// Workspaces: one per business. These calls take the workspace as a parameter and ignore the
    /// client's own.
    pub fn workspaces(&self) -> Workspaces {
        Workspaces::new(self.handle.clone())
    }

    /// API tokens, with which callers authenticate. These calls ignore the client's workspace.
    pub fn api_tokens(&self) -> ApiTokens {
        ApiTokens::new(self.handle.clone())
    }
}

impl fmt::Debug for ContactsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactsClient")
            .field("endpoint", &self.handle.config().endpoint)
            .field("workspace", &self.workspace())
            .finish_non_exhaustive()
    }
}
