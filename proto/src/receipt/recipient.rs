//! Whom a receipt is about, as salted hashes.

use sha2::{Digest, Sha256};

/// Length of a salt in bytes.
pub const SALT_SIZE: usize = 16;

/// Random bytes without which a recipient's hash cannot be computed.
pub type Salt = [u8; SALT_SIZE];

/// One id of the person a check asked about, in its normalised form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// Digits only, country code first.
    PhoneNumber(&'a str),
    /// As Meta sent it.
    WhatsAppUserId(&'a str),
    /// The server's id of the contact, in lower case with hyphens.
    ContactId(&'a str),
    /// The business's own id of the person.
    ExternalId(&'a str),
}

impl Recipient<'_> {
    pub(super) fn hash(self, salt: &Salt) -> [u8; 32] {
        let (kind, id) = match self {
            Self::PhoneNumber(id) => (b'p', id),
            Self::WhatsAppUserId(id) => (b'u', id),
            Self::ContactId(id) => (b'c', id),
            Self::ExternalId(id) => (b'e', id),
        };
        // Only the last field has no fixed length, so that no two inputs are the same bytes.
        Sha256::new()
            .chain_update("contacts-receipt/recipient/1\n")
            .chain_update(salt)
            .chain_update([kind])
            .chain_update(id)
            .finalize()
            .into()
    }
}

/// Shows that a salt is the one the receipt was signed with, and tells nothing of it.
pub(super) fn salt_hash(salt: &Salt) -> [u8; 16] {
    let hash =
        Sha256::new().chain_update("contacts-receipt/salt/1\n").chain_update(salt).finalize();
    let (half, _) = hash.split_at(16);
    half.try_into().expect("16 of 32 bytes")
}
