//! Who may use the server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Who may use the server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Access")]
pub struct Access {
    /// How callers authenticate: not at all, or with API tokens.
    ///
    /// With `tokens`, every call but those of the health service needs one:
    /// `contacts-service token create` makes the first.
    #[arg(long, env = "CONTACTS_AUTH", value_name = "HOW", value_enum, default_value = "none")]
    pub auth: Auth,

    /// File with the server's TLS certificate and those that signed it, as PEM.
    ///
    /// With it, clients have to connect with TLS. The files of certificates and key
    /// are read again when they change.
    #[arg(long, env = "CONTACTS_TLS_CERT", value_name = "PATH")]
    pub tls_cert: Option<PathBuf>,

    /// File with the private key of the certificate, as PEM.
    #[arg(long, env = "CONTACTS_TLS_KEY", value_name = "PATH")]
    pub tls_key: Option<PathBuf>,

    /// File with the authorities of client certificates, as PEM.
    ///
    /// With it, clients need a certificate that one of them signed (mTLS), besides
    /// their tokens.
    #[arg(long, env = "CONTACTS_TLS_CLIENT_CA", value_name = "PATH")]
    pub tls_client_ca: Option<PathBuf>,
}

/// How callers authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Everybody may do everything.
    None,
    /// With API tokens.
    Tokens,
}

impl Auth {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tokens => "tokens",
        }
    }
}
