//! The keys that sign decision receipts, one for each version of the key.
//!
//! They are derived, so that there is no second secret to create, copy and rotate, and every key
//! file can sign. A version is never removed from a key file, so receipts signed before a rotation
//! verify with the same file after it. From a signing key nobody can derive the key it came from.

use contacts_proto::receipt::{PublicKey, SigningKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Keyring;

impl Keyring {
    /// The key that signs receipts: that of the latest version.
    pub fn receipt_key(&self) -> &SigningKey {
        &self.last().receipt_key
    }

    /// The public keys that verify receipts, by version, oldest first.
    pub fn receipt_public_keys(&self) -> impl Iterator<Item = (u32, PublicKey)> {
        self.keys.iter().map(|key| (key.id.version, key.receipt_key.public_key()))
    }
}

/// The seed is an HMAC under the key. No other HMAC under it is of an input with this beginning.
pub(super) fn derive(state: &Hmac<Sha256>) -> SigningKey {
    let seed = state.clone().chain_update("ed25519 seed of the receipt key").finalize();
    SigningKey::from_seed(&seed.into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::KeyInit;

    fn keyring(secrets: &[[u8; 32]]) -> Keyring {
        let lines = (1..).zip(secrets).map(|(version, secret)| Keyring::line(version, secret));
        Keyring::parse(&lines.collect::<String>()).expect("a keyring")
    }

    #[test]
    fn every_version_has_a_key_of_its_own_and_the_latest_signs() {
        let (old, new) = (keyring(&[[1; 32]]), keyring(&[[1; 32], [2; 32]]));
        let keys: Vec<_> = new.receipt_public_keys().collect();
        assert_eq!(keys[0], (1, old.receipt_key().public_key()), "kept by a rotation");
        assert_eq!(keys[1], (2, new.receipt_key().public_key()));
        assert_ne!(keys[0].1, keys[1].1);
    }

    #[test]
    fn the_seed_is_the_documented_hmac() {
        let code = Hmac::<Sha256>::new_from_slice(&[7; 32])
            .expect("a key")
            .chain_update("ed25519 seed of the receipt key")
            .finalize();
        let expected = SigningKey::from_seed(&code.into_bytes().into()).public_key();
        assert_eq!(keyring(&[[7; 32]]).receipt_key().public_key(), expected);
    }

    #[test]
    fn debug_shows_no_secret() {
        let keyring = keyring(&[[7; 32]]);
        assert_eq!(format!("{keyring:?}"), "Keyring(version 1)");
        let id = keyring.receipt_key().public_key().id();
        assert_eq!(format!("{:?}", keyring.receipt_key()), format!("SigningKey(of {id})"));
    }
}
