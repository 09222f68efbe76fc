//! The text of a receipt: `cr1.<statement>.<signature>.<salt>`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{ReceiptError, SALT_SIZE, Salt};

const PREFIX: &str = "cr1";
/// Longest text that is read: one receipt about 150 ids.
const MAX_LENGTH: usize = 8192;

pub(super) const SIGNATURE_SIZE: usize = 64;

/// A receipt taken apart; nothing is verified.
pub(super) struct Parts<'a> {
    /// The text that was signed.
    pub signed: &'a str,
    pub statement: Vec<u8>,
    pub signature: [u8; SIGNATURE_SIZE],
    pub salt: Option<Salt>,
}

impl<'a> Parts<'a> {
    /// There is one text for each content: padding, and bits after the last byte, are refused.
    pub fn parse(text: &'a str) -> Result<Self, ReceiptError> {
        if text.len() > MAX_LENGTH {
            return Err(ReceiptError::Malformed);
        }
        let mut parts = text.split('.');
        check_version(parts.next().unwrap_or_default())?;
        let (Some(statement), Some(signature)) = (parts.next(), parts.next()) else {
            return Err(ReceiptError::Truncated);
        };
        let salt = parts.next();
        if parts.next().is_some() {
            return Err(ReceiptError::Malformed);
        }
        let (last, size) = salt.map_or((signature, SIGNATURE_SIZE), |salt| (salt, SALT_SIZE));
        if last.len() < base64_length(size) {
            return Err(ReceiptError::Truncated);
        }
        Ok(Self {
            signed: &text[..PREFIX.len() + 1 + statement.len()],
            statement: decode(statement)?,
            signature: decode_array::<SIGNATURE_SIZE>(signature)?,
            salt: salt.map(decode_array::<SALT_SIZE>).transpose()?,
        })
    }
}

/// Removes the salt from the text of a receipt, if it has one.
///
/// Without the salt, nobody can find out which phone number the receipt is about; it still
/// verifies. Text that is not a receipt is returned up to its third dot.
pub fn without_salt(text: &str) -> &str {
    text.match_indices('.').nth(2).map_or(text, |(end, _)| &text[..end])
}

/// The first two parts, which are signed.
pub(super) fn encode_statement(statement: &[u8]) -> String {
    format!("{PREFIX}.{}", URL_SAFE_NO_PAD.encode(statement))
}

pub(super) fn join(signed: &str, signature: &[u8; SIGNATURE_SIZE], salt: &Salt) -> String {
    format!("{signed}.{}.{}", URL_SAFE_NO_PAD.encode(signature), URL_SAFE_NO_PAD.encode(salt))
}

fn check_version(prefix: &str) -> Result<(), ReceiptError> {
    if prefix == PREFIX {
        return Ok(());
    }
    match prefix.strip_prefix("cr").and_then(|version| version.parse().ok()) {
        Some(version) => Err(ReceiptError::UnknownVersion(version)),
        None => Err(ReceiptError::Malformed),
    }
}

/// Characters of this many bytes, without padding.
fn base64_length(size: usize) -> usize {
    (size * 8).div_ceil(6)
}

fn decode(part: &str) -> Result<Vec<u8>, ReceiptError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| ReceiptError::Malformed)
}

fn decode_array<const SIZE: usize>(part: &str) -> Result<[u8; SIZE], ReceiptError> {
    decode(part)?.try_into().map_err(|_| ReceiptError::Malformed)
}
