//! The signature Meta puts on a webhook.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// Why a webhook is not known to come from Meta. Says nothing of secret and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// No secret is set; an empty one would let everybody sign.
    #[error("the app secret is empty: set the one of the app's basic settings at Meta")]
    NoSecret,
    /// There is no signature.
    #[error("the webhook is not signed: forward its X-Hub-Signature-256 header")]
    Missing,
    /// Not `sha256=` and 64 hexadecimal digits.
    #[error(
        "the signature is malformed: forward the value of the X-Hub-Signature-256 header as it is, \
         sha256= and 64 hexadecimal digits"
    )]
    Malformed,
    /// Another secret or another payload.
    #[error(
        "the signature does not fit the payload: forward the body byte for byte, and set the secret of \
         the app that sends it"
    )]
    Mismatch,
}

/// Checks the value of `X-Hub-Signature-256`: the HMAC-SHA256 of the raw body under the app secret.
///
/// Meta writes it in lower case; upper case and surrounding spaces pass, because proxies rewrite
/// headers. The codes are compared in constant time.
///
/// # Errors
/// Anything else.
pub fn verify_signature(secret: &[u8], payload: &[u8], header: &str) -> Result<(), SignatureError> {
    if secret.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    let header = header.trim();
    if header.is_empty() {
        return Err(SignatureError::Missing);
    }
    let code = read_code(header).ok_or(SignatureError::Malformed)?;
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.chain_update(payload).verify_slice(&code).map_err(|_| SignatureError::Mismatch)
}

fn read_code(header: &str) -> Option<[u8; 32]> {
    let (scheme, digits) = header.split_once('=')?;
    let digits = digits.as_bytes();
    if !scheme.eq_ignore_ascii_case("sha256") || digits.len() != 64 {
        return None;
    }
    let mut code = [0; 32];
    for (byte, pair) in code.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"what do ya want for nothing?";
    const DIGITS: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    fn verify(header: &str) -> Result<(), SignatureError> {
        verify_signature(b"Jefe", BODY, header)
    }

    #[test]
    fn the_code_of_rfc_4231_passes_in_any_case() {
        assert_eq!(verify(&format!("sha256={DIGITS}")), Ok(()));
        assert_eq!(verify(&format!(" SHA256={} ", DIGITS.to_uppercase())), Ok(()));
    }

    #[test]
    fn another_payload_secret_or_code_is_a_mismatch() {
        let header = format!("sha256={DIGITS}");
        let mismatch = Err(SignatureError::Mismatch);
        assert_eq!(verify_signature(b"Jefe", b"what do ya want for nothing!", &header), mismatch);
        assert_eq!(verify_signature(b"Jeff", BODY, &header), mismatch);
        assert_eq!(verify(&format!("sha256={}", "0".repeat(64))), mismatch);
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        let mac = Hmac::<Sha256>::new_from_slice(b"").unwrap().chain_update(BODY).finalize();
        let digits: String = mac.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let verified = verify_signature(b"", BODY, &format!("sha256={digits}"));
        assert_eq!(verified, Err(SignatureError::NoSecret));
    }

    #[test]
    fn malformed_headers_are_refused() {
        for header in ["", " \t"] {
            assert_eq!(verify(header), Err(SignatureError::Missing));
        }
        for header in [
            DIGITS,
            "sha256=",
            &format!("sha1={DIGITS}"),
            &format!("sha256:{DIGITS}"),
            &format!("sha256={}", &DIGITS[1..]),
            &format!("sha256={DIGITS}0"),
            &format!("sha256={DIGITS},sha256={DIGITS}"),
            &format!("sha256=+{}", &DIGITS[1..]),
            &format!("sha256={}é", &DIGITS[2..]),
            &format!("sha256={}", "é".repeat(32)),
            &format!("X-Hub-Signature-256: sha256={DIGITS}"),
        ] {
            assert_eq!(verify(header), Err(SignatureError::Malformed), "{header}");
        }
    }
}
