//! The settings of a client.

use std::fmt;
use std::time::Duration;

use crate::retry::RetryPolicy;

#[derive(Clone)]
pub(crate) struct Config {
    pub endpoint: String,
    pub workspace: String,
    pub bearer_token: Option<String>,
    pub user_agent: String,
    pub connect_timeout: Duration,
    pub deadline: Duration,
    pub check_deadline: Duration,
    pub max_concurrent_checks: usize,
    pub stream_idle_timeout: Duration,
    pub retry: RetryPolicy,
    pub stream_retry: RetryPolicy,
    #[cfg(feature = "tls")]
    pub tls: Tls,
}

/// All values are PEM. Without an authority, the system's are trusted.
#[cfg(feature = "tls")]
#[derive(Clone, Default)]
pub(crate) struct Tls {
    pub authority: Option<Vec<u8>>,
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    pub domain_name: Option<String>,
}

impl Config {
    pub fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            workspace: String::new(),
            bearer_token: None,
            user_agent: USER_AGENT.to_owned(),
            connect_timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(10),
            check_deadline: Duration::from_secs(1),
            max_concurrent_checks: 256,
            stream_idle_timeout: Duration::from_secs(30),
            retry: RetryPolicy::new(),
            stream_retry: RetryPolicy::for_streams(),
            #[cfg(feature = "tls")]
            tls: Tls::default(),
        }
    }
}

/// The longest wait: a year. Longer ones are shortened, because `Duration::MAX` cannot be added to a
/// time.
pub(crate) const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) const USER_AGENT: &str = concat!("contacts-sdk/", env!("CARGO_PKG_VERSION"));

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("endpoint", &self.endpoint)
            .field("workspace", &self.workspace)
            .field("bearer_token", &self.bearer_token.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}
