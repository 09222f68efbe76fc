//! The seal of a run of an export.

use sha2::{Digest, Sha256};

use super::line::{EndLine, Line, hex};
use crate::domain::error::Result;
use crate::domain::keyring::Keyring;

/// Computes an HMAC of all lines of a run under the newest key of the key file. The chain covers the
/// events; this the policies, the contacts and the suppressions too, and nobody without the key file
/// can make it.
pub(super) struct Seal(Sha256);

/// Of a run without lines.
impl Default for Seal {
    fn default() -> Self {
        Self(Sha256::new_with_prefix("contacts-ledger-export/1\n"))
    }
}

impl Seal {
    /// Adds a line, which ends where its JSON does.
    pub(super) fn add(&mut self, line: &[u8]) {
        self.0.update(line);
        self.0.update(b"\n");
    }

    /// The last line, with the seal.
    pub(super) fn end(self, end: EndLine, keyring: &Keyring) -> Result<EndLine> {
        let hash = self.finish(&end)?;
        Ok(EndLine { seal: hex(&keyring.seal(&hash)), ..end })
    }

    /// Whether this last line has the seal of the lines, made under any key.
    pub(super) fn matches(self, end: &EndLine, keyring: &Keyring) -> Result<bool> {
        let hash = self.finish(end)?;
        Ok(keyring.seals(&hash).any(|seal| hex(&seal) == end.seal))
    }

    fn finish(mut self, end: &EndLine) -> Result<[u8; 32]> {
        let unsealed = EndLine { head: end.head.clone(), seal: String::new(), ..*end };
        self.add(Line::End(unsealed).encode()?.as_bytes());
        Ok(self.0.finalize().into())
    }
}
