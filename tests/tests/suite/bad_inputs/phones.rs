//! Rows 21 to 24: phone numbers.

use contacts_sdk::{CheckReason, Error, MessageCategory, NewContact, OptInSource, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store};

/// Sends a number in every call that takes one and checks that all return the same error.
async fn refused_everywhere(app: &TestApp, number: &str) -> Vec<Error> {
    let in_contact = app.contacts().create(NewContact::new().phone(number)).await;
    let upsert = app.contacts().batch_upsert([NewContact::new().phone(number)]).await;
    let row = upsert.expect("an outcome").failures.remove(0).error;
    let edit = app.contacts().update_tags().recipients([number]).add("vip").await;
    let in_list = edit.expect("an edit").failures.remove(0).error;
    let mut errors = vec![
        app.contacts().get(number).await.refused(),
        app.contacts().delete(number).await.refused(),
        app.opt_in().check(number, MessageCategory::Marketing).await.refused(),
        app.opt_in().record_opt_in(number, OptInSource::Api).await.refused(),
        app.opt_in().record_opt_out(number).await.refused(),
        app.opt_in().events(number).await.refused(),
        in_list,
    ];
    if !number.is_empty() {
        errors.push(
            in_contact.refused().refused_at(reason::INVALID_PHONE_NUMBER, "contact.phone_number"),
        );
        errors.push(row.refused_at(reason::INVALID_PHONE_NUMBER, "contact.phone_number"));
    } else {
        in_contact.refused_at(reason::REQUIRED_FIELD_MISSING, "contact.phone_number");
    }
    let batch = app.opt_in().check_batch([number], MessageCategory::Marketing).await;
    let outcome = batch.expect("answers").get(0).expect("an answer");
    assert_eq!((outcome.reason, outcome.is_allowed()), (CheckReason::InvalidPhoneNumber, false));
    errors
}

async fn check_all(app: &TestApp, numbers: &[&str], advice: &str) {
    app.make_tags(&["vip"]).await;
    for number in numbers {
        for error in refused_everywhere(app, number).await {
            assert_eq!(error.reason(), Some(reason::INVALID_PHONE_NUMBER), "{number:?}");
            assert!(error.is_invalid_argument(), "{number:?}");
            let field = &error.field_violations()[0].field;
            assert!(field.ends_with("phone_number"), "{number:?}: {field}");
            assert!(error.message().contains(advice), "{number:?}: {error}");
            assert!(number.len() < 4 || !error.to_string().contains(number), "{error}");
        }
    }
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_21_malformed_phone_numbers_are_rejected_with_an_example(app: TestApp) {
    let numbers = [
        "",
        " ",
        "+",
        "abc",
        "1555CALLNOW",
        "654321",
        "1234567890123456",
        "+44 (0)7700 900456",
        "99912345678",
        "+1 555 123 4567 ext 9",
        "15551234567,15557654321",
        "++15551234567",
        "1555+1234567",
    ];
    check_all(&app, &numbers, "send").await;
}

#[apply(on_each_store!)]
async fn row_21_leading_zero_is_not_repaired(app: TestApp) {
    check_all(
        &app,
        &["07700900456", "00447700900456", "05551234567", "0015551234567"],
        "country code first",
    )
    .await;
}

#[apply(on_each_store!)]
async fn row_22_foreign_digits_and_invisible_characters_are_rejected(app: TestApp) {
    let numbers = [
        "١٥٥٥١٢٣٤٥٦٧",
        "１５５５１２３４５６７",
        "1555123456\0",
        "\u{202e}15551234567",
        "15551234567\u{200b}",
        "1555123456\u{7}7",
        "1555\n1234567",
    ];
    check_all(&app, &numbers, "send").await;
}

#[apply(on_each_store!)]
async fn row_22_user_id_is_not_a_phone_number(app: TestApp) {
    check_all(&app, &["US.13491208655302741918"], "whatsapp_user_id").await;
}

#[apply(on_each_store!)]
async fn row_23_separators_are_ignored(app: TestApp) {
    let forms = [
        "15551234567",
        "+1 (555) 123-4567",
        "1-555-123-4567",
        "1.555.123.4567",
        " +1 555\u{a0}123\u{2011}4567 ",
    ];
    for form in forms {
        let made = app.make_contact(form).await;
        assert_eq!(made.phone_number.as_deref(), Some("15551234567"), "{form}");
        for other in forms {
            assert_eq!(app.contacts().get(other).await.expect("a contact"), made, "{other}");
        }
        app.contacts().delete(form).await.expect("a receipt");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_24_contact_is_found_by_the_other_form(app: TestApp) {
    for (one, other) in [
        ("5521987654321", "552187654321"),
        ("525512345678", "5215512345678"),
        ("541123456789", "5491123456789"),
    ] {
        let made = app.make_contact(one).await;
        let again = app.contacts().create(NewContact::new().phone(other)).await;
        let error = again.refused_for(reason::CONTACT_ALREADY_EXISTS);
        assert_eq!(error.existing_contact_id(), Some(&*made.contact_id));
        assert_eq!(app.contacts().get(other).await.expect("a contact"), made);
        app.opt_in().record_opt_out(other).await.expect("an opt-out");
        let check = app.opt_in().check(one, MessageCategory::Marketing).await.expect("a check");
        assert_eq!(
            (check.reason, check.contact_id),
            (CheckReason::OptedOut, Some(made.contact_id))
        );
    }
    app.assert_alive().await;
}
