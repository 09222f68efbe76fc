//! The address and the settings of a connection.

use std::time::Duration;

use tonic::transport::Endpoint;

#[cfg(feature = "tls")]
use super::status::root_cause;
use crate::config::Config;
use crate::error::{Error, Result};

/// With tonic's default windows, a stream reaches a third of this throughput at 13 ms round-trip
/// time.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn endpoint(config: &Config) -> Result<Endpoint> {
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
    // tonic reads text without a certificate as an empty list of authorities.
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
        Error::invalid_argument(format!("the TLS settings are not valid: {}", root_cause(&error)))
    })
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Endpoint, _: &Config) -> Result<Endpoint> {
    Err(Error::invalid_argument("an https address needs the feature `tls` of contacts-sdk"))
}
