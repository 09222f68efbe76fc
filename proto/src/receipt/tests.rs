use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use proptest::prelude::*;
use prost_types::Timestamp;
use sha2::{Digest, Sha256};

use super::*;
use crate::v1::{CheckReason, Decision, MessageCategory};

const SALT: Salt = [0x5a; SALT_SIZE];
const PHONE: Recipient<'_> = Recipient::PhoneNumber("15551234567");

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn public_key() -> PublicKey {
    key().public_key()
}

fn time(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 123_456_000 })
}

/// An answer to a check of a contact, with all that is usual.
fn statement() -> DecisionStatement {
    DecisionStatement {
        workspace_id: "default".to_owned(),
        category: MessageCategory::Marketing.into(),
        sender_phone_number_id: "106540352242922".to_owned(),
        decision: Decision::Deny.into(),
        reason: CheckReason::OptedOut.into(),
        contact_id: vec![1; 16],
        identity_id: vec![2; 16],
        event_id: vec![3; 16],
        consent_time: time(1_795_000_000),
        check_time: time(1_795_355_671),
        ..DecisionStatement::default()
    }
}

fn receipt() -> String {
    sign(&key(), statement(), [PHONE], &SALT)
}

fn fails(text: &str) -> bool {
    verify(text, &[public_key()]).is_err()
}

#[test]
fn a_receipt_states_what_was_signed() {
    let text = receipt();
    let verified = verify(&text, &[public_key()]).expect("a valid receipt");
    let DecisionStatement { key_id, recipient_hashes, salt_hash, .. } = verified.statement.clone();
    assert_eq!((key_id.len(), recipient_hashes.len(), salt_hash.len()), (8, 1, 16));
    let expected = DecisionStatement { key_id, recipient_hashes, salt_hash, ..statement() };
    assert_eq!(verified.statement, expected);
    assert_eq!(verified.key_id, public_key().id());
    assert_eq!(super::key_id(&text), Ok(public_key().id()));
    // The same input gives the same text: Ed25519 needs no random values.
    assert_eq!(receipt(), text);
}

#[test]
fn the_documented_steps_verify_a_receipt() {
    let text = receipt();
    let parts: Vec<&str> = text.split('.').collect();
    let [prefix, statement, signature, salt] = parts[..] else { panic!("{text}") };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let sha256 = |bytes: &[u8]| Sha256::digest(bytes).to_vec();

    let public_key = bytes(&public_key().to_string());
    let decoded = DecisionStatement::decode(&*bytes(statement)).expect("step 1");
    assert_eq!(decoded.key_id, sha256(&public_key)[..8]);

    let key = VerifyingKey::from_bytes(&public_key.try_into().expect("32 bytes")).expect("a key");
    let signature = Signature::from_slice(&bytes(signature)).expect("64 bytes");
    let message = format!("contacts-receipt/1\n{prefix}.{statement}");
    key.verify(message.as_bytes(), &signature).expect("step 2");

    let salt = bytes(salt);
    let salted = [b"contacts-receipt/salt/1\n", &*salt].concat();
    assert_eq!(decoded.salt_hash, sha256(&salted)[..16], "step 3");
    let salted = [b"contacts-receipt/recipient/1\n", &*salt, b"p15551234567"].concat();
    assert_eq!(decoded.recipient_hashes, [sha256(&salted)], "step 4");
}

#[test]
fn every_flipped_bit_fails() {
    let text = receipt();
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Bytes that are no UTF-8 cannot be passed at all.
        if let Ok(flipped) = String::from_utf8(bytes) {
            assert!(fails(&flipped), "bit {bit}: {flipped}");
        }
    }
}

#[test]
fn every_flipped_bit_of_the_content_fails() {
    let text = receipt();
    let parts: Vec<&str> = text.split('.').collect();
    for part in 1..parts.len() {
        let bytes = URL_SAFE_NO_PAD.decode(parts[part]).expect("base64url");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = URL_SAFE_NO_PAD.encode(flipped);
            let mut parts = parts.clone();
            parts[part] = &flipped;
            assert!(fails(&parts.join(".")), "part {part}, bit {bit}");
        }
    }
}

#[test]
fn a_truncated_receipt_fails_unless_only_the_salt_is_removed() {
    let text = receipt();
    let valid: Vec<_> = (0..text.len()).filter(|end| !fails(&text[..*end])).collect();
    assert_eq!(valid, [without_salt(&text).len()]);
}

#[test]
fn an_extended_receipt_fails() {
    let text = receipt();
    for text in [without_salt(&text), &text] {
        for added in (0..=127u8).map(char::from).chain(['é', '\u{200b}']) {
            assert!(fails(&format!("{text}{added}")), "{added:?} at the end");
            assert!(fails(&format!("{added}{text}")), "{added:?} at the start");
        }
    }
    assert!(fails(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(SALT))));
}

#[test]
fn a_receipt_of_another_key_fails() {
    let other = SigningKey::from_seed(&[8; 32]);
    let keys = [other.public_key()];
    assert_eq!(verify(&receipt(), &keys), Err(ReceiptError::UnknownKey(public_key().id())));
    assert_eq!(verify(&receipt(), &[]), Err(ReceiptError::UnknownKey(public_key().id())));
    assert!(verify(&receipt(), &[other.public_key(), public_key()]).is_ok());

    // Somebody else's signature under a statement that names the server's key.
    let mut named = statement();
    named.key_id = public_key().id().0.to_vec();
    let signed = text::encode_statement(&named.encode_to_vec());
    let forged = text::join(&signed, &other.sign(&signed), &SALT);
    assert_eq!(verify(&forged, &[public_key()]), Err(ReceiptError::InvalidSignature));
}

#[test]
fn another_statement_under_the_same_signature_fails() {
    let text = receipt();
    let parts: Vec<&str> = text.split('.').collect();
    let change = |change: fn(&mut DecisionStatement)| {
        let mut statement = verify(&text, &[public_key()]).expect("a valid receipt").statement;
        change(&mut statement);
        let statement = text::encode_statement(&statement.encode_to_vec());
        verify(&format!("{statement}.{}.{}", parts[2], parts[3]), &[public_key()])
    };
    assert!(change(|_| ()).is_ok());
    for result in [
        change(|statement| statement.workspace_id = "acme".to_owned()),
        change(|statement| statement.set_decision(Decision::Allow)),
        change(|statement| statement.set_category(MessageCategory::Utility)),
        change(|statement| statement.sender_phone_number_id.clear()),
        change(|statement| statement.recipient_hashes.push(vec![0; 32])),
        change(|statement| statement.as_of_time = time(0)),
    ] {
        assert_eq!(result, Err(ReceiptError::InvalidSignature));
    }
}

#[test]
fn the_salt_of_another_receipt_fails() {
    let text = sign(&key(), statement(), [PHONE], &[1; SALT_SIZE]);
    let text = format!("{}.{}", without_salt(&text), URL_SAFE_NO_PAD.encode(SALT));
    assert_eq!(verify(&text, &[public_key()]), Err(ReceiptError::InvalidSalt));
}

#[test]
fn a_receipt_shows_whom_it_is_about_and_nobody_else() {
    let asked = [PHONE, Recipient::WhatsAppUserId("US.1")];
    let text = sign(&key(), statement(), asked, &SALT);
    let verified = verify(&text, &[public_key()]).expect("a valid receipt");
    assert!(asked.into_iter().all(|recipient| verified.is_about(recipient)));
    for other in [
        Recipient::PhoneNumber("15551234568"),
        Recipient::PhoneNumber("1555123456"),
        Recipient::PhoneNumber("US.1"),
        Recipient::ExternalId("15551234567"),
        Recipient::ContactId("15551234567"),
        Recipient::WhatsAppUserId("US.2"),
    ] {
        assert!(!verified.is_about(other));
    }

    let verified = verify(without_salt(&text), &[public_key()]).expect("valid without its salt");
    assert!(!verified.has_salt() && !verified.is_about(PHONE));
}

#[test]
fn two_receipts_about_one_person_have_no_hash_in_common() {
    let hashes = |salt| {
        let text = sign(&key(), statement(), [PHONE], salt);
        let statement = verify(&text, &[public_key()]).expect("a valid receipt").statement;
        (statement.recipient_hashes, statement.salt_hash)
    };
    let (one, two) = (hashes(&[1; SALT_SIZE]), hashes(&[2; SALT_SIZE]));
    assert!(one.0 != two.0 && one.1 != two.1);
}

#[test]
fn a_receipt_about_one_number_has_at_most_549_characters() {
    let size = |statement, recipients: &[Recipient<'_>]| {
        sign(&key(), statement, recipients.iter().copied(), &SALT).len()
    };
    // A number that WhatsApp writes in two ways, in a workspace with the longest id.
    let twice = ["5521987654321", "552187654321"].map(Recipient::PhoneNumber);
    let long = DecisionStatement {
        workspace_id: "w".repeat(63),
        as_of_time: time(1_795_000_000),
        ..statement()
    };
    let longest = DecisionStatement { sender_phone_number_id: "1".repeat(64), ..long.clone() };
    let sizes = [size(statement(), &[PHONE]), size(long, &twice), size(longest, &twice)];
    assert_eq!(sizes, [346, 484, 549]);
}

#[test]
fn errors_say_what_to_do() {
    for (text, error) in [
        ("", ReceiptError::Malformed),
        ("cr1", ReceiptError::Truncated),
        ("cr1...", ReceiptError::Truncated),
        ("cr1....", ReceiptError::Malformed),
        ("15551234567", ReceiptError::Malformed),
        ("eyJhbGciOiJFZERTQSJ9.e30.c2ln", ReceiptError::Malformed),
        ("cr2.anything", ReceiptError::UnknownVersion(2)),
        (&"a".repeat(1 << 20), ReceiptError::Malformed),
        (&format!("{} ", receipt()), ReceiptError::Malformed),
        (&receipt().replace('.', ".="), ReceiptError::Malformed),
    ] {
        assert_eq!(verify(text, &[public_key()]), Err(error));
    }
    let id = public_key().id();
    assert!(ReceiptError::UnknownKey(id).to_string().contains(&id.to_string()));
}

#[test]
fn a_public_key_is_read_as_it_is_printed() {
    let printed = public_key().to_string();
    assert_eq!(printed.len(), 43);
    assert_eq!(printed.parse(), Ok(public_key()));
    assert_eq!(PublicKey::from_bytes(&public_key().to_bytes()), Ok(public_key()));
    // A point of small order verifies a signature that nobody made.
    let weak = URL_SAFE_NO_PAD.encode([&[1][..], &[0; 31]].concat());
    for text in ["", &printed[1..], &format!("{printed}="), &format!("{printed} "), &weak] {
        assert_eq!(text.parse::<PublicKey>(), Err(PublicKeyError), "{text:?}");
    }
}

#[test]
fn debug_shows_no_key_and_no_salt() {
    let shown = format!("{:?}", key());
    assert_eq!(shown, format!("SigningKey(of {})", public_key().id()));
    let verified = verify(&receipt(), &[public_key()]).expect("a valid receipt");
    assert!(!format!("{verified:?}").contains(&format!("{SALT:?}")));
}

fn any_statement() -> impl Strategy<Value = DecisionStatement> {
    let id = || proptest::collection::vec(any::<u8>(), 0..20);
    (".{0,63}", ".{0,64}", any::<[i32; 3]>(), (id(), id(), id())).prop_map(
        |(workspace_id, sender_phone_number_id, numbers, ids)| {
            let [category, decision, reason] = numbers;
            DecisionStatement {
                workspace_id,
                sender_phone_number_id,
                category,
                decision,
                reason,
                contact_id: ids.0,
                identity_id: ids.1,
                event_id: ids.2,
                check_time: time(i64::from(category)),
                ..DecisionStatement::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_statement_is_read_as_it_was_signed(
        statement in any_statement(), salt: Salt, ids in proptest::collection::vec(".{0,40}", 0..6)
    ) {
        let recipients = || ids.iter().map(|id| Recipient::ExternalId(id));
        let text = sign(&key(), statement.clone(), recipients(), &salt);
        let verified = verify(&text, &[public_key()]).expect("a valid receipt");
        prop_assert!(recipients().all(|recipient| verified.is_about(recipient)));
        let mut read = verified.statement;
        read.key_id.clear();
        read.recipient_hashes.clear();
        read.salt_hash.clear();
        prop_assert_eq!(read, statement);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_or_verifies(text in ".{0,300}") {
        prop_assert!(fails(&text) && key_id(&text).is_err());
        prop_assert!(text.parse::<PublicKey>().is_err());
        prop_assert!(text.starts_with(without_salt(&text)));
    }

    #[test]
    fn no_text_of_the_right_form_panics_or_verifies(
        text in r"cr1\.[\w&&[:ascii:]-]{0,300}\.[\w&&[:ascii:]-]{85}[AQgw](\.[\w&&[:ascii:]-]{21}[AQgw])?",
        statement in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(fails(&text));
        let (_, rest) = text[4..].split_once('.').expect("a signature");
        let text = format!("{}.{rest}", text::encode_statement(&statement));
        prop_assert!(fails(&text));
    }
}
