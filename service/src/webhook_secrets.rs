//! The secrets that verify webhooks, and the file they are in.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::domain::error::{Error, Reason, Result};
use crate::domain::webhook::{SignatureError, verify_signature};
use crate::key_file::is_exposed;

/// Most secrets: each is tried for a webhook that none fits.
const MAX_SECRETS: usize = 16;
/// Longest secret, in bytes. Meta's have 32.
const MAX_SECRET: usize = 256;
/// Largest file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Why the file cannot be used. The messages show no secret.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSecretError {
    /// It cannot be read.
    #[error("cannot read the webhook secret file {}: {source}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Reason of the operating system.
        source: io::Error,
    },
    /// Other users could read or change it.
    #[error(
        "other users can read or change the webhook secret file {}: run chmod 600 on it (640 if root \
         owns it)",
        .0.display()
    )]
    Exposed(PathBuf),
    /// It has no secret, so that nothing would be verified, or nothing pass.
    #[error(
        "{} has no secret: write the app secret of the app's basic settings at Meta into it, one per \
         line",
        .0.display()
    )]
    Empty(PathBuf),
    /// A line cannot be a secret.
    #[error(
        "line {line} of {} is no app secret: expected 8 to {MAX_SECRET} visible ASCII characters",
        path.display()
    )]
    Malformed {
        /// Path of the file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// More than are tried.
    #[error("{} has more than {MAX_SECRETS} secrets: remove old ones", .0.display())]
    TooMany(PathBuf),
}

/// The secrets of a server. Without any, webhooks are not verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookSecrets(Vec<SecretString>);

impl WebhookSecrets {
    /// Reads a file: one secret per line. Empty lines and lines that begin with `#` are ignored.
    pub(crate) fn read(path: &Path) -> std::result::Result<Self, WebhookSecretError> {
        let failed = |source| WebhookSecretError::Io { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if is_exposed(&metadata) {
            return Err(WebhookSecretError::Exposed(path.into()));
        }
        if metadata.len() > MAX_FILE {
            return Err(WebhookSecretError::TooMany(path.into()));
        }
        let mut text = String::new();
        file.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
        let text = SecretString::from(text);
        let mut secrets = Vec::new();
        for (index, line) in text.expose_secret().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fits = (8..=MAX_SECRET).contains(&line.len())
                && line.bytes().all(|byte| byte.is_ascii_graphic());
            if !fits {
                return Err(WebhookSecretError::Malformed { path: path.into(), line: index + 1 });
            }
            secrets.push(SecretString::from(line));
        }
        match secrets.len() {
            0 => Err(WebhookSecretError::Empty(path.into())),
            1..=MAX_SECRETS => Ok(Self(secrets)),
            _ => Err(WebhookSecretError::TooMany(path.into())),
        }
    }

    /// Whether the signature was verified: with any of the secrets. False without secrets.
    ///
    /// # Errors
    /// When no secret fits.
    pub(crate) fn verify(&self, payload: &[u8], signature: &str) -> Result<bool> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let mut refused = SignatureError::Missing;
        for secret in &self.0 {
            match verify_signature(secret.expose_secret().as_bytes(), payload, signature) {
                Ok(()) => return Ok(true),
                Err(error) => refused = error,
            }
        }
        Err(Error::invalid(Reason::InvalidSignature, "signature", refused.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &str = "# rotated in May\n0123456789abcdef\n\n  fedcba9876543210 \n";

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    }

    #[test]
    fn each_line_is_a_secret() {
        let secrets = WebhookSecrets::read(file(SECRETS).path()).expect("secrets");
        let found: Vec<_> = secrets.0.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(found, ["0123456789abcdef", "fedcba9876543210"]);
        assert!(!format!("{secrets:?}").contains("0123"));
        assert!(!WebhookSecrets::default().verify(b"{}", "").expect("nothing to verify"));
        let refused = secrets.verify(b"{}", "").expect_err("unsigned");
        assert_eq!(
            (refused.reason(), refused.field()),
            (Reason::InvalidSignature, Some("signature"))
        );
    }

    #[test]
    fn files_without_secrets_are_refused_without_showing_them() {
        let many = "0123456789abcdef\n".repeat(MAX_SECRETS + 1);
        let long = "x".repeat(MAX_SECRET + 1);
        for (text, expected) in [
            ("", "has no secret"),
            ("# none\n\n", "has no secret"),
            ("0123456789abcdef\nsecr3t\n", "line 2"),
            ("two 0123456789\n", "line 1"),
            ("s3crét-s3crét", "line 1"),
            (&long, "line 1"),
            (&many, "more than 16"),
        ] {
            let refused = WebhookSecrets::read(file(text).path()).expect_err(text).to_string();
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains("secr3t") && !refused.contains("0123"), "{refused}");
        }
        let missing = WebhookSecrets::read(Path::new("no/such/file")).expect_err("missing");
        assert!(missing.to_string().contains("no/such/file"), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let file = file(SECRETS);
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(file.path(), mode).expect("a mode");
        let refused = WebhookSecrets::read(file.path()).expect_err("exposed").to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
