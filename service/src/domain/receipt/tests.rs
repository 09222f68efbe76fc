use contacts_proto::receipt::{ReceiptError, Recipient, verify};
use serde_json::json;

use super::*;
use crate::domain::keyring::Keyring;
use crate::domain::phone::{WhatsAppUserId, match_key_of};

const SALT: Salt = [9; 16];

fn time(seconds: i64) -> Time {
    Time::from_timestamp(seconds, 123_456_000).expect("a time")
}

fn answer() -> Answer {
    Answer {
        decision: v1::Decision::Deny,
        reason: v1::CheckReason::OptedOut,
        contact_id: Some(Uuid::from_u128(1)),
        identity_id: Some(Uuid::from_u128(2)),
        event_id: Some(Uuid::from_u128(3)),
        consent_time: Some(time(1_795_000_000)),
        check_time: time(1_795_355_671),
    }
}

fn question<'a>(recipients: &'a [AskedId<'a>]) -> Question<'a> {
    Question {
        workspace_id: "default",
        recipients,
        category: v1::MessageCategory::Marketing,
        sender_phone_number_id: "106540352242922",
        as_of_time: None,
    }
}

fn keyring() -> Keyring {
    Keyring::new(&[7; 32])
}

fn public_keys(keyring: &Keyring) -> Vec<receipt::PublicKey> {
    keyring.receipt_public_keys().map(|(_, key)| key).collect()
}

/// Signs the usual answer about these ids, and verifies it.
fn verified(recipients: &[AskedId<'_>]) -> VerifiedReceipt {
    let text = sign(keyring().receipt_key(), &SALT, &question(recipients), &answer());
    verify(&text, &public_keys(&keyring())).expect("a valid receipt")
}

#[test]
fn a_receipt_states_question_and_answer() {
    let key = match_key_of("+1 555 123-4567").expect("a number");
    let receipt = verified(&[AskedId::Key(&key)]);
    assert_eq!(
        to_json(&receipt),
        json!({
            "key_id": keyring().receipt_key().public_key().id().to_string(),
            "workspace_id": "default",
            "category": "MARKETING",
            "sender_phone_number_id": "106540352242922",
            "decision": "DENY",
            "reason": "OPTED_OUT",
            "contact_id": "00000000-0000-0000-0000-000000000001",
            "identity_id": "00000000-0000-0000-0000-000000000002",
            "event_id": "00000000-0000-0000-0000-000000000003",
            "consent_time": "2026-11-18T11:06:40.123456Z",
            "check_time": "2026-11-22T13:54:31.123456Z",
        })
    );
}

#[test]
fn what_an_answer_lacks_is_not_stated() {
    let asked_then = Question { as_of_time: Some(time(0)), ..question(&[]) };
    let unknown = Answer {
        reason: v1::CheckReason::UnknownContact,
        contact_id: None,
        identity_id: None,
        event_id: None,
        consent_time: None,
        ..answer()
    };
    let text = sign(keyring().receipt_key(), &SALT, &asked_then, &unknown);
    let receipt = verify(&text, &public_keys(&keyring())).expect("a valid receipt");
    let stated = to_json(&receipt);
    assert_eq!(stated["as_of_time"], "1970-01-01T00:00:00.123456Z");
    assert_eq!(stated["reason"], "UNKNOWN_CONTACT");
    for name in ["contact_id", "identity_id", "event_id", "consent_time"] {
        assert!(stated.get(name).is_none(), "{name}");
    }
}

#[test]
fn a_receipt_is_about_every_form_of_a_number() {
    for (asked, forms) in [
        ("+1 (555) 123-4567", &["15551234567"][..]),
        ("552187654321", &["552187654321", "5521987654321"]),
        ("5521987654321", &["552187654321", "5521987654321"]),
        ("5215512345678", &["525512345678", "5215512345678"]),
    ] {
        let key = match_key_of(asked).expect("a number");
        let receipt = verified(&[AskedId::Key(&key)]);
        assert_eq!(receipt.statement.recipient_hashes.len(), forms.len());
        assert!(forms.iter().all(|form| receipt.is_about(Recipient::PhoneNumber(form))));
        assert!(!receipt.is_about(Recipient::PhoneNumber("15551234568")));
    }
}

#[test]
fn a_receipt_is_about_every_id_that_was_named() {
    let user = WhatsAppUserId::parse("US.13491208655302741918").expect("a user id").match_key();
    let contact = Uuid::from_u128(1);
    let receipt = verified(&[
        AskedId::Key(&user),
        AskedId::ContactId(contact),
        AskedId::ExternalId("customer 42"),
    ]);
    assert!(receipt.is_about(Recipient::WhatsAppUserId("US.13491208655302741918")));
    assert!(receipt.is_about(Recipient::ContactId(&contact.to_string())));
    assert!(receipt.is_about(Recipient::ExternalId("customer 42")));
    assert!(!receipt.is_about(Recipient::ExternalId("customer 43")));
}

#[test]
fn a_hashed_key_is_not_stated() {
    let hashed = keyring().hashed("default", &match_key_of("15551234567").expect("a number"));
    assert!(verified(&[AskedId::Key(&hashed)]).statement.recipient_hashes.is_empty());
}

#[test]
fn a_receipt_names_nobody() {
    let key = match_key_of("15551234567").expect("a number");
    let text = sign(keyring().receipt_key(), &SALT, &question(&[AskedId::Key(&key)]), &answer());
    let statement = verify(&text, &public_keys(&keyring())).expect("a valid receipt").statement;
    assert!(!format!("{statement:?}").contains("5551234567"));
    assert!(!prost::Message::encode_to_vec(&statement).windows(10).any(|it| it == b"5551234567"));
}

#[test]
fn a_receipt_verifies_after_a_rotation_and_not_with_another_key_file() {
    let text = sign(keyring().receipt_key(), &SALT, &question(&[]), &answer());
    let lines = [Keyring::line(1, &[7; 32]), Keyring::line(2, &[8; 32])];
    let rotated = Keyring::parse(&lines.concat()).expect("a keyring");
    assert!(verify(&text, &public_keys(&rotated)).is_ok());
    let newer = sign(rotated.receipt_key(), &SALT, &question(&[]), &answer());
    assert!(verify(&newer, &public_keys(&rotated)).is_ok());

    let old_key_id = rotated.receipt_key().public_key().id();
    let refused = verify(&newer, &public_keys(&keyring()));
    assert_eq!(refused, Err(ReceiptError::UnknownKey(old_key_id)));
    let other = Keyring::new(&[9; 32]);
    assert!(verify(&text, &public_keys(&other)).is_err());
}
