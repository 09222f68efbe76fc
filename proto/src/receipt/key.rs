//! Ed25519 keys of receipts.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use sha2::{Digest, Sha256};

use super::PublicKeyError;
use super::text::SIGNATURE_SIZE;

/// Signed before the text of a receipt, so that a signature for any other purpose is none of a
/// receipt.
const CONTEXT: &str = "contacts-receipt/1\n";

/// The secret key of a server. `Debug` shows the id of its public key only.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// The public key that verifies the receipts of a server.
///
/// `Display` and `FromStr` use 43 characters of base64url, as `contacts-service receipt
/// public-keys` prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Names a public key: the first 8 bytes of its SHA-256. Shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl SigningKey {
    /// Creates the key from its seed, which has to be secret and uniformly random.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The key that verifies its signatures.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, text: &str) -> [u8; SIGNATURE_SIZE] {
        self.0.sign(&message(text)).to_bytes()
    }
}

impl PublicKey {
    /// Reads the 32 bytes of a public key.
    ///
    /// # Errors
    /// If they are no point of the curve, or one of the few for which signatures can be forged.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or(PublicKeyError)
    }

    /// The key as 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The id by which receipts name the key.
    pub fn id(&self) -> KeyId {
        let hash: [u8; 32] = Sha256::digest(self.0.as_bytes()).into();
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        KeyId(id)
    }

    pub(super) fn verify(&self, text: &str, signature: &[u8; SIGNATURE_SIZE]) -> bool {
        self.0.verify_strict(&message(text), &Signature::from_bytes(signature)).is_ok()
    }
}

fn message(text: &str) -> Vec<u8> {
    [CONTEXT, text].concat().into_bytes()
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PublicKeyError)?;
        Self::from_bytes(&bytes.try_into().map_err(|_| PublicKeyError)?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public_key().id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}
