//! How webhooks are verified.

use std::path::PathBuf;

use clap::Args;

/// How webhooks are verified.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Webhooks")]
pub struct Webhook {
    /// File with the secrets of the apps at Meta that send webhooks, one per line.
    ///
    /// With it, IngestWhatsAppWebhook takes only webhooks whose signature fits one of
    /// them. To rotate a secret, add the new one, restart the servers, change it at
    /// Meta, then remove the old one. Without it, signatures are not verified.
    #[arg(long = "webhook-secret-file", env = "CONTACTS_WEBHOOK_SECRET_FILE", value_name = "PATH")]
    pub webhook_secret_file: Option<PathBuf>,
}
