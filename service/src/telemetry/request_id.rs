//! Ids of calls, by which a caller finds them in the logs.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

/// The header that a request may have, and every response has.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a request.
const MAX_LENGTH: usize = 128;

/// Makes ids for requests that have none. They are different in every process.
pub(crate) struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Makes the ids of a process from random bits.
    pub(crate) fn new(random: [u8; 16]) -> Self {
        let (process, first) = random.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
        Self { process: number(process), next: AtomicU64::new(number(first)) }
    }

    /// The id of a request, or a new one if it has none or one that cannot be logged as it is.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(REQUEST_ID) {
            Some(id) if is_valid(id.as_bytes()) => id.clone(),
            _ => self.make(),
        }
    }

    fn make(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let bits = u128::from(self.process) << 64 | u128::from(number);
        let mut id = [0; 32];
        for (index, digit) in id.iter_mut().enumerate() {
            *digit = DIGITS[(bits >> (124 - 4 * index)) as usize & 15];
        }
        HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

/// Visible ASCII, so that no id breaks a line of the log or hides in it.
fn is_valid(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_cannot_be_logged_is_replaced() {
        let ids = RequestIds::new([7; 16]);
        let of = |id: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).expect("a header"));
            ids.of(&headers)
        };
        for id in ["7", "2b1e1e0c-6f0a-4d0e", "a/b:c;d=\"e\"", &"x".repeat(128)] {
            assert_eq!(of(id.as_bytes()), id);
        }
        for id in [&b""[..], b"a b", b"a\tb", "caf\u{e9}".as_bytes(), &[b'x'; 129]] {
            let made = of(id);
            assert!(made != id && made.len() == 32, "{made:?}");
        }
    }

    #[test]
    fn ids_that_are_made_differ() {
        let ids =
            RequestIds::new(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\xff\xff\xff\xff\xff\xff\xff\xff");
        let none = HeaderMap::new();
        assert_eq!(ids.of(&none), "0123456789abcdefffffffffffffffff");
        assert_eq!(ids.of(&none), "0123456789abcdef0000000000000000");
    }
}
