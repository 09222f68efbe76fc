//! Decision receipts: a check signs its answer, and anybody with the public keys verifies it.

use contacts_sdk::receipt::{DecisionReceipt, PublicKey, ReceiptError, VerifiedDecision};
use contacts_sdk::{
    CheckReason, CheckResult, Decision, ErrorKind, MessageCategory, NewContact, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

use super::{MARKETING, UTILITY};

async fn public_keys(app: &TestApp) -> Vec<PublicKey> {
    let keys = app.opt_in().receipt_keys().await.expect("keys");
    keys.iter().map(|key| key.public_key).collect()
}

/// Checks with a receipt, and verifies that it states what the response says.
async fn proven(
    app: &TestApp,
    person: impl Into<Recipient>,
    category: MessageCategory,
) -> (CheckResult, VerifiedDecision) {
    let check = app.opt_in().check(person, category).receipt().await.expect("a check");
    let receipt = DecisionReceipt::parse(check.receipt.clone().expect("a receipt"));
    let stated = receipt.expect("a receipt").verify(&public_keys(app).await).expect("valid");
    assert_eq!((stated.decision, stated.reason), (check.decision, check.reason));
    assert_eq!((&stated.contact_id, &stated.event_id), (&check.contact_id, &check.event_id));
    assert_eq!(
        (stated.consent_time, stated.check_time),
        (check.consent_time, check.check_time),
        "{check:?}"
    );
    assert_eq!((stated.category, stated.workspace_id.as_str()), (category, "default"));
    assert_eq!(stated.as_of_time, None);
    (check, stated)
}

#[apply(on_each_store!)]
async fn receipt_states_what_the_check_answered(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.make_contact(phone(2)).await;
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out");
    let mut identities = Vec::new();
    for (n, reason) in [
        (1, CheckReason::OptedIn),
        (2, CheckReason::NotAsked),
        (3, CheckReason::OptedOut),
        (4, CheckReason::UnknownContact),
    ] {
        let (check, stated) = proven(&app, phone(n), MARKETING).await;
        assert_eq!(check.reason, reason);
        assert_eq!(stated.is_allowed(), n == 1);
        for other in 1..5 {
            assert_eq!(stated.is_about(phone(other)), n == other, "{n} {other}");
        }
        assert_eq!(stated.identity_id.is_some(), n != 4, "nothing is known of 4");
        identities.extend(stated.identity_id);
    }
    let (_, again) = proven(&app, phone(1), UTILITY).await;
    assert_eq!(again.identity_id.as_ref(), identities.first(), "the same in every receipt");
    identities.dedup();
    assert_eq!(identities.len(), 3);
}

#[apply(on_each_store!)]
async fn receipt_of_a_contact_is_about_the_number_a_message_would_go_to(app: TestApp) {
    let person = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    let contact = app.contacts().create(person).await.expect("a contact");
    let user = || Recipient::whatsapp_user_id("US.1");
    let (_, stated) = proven(&app, &contact, MARKETING).await;
    assert!(stated.is_about(&contact) && stated.is_about(phone(1)));
    assert!(!stated.is_about(user()));
    let (_, of_user) = proven(&app, user(), MARKETING).await;
    assert!(of_user.is_about(user()) && !of_user.is_about(phone(1)));
    assert_ne!(of_user.identity_id, stated.identity_id);
    // An id of nobody.
    let nobody = "01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
    let (check, stated) = proven(&app, Recipient::contact_id(nobody), MARKETING).await;
    assert_eq!(check.reason, CheckReason::UnknownContact);
    assert!(stated.is_about(Recipient::contact_id(nobody)) && stated.contact_id.is_none());
}

#[apply(on_each_store!)]
async fn receipt_is_about_every_form_of_the_number(app: TestApp) {
    app.make_opted_in("5521987654321").await;
    let (_, stated) = proven(&app, "+55 21 8765-4321", MARKETING).await;
    assert!(stated.is_about("5521987654321") && stated.is_about("552187654321"));
}

#[apply(on_each_store!)]
async fn receipt_states_the_sender(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let check = app.opt_in().check(phone(1), MARKETING).sender_phone_number_id("106").receipt();
    let text = check.await.expect("a check").receipt.expect("a receipt");
    let receipt = DecisionReceipt::parse(text).expect("a receipt");
    let stated = receipt.verify(&public_keys(&app).await).expect("valid");
    assert_eq!(stated.sender_phone_number_id.as_deref(), Some("106"));
}

#[apply(on_each_store!)]
async fn check_without_the_flag_has_no_receipt_and_a_refused_check_neither(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let check = app.opt_in().check(phone(1), MARKETING).await.expect("a check");
    assert_eq!(check.receipt, None);
    let refused = app.opt_in().check("12", MARKETING).receipt().await;
    refused.refused_at(reason::INVALID_PHONE_NUMBER, "phone_number");
    let lost = app.client().with_workspace("lost");
    let refused = lost.opt_in().check(phone(1), MARKETING).receipt().await;
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::NotFound);
}

#[apply(on_each_store!)]
async fn receipts_verify_after_the_key_is_rotated(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let before = app.opt_in().receipt_keys().await.expect("keys");
    assert_eq!(before.len(), 1);
    assert!(before[0].is_current && before[0].version == 1);
    let receipt = || async {
        let check = app.opt_in().check(phone(1), MARKETING).receipt().await.expect("a check");
        DecisionReceipt::parse(check.receipt.expect("a receipt")).expect("a receipt")
    };
    let old = receipt().await;
    // All tests on Postgres share one key file: rotate a copy.
    let folder = tempfile::tempdir().expect("a directory");
    let copy = folder.path().join("contacts.key");
    std::fs::copy(app.key_file(), &copy).expect("copied");
    contacts_service::key_file::rotate(&copy).expect("a second version");
    app.restart_with(|config| config.database.key_file = Some(copy.clone())).await;
    let keys = app.opt_in().receipt_keys().await.expect("keys");
    let current: Vec<_> = keys.iter().map(|key| key.is_current).collect();
    assert_eq!((keys[0].public_key, current), (before[0].public_key, vec![false, true]));
    let new = receipt().await;
    assert_ne!(new.key_id(), old.key_id());
    let keys = public_keys(&app).await;
    for receipt in [&old, &new] {
        assert_eq!(receipt.verify(&keys).expect("valid").decision, Decision::Allow);
    }
    let refused = new.verify(&keys[..1]);
    assert_eq!(refused, Err(ReceiptError::UnknownKey(new.key_id())));
}

#[apply(on_each_store!)]
async fn two_receipts_of_one_person_have_different_hashes(app: TestApp) {
    let text = || async {
        let check = app.opt_in().check(phone(1), MARKETING).receipt().await.expect("a check");
        check.receipt.expect("a receipt")
    };
    let (one, two) = (text().await, text().await);
    let verified = |text: String, keys: &[PublicKey]| {
        DecisionReceipt::parse(text).expect("a receipt").verify(keys).expect("valid")
    };
    assert_ne!(one.rsplit('.').next(), two.rsplit('.').next(), "the salts");
    let keys = public_keys(&app).await;
    assert!(verified(one, &keys).is_about(phone(1)) && verified(two, &keys).is_about(phone(1)));
}

/// The statement is signed, and nothing of it is kept by the server.
#[apply(on_each_store!)]
async fn receipt_is_not_stored(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let check = app.opt_in().check(phone(1), MARKETING).receipt().await.expect("a check");
    let text = check.receipt.expect("a receipt");
    for part in text.split('.').skip(1) {
        assert_eq!(app.database().columns_with(part).await, Vec::<String>::new());
    }
    app.contacts().delete(phone(1)).await.expect("erased");
    let receipt = DecisionReceipt::parse(text).expect("a receipt").without_salt();
    let stated = receipt.verify(&public_keys(&app).await).expect("valid");
    assert!(stated.is_allowed() && !stated.is_about(phone(1)));
}
