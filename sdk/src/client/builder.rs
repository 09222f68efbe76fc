use std::time::Duration;

use super::ContactsClient;
use crate::config::{Config, USER_AGENT};
use crate::error::Result;
use crate::retry::RetryPolicy;
use crate::transport::Transport;

/// The settings of a [`ContactsClient`], each with a default that fits most programs.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    config: Config,
}

impl ClientBuilder {
    pub(super) fn new(endpoint: String) -> Self {
        Self { config: Config::new(endpoint) }
    }

    /// Sets the workspace of all calls. Without it the server's default one is meant.
    pub fn workspace(mut self, workspace_id: impl Into<String>) -> Self {
        self.config.workspace = workspace_id.into();
        self
    }

    /// Sets the token to send with every call. It is never printed; over `http://` everybody on the
    /// way can read it.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.config.bearer_token = Some(token.into());
        self
    }

    /// Sets how long to wait for a connection: 5 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Sets how long a call may take, retries included: 10 s by default. Each call can have its own.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.config.deadline = deadline;
        self
    }

    /// The same for opt-in checks: 1 s by default, because somebody waits to send.
    pub fn check_deadline(mut self, deadline: Duration) -> Self {
        self.config.check_deadline = deadline;
        self
    }

    /// Sets how long a stream may be silent before it is taken for broken and made anew: 30 s by
    /// default. Keep it above the server's heartbeat, which comes every few seconds.
    pub fn stream_idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.stream_idle_timeout = timeout;
        self
    }

    /// Sets how calls are repeated.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.config.retry = policy;
        self
    }

    /// Sets how broken streams are made anew.
    pub fn stream_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.config.stream_retry = policy;
        self
    }

    /// Sets the name of your program, which the server sees before this crate's.
    pub fn user_agent(mut self, program: &str) -> Self {
        self.config.user_agent = format!("{program} {USER_AGENT}");
        self
    }

    /// Sets the authority that signed the server's certificate, as PEM, in place of the system's.
    #[cfg(feature = "tls")]
    pub fn tls_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.config.tls.authority = Some(pem.into());
        self
    }

    /// Sets the certificate and private key this client shows to the server, as PEM.
    #[cfg(feature = "tls")]
    pub fn tls_identity(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.config.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Sets the name the server's certificate has to be for, if it is not the address's.
    #[cfg(feature = "tls")]
    pub fn tls_domain_name(mut self, name: impl Into<String>) -> Self {
        self.config.tls.domain_name = Some(name.into());
        self
    }

    /// Connects.
    ///
    /// Fails with [`is_invalid_argument`](crate::Error::is_invalid_argument) for a setting that
    /// cannot be right, and with [`is_unavailable`](crate::Error::is_unavailable) if nobody answers
    /// within the connect timeout; this is not repeated, so that a wrong address shows at once.
    pub async fn connect(self) -> Result<ContactsClient> {
        let transport = Transport::connect(&self.config).await?;
        Ok(ContactsClient::new(transport, self.config))
    }

    /// Makes a client that connects with its first call. Needs to run within a tokio runtime.
    ///
    /// Fails only for a setting that cannot be right.
    pub fn connect_lazy(self) -> Result<ContactsClient> {
        let transport = Transport::connect_lazy(&self.config)?;
        Ok(ContactsClient::new(transport, self.config))
    }
}
