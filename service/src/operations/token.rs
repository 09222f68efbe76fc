//! Page and resume tokens: opaque cursors that cannot be forged, and that are valid for
//! one request only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};

const MAC_LENGTH: usize = 16;
/// The length of id, count, time and authentication code.
const FIXED_LENGTH: usize = 16 + 8 + 8 + MAC_LENGTH;

/// Identifies the last item of a page or stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The id of the item.
    pub id: Uuid,
    /// The text the list is ordered by, at most 256 bytes.
    pub text: String,
    /// How many items came before, or the position of the item.
    pub count: i64,
    /// When the first page or the beginning of the stream was asked for: relative times of
    /// a filter are the same on all pages.
    pub asked_at: Time,
}

/// What a token is valid for: the method, and the parts of the request that may not
/// change between pages.
pub type Binding<'a> = &'a [&'a str];

/// Encodes a cursor as a token.
pub fn seal(key: &[u8; 32], binding: Binding<'_>, place: &Cursor) -> String {
    let mut token = Vec::with_capacity(FIXED_LENGTH + place.text.len());
    token.extend_from_slice(place.id.as_bytes());
    token.extend_from_slice(&place.count.to_be_bytes());
    token.extend_from_slice(&place.asked_at.timestamp_micros().to_be_bytes());
    token.extend_from_slice(place.text.as_bytes());
    let code = mac(key, binding, &token).finalize().into_bytes();
    token.extend_from_slice(&code[..MAC_LENGTH]);
    URL_SAFE_NO_PAD.encode(token)
}

/// Decodes a token that [`seal`] made with the same key and binding. None for any
/// other.
pub fn open(key: &[u8; 32], binding: Binding<'_>, token: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (content, code) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LENGTH)?)?;
    mac(key, binding, content).verify_truncated_left(code).ok()?;
    let (id, rest) = content.split_first_chunk::<16>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let (asked_at, text) = rest.split_first_chunk::<8>()?;
    Some(Cursor {
        id: Uuid::from_bytes(*id),
        text: String::from_utf8(text.to_vec()).ok()?,
        count: i64::from_be_bytes(*count),
        asked_at: Time::from_timestamp_micros(i64::from_be_bytes(*asked_at))?,
    })
}

/// The cursor of a page request, None for the first page.
pub fn open_page(key: &[u8; 32], binding: Binding<'_>, token: &str) -> Result<Option<Cursor>> {
    if token.is_empty() {
        return Ok(None);
    }
    open(key, binding, token).map(Some).ok_or_else(invalid_page_token)
}

/// The error for an invalid page token.
pub fn invalid_page_token() -> Error {
    let message = "not a token of this request: send next_page_token of the page before, \
                   with everything but page_size and view as it was";
    Error::invalid(Reason::InvalidPageToken, "page_token", message)
}

/// The cursor at which a stream resumes, None for its beginning.
pub fn open_resume(key: &[u8; 32], binding: Binding<'_>, token: &str) -> Result<Option<Cursor>> {
    if token.is_empty() {
        return Ok(None);
    }
    open(key, binding, token).map(Some).ok_or_else(|| {
        let message = "not a token of this request: send resume_token of the last message \
                       received, with everything but view and max_batch_size as it was";
        Error::invalid(Reason::InvalidResumeToken, "resume_token", message)
    })
}

fn mac(key: &[u8; 32], binding: Binding<'_>, content: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in binding {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.update(content);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn place() -> Cursor {
        let asked_at = Time::from_timestamp_micros(1_800_000_000_000_001).expect("a time");
        Cursor { id: Uuid::from_u128(42), text: "maría".to_owned(), count: 7, asked_at }
    }

    #[test]
    fn tokens_open_with_their_request_only() {
        let token = seal(&KEY, &["List", "a", "b"], &place());
        assert_eq!(open(&KEY, &["List", "a", "b"], &token), Some(place()));
        assert_eq!(open(&KEY, &["List", "ab", ""], &token), None);
        assert_eq!(open(&[8; 32], &["List", "a", "b"], &token), None);
    }

    #[test]
    fn damaged_tokens_do_not_open() {
        let token = seal(&KEY, &[], &place());
        for cut in 0..token.len() {
            assert_eq!(open(&KEY, &[], &token[..cut]), None);
        }
        for index in 0..token.len() {
            let mut damaged = token.clone().into_bytes();
            damaged[index] = if damaged[index] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).expect("ASCII");
            assert_eq!(open(&KEY, &[], &damaged), None, "{index}");
        }
    }

    #[test]
    fn the_longest_token_is_short_enough() {
        let longest = Cursor { text: "x".repeat(256), ..place() };
        assert!(seal(&KEY, &[], &longest).len() <= 512);
    }
}
