//! Where the server listens, and what it shows there.

use clap::Args;
use clap::builder::FalseyValueParser;

/// Where the server listens, and what it shows there.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Listening")]
pub struct Listener {
    /// Address to listen on, as HOST:PORT.
    ///
    /// Port 0 picks a free port. The address has to be one of this machine's own
    /// (loopback) unless --insecure is set.
    #[arg(
        long,
        env = "CONTACTS_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50051"
    )]
    pub listen: String,

    /// Allow an address that other machines can reach.
    ///
    /// This version has no TLS and no authentication for clients: set it only if
    /// the network or a proxy protects the port.
    #[arg(long, env = "CONTACTS_INSECURE", value_parser = FalseyValueParser::new())]
    pub insecure: bool,

    /// Turn gRPC server reflection off.
    ///
    /// Without reflection, tools such as grpcurl need the .proto files.
    #[arg(long, env = "CONTACTS_NO_REFLECTION", value_parser = FalseyValueParser::new())]
    pub no_reflection: bool,
}
