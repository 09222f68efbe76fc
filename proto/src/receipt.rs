//! Decision receipts: signed statements of what a check was asked and what it answered, verified
//! offline.
//!
//! The format is described at [`DecisionStatement`]. The server signs with [`sign`]; programs that
//! only verify use `contacts_sdk::receipt`, which has plain types.

mod error;
mod key;
mod recipient;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

pub use error::{PublicKeyError, ReceiptError};
pub use key::{KeyId, PublicKey, SigningKey};
use prost::Message;
pub use recipient::{Recipient, SALT_SIZE, Salt};
use text::Parts;
pub use text::without_salt;

use crate::v1::DecisionStatement;

/// A statement whose signature was verified.
///
/// `Debug` leaves out the salt, so that nobody can find out the person from a log.
#[derive(Clone, PartialEq)]
pub struct VerifiedReceipt {
    /// What was asked and answered.
    pub statement: DecisionStatement,
    /// The key that signed it.
    pub key_id: KeyId,
    salt: Option<Salt>,
}

/// Signs a statement and returns the text of the receipt.
///
/// Sets `key_id`, `recipient_hashes` and `salt_hash` of the statement. `recipients` are all ids by
/// which the receipt can be recognised later. The salt has to be random and new for every receipt.
pub fn sign<'a>(
    key: &SigningKey,
    mut statement: DecisionStatement,
    recipients: impl IntoIterator<Item = Recipient<'a>>,
    salt: &Salt,
) -> String {
    statement.key_id = key.public_key().id().0.to_vec();
    statement.recipient_hashes =
        recipients.into_iter().map(|recipient| recipient.hash(salt).to_vec()).collect();
    statement.salt_hash = recipient::salt_hash(salt).to_vec();
    let signed = text::encode_statement(&statement.encode_to_vec());
    let signature = key.sign(&signed);
    text::join(&signed, &signature, salt)
}

/// Verifies the text of a receipt with the public keys of the servers that may have signed it.
///
/// A receipt whose salt was removed is valid; [`VerifiedReceipt::is_about`] is false for it.
///
/// # Errors
/// If the text is not a receipt, was changed, or was signed with another key.
pub fn verify(text: &str, keys: &[PublicKey]) -> Result<VerifiedReceipt, ReceiptError> {
    let parts = Parts::parse(text)?;
    // Not to be trusted before the signature was verified: it only tells which key to use.
    let (statement, key_id) = decode(&parts)?;
    let mut candidates = keys.iter().filter(|key| key.id() == key_id).peekable();
    if candidates.peek().is_none() {
        return Err(ReceiptError::UnknownKey(key_id));
    }
    if !candidates.any(|key| key.verify(parts.signed, &parts.signature)) {
        return Err(ReceiptError::InvalidSignature);
    }
    let salt = parts.salt;
    if salt.is_some_and(|salt| recipient::salt_hash(&salt) != *statement.salt_hash) {
        return Err(ReceiptError::InvalidSalt);
    }
    Ok(VerifiedReceipt { statement, key_id, salt })
}

/// The key a receipt says it was signed with. Nothing is verified.
///
/// # Errors
/// If the text is not a receipt.
pub fn key_id(text: &str) -> Result<KeyId, ReceiptError> {
    decode(&Parts::parse(text)?).map(|(_, key_id)| key_id)
}

fn decode(parts: &Parts<'_>) -> Result<(DecisionStatement, KeyId), ReceiptError> {
    let statement =
        DecisionStatement::decode(&*parts.statement).map_err(|_| ReceiptError::Malformed)?;
    let key_id = statement.key_id.as_slice().try_into().map_err(|_| ReceiptError::Malformed)?;
    Ok((statement, KeyId(key_id)))
}

impl VerifiedReceipt {
    /// Whether the check asked about this id. False if the salt was removed, because then nobody can
    /// tell.
    pub fn is_about(&self, recipient: Recipient<'_>) -> bool {
        let hash = self.salt.map(|salt| recipient.hash(&salt));
        hash.is_some_and(|hash| self.statement.recipient_hashes.iter().any(|known| *known == hash))
    }

    /// Whether the receipt has its salt, without which [`is_about`](Self::is_about) is always false.
    pub fn has_salt(&self) -> bool {
        self.salt.is_some()
    }
}

impl fmt::Debug for VerifiedReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statement, key_id, salt: _ } = self;
        f.debug_struct("VerifiedReceipt")
            .field("statement", statement)
            .field("key_id", key_id)
            .finish_non_exhaustive()
    }
}
