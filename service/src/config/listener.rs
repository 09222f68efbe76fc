//! Where the server listens, and what it shows there.

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

/// Where the server listens, and what it shows there.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Listening")]
pub struct Listener {
    /// Address to listen on, as HOST:PORT.
    ///
    /// Port 0 picks a free port. An address that other machines can reach needs
    /// --auth tokens, --tls-cert and --tls-key, or --insecure.
    #[arg(
        long,
        env = "CONTACTS_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50051"
    )]
    pub listen: String,

    /// Address to serve metrics for Prometheus on, as HOST:PORT.
    ///
    /// Under /metrics, over HTTP and without a token, also where --listen needs both: give one that only
    /// Prometheus reaches. Like --listen, one that other machines can reach needs --auth tokens,
    /// --tls-cert and --tls-key, or --insecure. Without it, nothing is measured.
    #[arg(long, env = "CONTACTS_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<String>,

    /// Allow an address that other machines can reach without tokens or TLS.
    ///
    /// Set it only if the network or a proxy protects the port.
    #[arg(long, env = "CONTACTS_INSECURE", value_parser = FalseyValueParser::new())]
    pub insecure: bool,

    /// Whether gRPC server reflection describes the API.
    ///
    /// Without it, tools such as grpcurl need the .proto files. With --auth tokens, it
    /// needs a token like every call.
    #[arg(
        long,
        env = "CONTACTS_REFLECTION",
        value_name = "SWITCH",
        value_enum,
        default_value = "on"
    )]
    pub reflection: Switch,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "they say it")]
pub enum Switch {
    On,
    Off,
}
