use std::time::Duration;

use super::ContactsClient;
use crate::config::{Config, USER_AGENT};
use crate::error::Result;
use crate::handle::Handle;
use crate::retry::RetryPolicy;
use crate::transport::Transport;

/// Settings of a [`ContactsClient`]. Every setting has a default.
///
/// ```no_run
/// # async fn example() -> Result<(), contacts_sdk::Error> {
/// use std::time::Duration;
///
/// use contacts_sdk::ContactsClient;
///
/// let client = ContactsClient::builder("http://127.0.0.1:50051")
///     .workspace("acme")
///     .check_deadline(Duration::from_millis(300))
///     .user_agent("campaigns/2.1")
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    config: Config,
}

impl ClientBuilder {
    pub(super) fn new(endpoint: String) -> Self {
        Self { config: Config::new(endpoint) }
    }

    /// Sets the workspace of all calls. Default: the server's default workspace.
    pub fn workspace(mut self, workspace_id: impl Into<String>) -> Self {
        self.config.workspace = workspace_id.into();
        self
    }

    /// Sets the bearer token that is sent with every call. Default: none.
    ///
    /// `Debug` output never contains the token. Over `http://` it is sent unencrypted.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.config.bearer_token = Some(token.into());
        self
    }

    /// Sets how long to wait for a connection. Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Sets how long a call may take, retries included. Default: 10 s.
    ///
    /// A single call can override it. Opt-in checks have their own
    /// [deadline](Self::check_deadline).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.config.deadline = deadline;
        self
    }

    /// Sets how long an opt-in check may take, retries included. Default: 1 s.
    pub fn check_deadline(mut self, deadline: Duration) -> Self {
        self.config.check_deadline = deadline;
        self
    }

    /// Sets how many [single checks](crate::OptIn::check) this client sends at a time, all its clones
    /// together. Default: 256. Batches and streams of checks do not count.
    ///
    /// Fewer are sent while the server refuses some or answers too late. Further ones wait until
    /// their deadline. The newest is sent next: when more are asked than can be answered, some are
    /// late instead of all.
    pub fn max_concurrent_checks(mut self, checks: usize) -> Self {
        self.config.max_concurrent_checks = checks;
        self
    }

    /// Sets how long a stream may be silent before the client reconnects. Default: 30 s.
    ///
    /// Keep it longer than the server's heartbeat, which is sent every few seconds.
    pub fn stream_idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.stream_idle_timeout = timeout;
        self
    }

    /// Sets how failed calls are retried. Default: [`RetryPolicy::new`].
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.config.retry = policy;
        self
    }

    /// Sets how broken streams are resumed. Default: [`RetryPolicy::for_streams`].
    pub fn stream_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.config.stream_retry = policy;
        self
    }

    /// Puts the name of your program in front of this crate's in the `user-agent` header.
    pub fn user_agent(mut self, program: &str) -> Self {
        self.config.user_agent = format!("{program} {USER_AGENT}");
        self
    }

    /// Sets the certificate authority that signed the server's certificate, as PEM. Default: the
    /// system's authorities.
    #[cfg(feature = "tls")]
    pub fn tls_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.config.tls.authority = Some(pem.into());
        self
    }

    /// Sets the client certificate and its private key, as PEM. Default: none.
    #[cfg(feature = "tls")]
    pub fn tls_identity(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.config.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Sets the domain name that the server's certificate must be valid for. Default: the host of
    /// the address.
    #[cfg(feature = "tls")]
    pub fn tls_domain_name(mut self, name: impl Into<String>) -> Self {
        self.config.tls.domain_name = Some(name.into());
        self
    }

    /// Connects to the server.
    ///
    /// Tries once and does not retry, so that a wrong address is reported at once.
    ///
    /// # Errors
    ///
    /// - [`is_invalid_argument`](crate::Error::is_invalid_argument): a setting is not valid.
    /// - [`is_unavailable`](crate::Error::is_unavailable): no connection within the
    ///   [connect timeout](Self::connect_timeout).
    pub async fn connect(self) -> Result<ContactsClient> {
        let transport = Transport::connect(&self.config).await?;
        Ok(ContactsClient::new(Handle::new(transport, self.config)))
    }

    /// Creates a client that connects on its first call. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument): a setting is not valid.
    pub fn connect_lazy(self) -> Result<ContactsClient> {
        let transport = Transport::connect_lazy(&self.config)?;
        Ok(ContactsClient::new(Handle::new(transport, self.config)))
    }
}
