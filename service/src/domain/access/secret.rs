//! The secret of an API token, and its hash.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What every token begins with, so that people and scanners of leaked secrets recognise it.
const PREFIX: &str = "contacts_";
/// Characters after the prefix: 32 bytes in base64.
const CHARACTERS: usize = 43;

/// The secret of a token. `Debug` does not show it.
pub struct TokenSecret(String);

impl TokenSecret {
    /// Makes a token of 256 random bits.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text to give to the caller, once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}

/// SHA-256 of a token, which is what is stored and looked up. A token has 256 random bits, so
/// that a plain hash cannot be guessed; and since only hashes are compared, the time that a
/// comparison takes tells nothing about a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token. None if the text does not have the form of one.
    pub fn of(text: &str) -> Option<Self> {
        let is_part = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        let random = text.strip_prefix(PREFIX)?;
        let is_token = random.len() == CHARACTERS && random.bytes().all(is_part);
        is_token.then(|| Self(Sha256::digest(text).into()))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_a_prefix_and_43_characters() {
        let secret = TokenSecret::from_random([0xff; 32]);
        assert_eq!(secret.expose().len(), 52);
        assert!(secret.expose().starts_with("contacts_") && !format!("{secret:?}").contains('_'));
        let hash = TokenHash::of(secret.expose()).expect("a token");
        assert_eq!(hash.0, <[u8; 32]>::from(Sha256::digest(secret.expose())));
        assert_ne!(TokenHash::of(TokenSecret::from_random([0; 32]).expose()), Some(hash));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let secret = TokenSecret::from_random([1; 32]);
        let text = secret.expose();
        for bad in [
            "",
            "contacts_",
            &text[..51],
            &format!("{text}A"),
            &format!(" {}", &text[1..]),
            &text.replace("contacts_", "Contacts_"),
            &format!("{}=", &text[..51]),
            &format!("{}é", &text[..50]),
        ] {
            assert_eq!(TokenHash::of(bad), None, "{bad:?}");
        }
    }
}
