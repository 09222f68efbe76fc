//! Keyed hashes of phone numbers and user ids, for people whose identity must not be stored: erased
//! people, and people who opted out without being a contact.
//!
//! A plain hash of a phone number can be reversed by hashing all phone numbers. A keyed hash (HMAC)
//! cannot, as long as the key is not in the database.

mod receipt_key;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contacts_proto::receipt::SigningKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip::SipHasher13;
use thiserror::Error;

use super::phone::MatchKey;

/// The secret bytes of a key.
pub type Secret = [u8; 32];

/// Identifies a key in the database, without revealing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId {
    /// Version of the key, counted from 1.
    pub version: u32,
    /// An HMAC under the key, from which the key cannot be derived.
    pub fingerprint: [u8; 16],
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.version, u128::from_be_bytes(self.fingerprint))
    }
}

/// All versions of the key. New rows are written under the latest version. Rows written under an
/// older version are found as long as that version is in the keyring.
#[derive(Clone)]
pub struct Keyring {
    /// In ascending order of their versions; at least one.
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: KeyId,
    /// HMAC state initialised with the secret, to be cloned for each hash.
    state: Hmac<Sha256>,
    receipt_key: SigningKey,
}

/// Makes 64-bit keyed hashes of identities, fast: to find those that changed among those that are
/// in memory. Different identities may have the same tag.
#[derive(Clone, Copy)]
pub struct Tagger {
    key_version: u32,
    state: SipHasher13,
}

impl Tagger {
    /// The version of the key of its tags.
    pub fn key_version(&self) -> u32 {
        self.key_version
    }

    /// The tag of a key as it is stored.
    pub fn tag(&self, stored_key: &str) -> u64 {
        self.state.hash(stored_key.as_bytes())
    }
}

/// Error of [`Keyring::parse`]. The messages never repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// The text contains no key.
    #[error("it has no key")]
    Empty,
    /// The line is not empty, not a comment and not a key.
    #[error("line {0} is not a version number, a space and 43 characters of base64url")]
    Malformed(usize),
    /// The versions are not in ascending order.
    #[error("the version in line {0} is not greater than the one before")]
    Order(usize),
}

impl Keyring {
    /// Creates a keyring of one key, as version 1.
    pub fn new(secret: &Secret) -> Self {
        Self { keys: vec![Key::new(1, secret)] }
    }

    /// Parses a key file: one key per line, as written by [`Keyring::line`], in ascending order of
    /// versions. Empty lines and lines that begin with `#` are ignored.
    ///
    /// # Errors
    /// See [`KeyringError`].
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (version, secret) = read_line(line).ok_or(KeyringError::Malformed(number))?;
            if keys.last().map_or(0, |last| last.id.version) >= version {
                return Err(KeyringError::Order(number));
            }
            keys.push(Key::new(version, &secret));
        }
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self { keys }) }
    }

    /// Formats a key as a line of a key file, including the newline.
    pub fn line(version: u32, secret: &Secret) -> String {
        format!("{version} {}\n", URL_SAFE_NO_PAD.encode(secret))
    }

    /// The latest key, under which new rows are written.
    pub fn current(&self) -> KeyId {
        self.last().id
    }

    /// All keys, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|key| key.id)
    }

    /// The first of the registered keys that is not in the keyring.
    pub fn missing(&self, registered: &[KeyId]) -> Option<KeyId> {
        registered.iter().find(|key| self.ids().all(|id| id != **key)).copied()
    }

    /// Whether these, as [`KeyId`] displays them, are all in the keyring.
    pub fn has_all(&self, keys: &[String]) -> bool {
        keys.iter().all(|key| self.ids().any(|id| id.to_string() == *key))
    }

    /// The key of a hashed match key. Returns `None` if it is not in the keyring.
    pub fn key_of(&self, hashed: &MatchKey) -> Option<KeyId> {
        let (version, _) = hashed.as_str().strip_prefix('h')?.split_once(':')?;
        let version: u32 = version.parse().ok()?;
        self.ids().find(|key| key.version == version)
    }

    /// Hashes a match key under the latest key.
    pub fn hashed(&self, workspace_id: &str, key: &MatchKey) -> MatchKey {
        self.last().hashed(workspace_id, key)
    }

    /// Hashes a match key under every key, oldest first. A person may be stored under any of them.
    pub fn hashed_all(&self, workspace_id: &str, key: &MatchKey) -> impl Iterator<Item = MatchKey> {
        self.keys.iter().map(move |secret| secret.hashed(workspace_id, key))
    }

    /// Computes an HMAC of a hash under the latest key, so that its input cannot be guessed.
    pub fn seal(&self, hash: &[u8; 32]) -> [u8; 32] {
        self.last().seal(hash)
    }

    /// The results of [`Keyring::seal`] under every key, oldest first.
    pub fn seals(&self, hash: &[u8; 32]) -> impl Iterator<Item = [u8; 32]> {
        self.keys.iter().map(move |key| key.seal(hash))
    }

    /// Makes the tags of identities in a workspace, under the latest key.
    pub fn tagger(&self, workspace_id: &str) -> Tagger {
        let key = self.last();
        let secret = key.state.clone().chain_update("tags of changes").chain_update(workspace_id);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&secret.finalize().into_bytes()[..16]);
        Tagger { key_version: key.id.version, state: SipHasher13::new_with_key(&bytes) }
    }

    fn last(&self) -> &Key {
        self.keys.last().expect("a keyring has a key")
    }
}

impl Key {
    fn new(version: u32, secret: &Secret) -> Self {
        let state = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
        let code = state.clone().chain_update("fingerprint of a suppression key").finalize();
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&code.into_bytes()[..16]);
        let receipt_key = receipt_key::derive(&state);
        Self { id: KeyId { version, fingerprint }, state, receipt_key }
    }

    fn seal(&self, hash: &[u8; 32]) -> [u8; 32] {
        self.state.clone().chain_update("seal").chain_update(hash).finalize().into_bytes().into()
    }

    fn hashed(&self, workspace_id: &str, key: &MatchKey) -> MatchKey {
        // The length prefix separates the workspace id from the match key.
        let code = self
            .state
            .clone()
            .chain_update((workspace_id.len() as u64).to_be_bytes())
            .chain_update(workspace_id)
            .chain_update(key.as_str())
            .finalize();
        MatchKey::hashed(self.id.version, &URL_SAFE_NO_PAD.encode(code.into_bytes()))
    }
}

fn read_line(line: &str) -> Option<(u32, Secret)> {
    let (version, secret) = line.split_once(' ')?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    let secret = URL_SAFE_NO_PAD.decode(secret.trim()).ok()?;
    Some((version, secret.try_into().ok()?))
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring(version {})", self.current().version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::phone::match_key_of;

    fn keyring(secrets: &[Secret]) -> Keyring {
        let lines = (1..).zip(secrets).map(|(version, secret)| Keyring::line(version, secret));
        Keyring::parse(&lines.collect::<String>()).expect("a keyring")
    }

    #[test]
    fn a_person_is_found_under_every_version() {
        let ana = match_key_of("5521987654321").expect("a number");
        let (old, new) = (keyring(&[[1; 32]]), keyring(&[[1; 32], [2; 32]]));
        let found: Vec<_> = new.hashed_all("acme", &ana).collect();
        assert_eq!(found, [old.hashed("acme", &ana), new.hashed("acme", &ana)]);
        assert_ne!(found[0], found[1]);
        assert!(found.iter().all(MatchKey::is_hashed) && !ana.is_hashed());
        // All forms of a number have the same hash; in another workspace the hash is different.
        let short = match_key_of("552187654321").expect("a number");
        assert_eq!(new.hashed("acme", &short), found[1]);
        assert_ne!(new.hashed("acm", &ana), found[1]);
    }

    #[test]
    fn the_hash_is_the_documented_hmac() {
        let key = keyring(&[[7; 32]]);
        let ana = match_key_of("15551234567").expect("a number");
        let code = Hmac::<Sha256>::new_from_slice(&[7; 32])
            .expect("a key")
            .chain_update(b"\0\0\0\0\0\0\0\x04acmep15551234567")
            .finalize();
        let expected = format!("h1:{}", URL_SAFE_NO_PAD.encode(code.into_bytes()));
        assert_eq!(key.hashed("acme", &ana).as_str(), expected);
    }

    #[test]
    fn a_key_is_identified_by_version_and_fingerprint() {
        let (one, two) = (keyring(&[[1; 32]]), keyring(&[[1; 32], [2; 32]]));
        assert_eq!(two.current().version, 2);
        assert_eq!(two.missing(&[one.current()]), None);
        assert_eq!(one.missing(&[one.current(), two.current()]), Some(two.current()));
        let other = keyring(&[[3; 32]]);
        assert_eq!(other.missing(&[one.current()]).map(|key| key.version), Some(1));
    }

    #[test]
    fn malformed_key_files_are_rejected() {
        let key = Keyring::line(1, &[1; 32]);
        let second = Keyring::line(2, &[2; 32]);
        assert!(Keyring::parse(&format!("# a comment\n\n{key}{second}")).is_ok());
        for (text, error) in [
            (String::new(), KeyringError::Empty),
            ("# none\n".to_owned(), KeyringError::Empty),
            (format!("{key}{key}"), KeyringError::Order(2)),
            (format!("{second}{key}"), KeyringError::Order(2)),
            (format!("\n{}", &key[..30]), KeyringError::Malformed(2)),
            (key.replacen('1', "0", 1), KeyringError::Malformed(1)),
            (key.replacen('1', "one", 1), KeyringError::Malformed(1)),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), KeyringError::Malformed(1)),
        ] {
            assert_eq!(Keyring::parse(&text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", keyring(&[[1; 32]])), "Keyring(version 1)");
    }
}
