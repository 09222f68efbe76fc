use std::error::Error;
use std::fmt;

use super::KeyId;

/// Why a receipt does not verify. The messages say what to do, and repeat nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The text is not a receipt.
    Malformed,
    /// The text begins as a receipt, and its end is missing.
    Truncated,
    /// A format that this version does not know.
    UnknownVersion(u32),
    /// None of the given keys has the id that the receipt names.
    UnknownKey(KeyId),
    /// The named key did not sign this text.
    InvalidSignature,
    /// The signature is valid, but the salt is not the one that was signed.
    InvalidSalt,
}

/// The text or bytes are not an Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKeyError;

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str(
                "this is not a decision receipt: pass the text that the check returned, unchanged; \
                 it begins with cr1. and has three or four parts between dots",
            ),
            Self::Truncated => f.write_str(
                "the end of the receipt is missing: pass the whole text that the check returned; \
                 a field that it was stored in may have been too short",
            ),
            Self::UnknownVersion(version) => write!(
                f,
                "the receipt has format cr{version}, and this program knows cr1 only: verify it \
                 with a newer version"
            ),
            Self::UnknownKey(id) => write!(
                f,
                "the receipt names key {id}, which is not among the given public keys: if you \
                 trust the server it is from, add the key that `contacts-service receipt \
                 public-keys` prints there"
            ),
            Self::InvalidSignature => f.write_str(
                "the signature does not match: the receipt was changed or forged; do not rely on \
                 it, and ask for the original",
            ),
            Self::InvalidSalt => f.write_str(
                "the part after the third dot was changed: ask for the original; without that \
                 part and its dot the receipt verifies, but does not show whom it is about",
            ),
        }
    }
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this is not a public key: pass the 43 characters that `contacts-service receipt \
             public-keys` prints behind the key's id",
        )
    }
}

impl Error for ReceiptError {}
impl Error for PublicKeyError {}
