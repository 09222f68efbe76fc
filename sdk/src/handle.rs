//! What every call needs: the connections, the settings and the workspace.

use std::fmt;
use std::sync::Arc;

use crate::config::Config;
use crate::transport::Transport;

/// Shared by a client, its clones, and the requests that they make.
#[derive(Clone)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    workspace: Arc<str>,
}

struct Shared {
    transport: Transport,
    config: Config,
}

impl Handle {
    pub fn new(transport: Transport, config: Config) -> Self {
        let workspace = config.workspace.as_str().into();
        Self { shared: Arc::new(Shared { transport, config }), workspace }
    }

    /// The same connections and settings for another workspace.
    pub fn with_workspace(&self, workspace_id: String) -> Self {
        Self { shared: Arc::clone(&self.shared), workspace: workspace_id.into() }
    }

    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// The `workspace_id` of a request message.
    pub fn workspace_id(&self) -> String {
        self.workspace.as_ref().to_owned()
    }

    pub fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    pub fn config(&self) -> &Config {
        &self.shared.config
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("endpoint", &self.shared.config.endpoint)
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}
