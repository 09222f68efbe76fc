//! Rows 25 to 28: text.

use contacts_sdk::{AttributeType, MessageCategory, NewContact, OptInSource, reason};
use contacts_tests::{Refused, TestApp, apply, logged, on_each_store, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

#[apply(on_each_store!)]
async fn row_25_nul_is_rejected_in_every_text(app: TestApp) {
    app.make_attributes().await;
    app.make_contact(phone(1)).await;
    let nul = "a\0b";
    let person = || NewContact::new().phone(phone(2));
    for (contact, field) in [
        (person().first_name(nul), "contact.first_name"),
        (person().last_name(nul), "contact.last_name"),
        (person().email("a\0@example.com"), "contact.email"),
        (person().attribute("city", nul), "contact.attributes.city"),
    ] {
        app.contacts().create(contact).await.refused_at(reason::INVALID_TEXT, field);
    }
    let text = reason::INVALID_TEXT;
    app.tags().create("x").description(nul).await.refused_at(text, "tag.description");
    app.tags().create(nul).tag_id("x").await.refused_at(text, "tag.display_name");
    let attribute = app.attributes().create(nul, AttributeType::String).attribute_id("x");
    attribute.await.refused_at(text, "attribute.display_name");
    let option = app.attributes().create("x", AttributeType::Enum).enum_options([nul]).await;
    option.refused_at(text, "attribute.enum_options");
    let workspace = app.workspaces().create("x").display_name(nul).await;
    workspace.refused_at(text, "workspace.display_name");
    // An objection is recorded without the characters that a text cannot have.
    let said = app.opt_in().record_opt_out(phone(1)).reason_text(nul).await;
    assert_eq!(said.expect("an opt-out").event.reason_text, nul.replace('\0', "") + " […]");

    // In ids, NUL is as invalid as any other character.
    app.tags().create("x").tag_id(nul).await.refused_at(reason::INVALID_ID, "tag.tag_id");
    app.tags().get(nul).await.refused_for(reason::TAG_NOT_FOUND);
    app.attributes().get(nul).await.refused_for(reason::ATTRIBUTE_NOT_FOUND);
    app.workspaces().get(nul).await.refused_for(reason::WORKSPACE_NOT_FOUND);
    let lost = app.client().with_workspace(nul);
    lost.contacts().count().await.refused_for(reason::WORKSPACE_NOT_FOUND);
    lost.opt_in().check(phone(1), MARKETING).await.refused_for(reason::WORKSPACE_NOT_FOUND);
    let batch = lost.opt_in().check_batch(&[phone(1)], MARKETING).await;
    batch.refused_for(reason::WORKSPACE_NOT_FOUND);
    lost.opt_in().record_opt_out(phone(1)).await.refused_for(reason::WORKSPACE_NOT_FOUND);
    app.contacts().create(person().tag(nul)).await.refused_at(reason::UNKNOWN_TAG, "contact.tags");
    app.contacts()
        .list()
        .filter(format!("first_name = \"{nul}\""))
        .await
        .refused_at(reason::INVALID_FILTER, "filter");
    app.contacts().list().order_by(nul).await.refused_at(reason::INVALID_ORDER_BY, "order_by");
    app.contacts()
        .list()
        .page_token(nul)
        .await
        .refused_at(reason::INVALID_PAGE_TOKEN, "page_token");
    // A query ignores everything but letters and digits.
    app.contacts().list().query(nul).await.expect("nobody");
    let etag = app.contacts().update(phone(1)).etag(nul).first_name("x").await;
    etag.refused_for(reason::ETAG_MISMATCH);
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_25_long_text_and_excess_combining_marks_are_rejected(app: TestApp) {
    app.make_attributes().await;
    let person = || NewContact::new().phone(phone(1));
    // The largest text that fits a message.
    let huge = "x".repeat((1 << 20) - 100);
    let error = app.contacts().create(person().first_name(&huge)).await;
    let error = error.refused_at(reason::LIMIT_EXCEEDED, "contact.first_name");
    assert!(error.message().contains("200"), "{}", error.message().len());
    let beyond = app.contacts().create(person().first_name("x".repeat(10 << 20))).await.refused();
    let kind = beyond.kind();
    assert!(
        matches!(
            kind,
            contacts_sdk::ErrorKind::OutOfRange | contacts_sdk::ErrorKind::ResourceExhausted
        ),
        "{beyond:?}"
    );
    app.assert_alive().await;

    let city = app.contacts().create(person().attribute("city", "x".repeat(1001))).await;
    city.refused_at(reason::LIMIT_EXCEEDED, "contact.attributes.city");
    let marks = format!("a{}", "\u{301}".repeat(199));
    let piled = app.contacts().create(person().first_name(marks)).await;
    piled.refused_at(reason::INVALID_TEXT, "contact.first_name");
    let piled = app.contacts().create(person().attribute("city", "\u{300}".repeat(1000))).await;
    piled.refused_at(reason::INVALID_TEXT, "contact.attributes.city");
    assert_eq!(app.contacts().count().await.expect("a count"), 0);

    // The maximum length is in characters and not in bytes.
    let most = person().first_name("é".repeat(200)).last_name("😀".repeat(200));
    let most = most.attribute("city", "中".repeat(1000));
    app.contacts().create(most).await.expect("a contact");
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_26_malformed_email_addresses_are_rejected(app: TestApp) {
    let long = format!("{}@exemplo.pt", "a".repeat(288));
    for (email, reason) in [
        ("zoe", reason::INVALID_EMAIL),
        ("zoe.exemplo.pt", reason::INVALID_EMAIL),
        ("zoe@b@exemplo.pt", reason::INVALID_EMAIL),
        ("@exemplo.pt", reason::INVALID_EMAIL),
        ("zoe@", reason::INVALID_EMAIL),
        ("zoe maria@exemplo.pt", reason::INVALID_EMAIL),
        (" zoe@exemplo.pt", reason::INVALID_EMAIL),
        ("zoe@exemplo.pt\r\nBcc: x@exemplo.pt", reason::INVALID_EMAIL),
        (&long, reason::LIMIT_EXCEEDED),
    ] {
        let made = app.contacts().create(NewContact::new().phone(phone(1)).email(email)).await;
        let error = made.refused_at(reason, "contact.email");
        assert!(!error.to_string().contains(email.trim()), "{error}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_27_names_in_all_scripts_round_trip_byte_for_byte(app: TestApp) {
    let names = [
        "مُحَمَّد العلي",
        "שָׁלוֹם \u{202e}abc\u{202c}",
        "👩\u{200d}👩\u{200d}👧\u{fe0f} Família",
        "王小明",
        "กิตติ นะวะมันดร",
        "e\u{301} and \u{e9}",
        "علی\u{200c}رضا",
        "\u{feff}BOM",
        " padded \t",
        "\u{10ffff}\u{fffd}",
    ];
    for (n, name) in names.into_iter().enumerate() {
        let person = NewContact::new().phone(phone(n)).first_name(name);
        let made = app.contacts().create(person).await.expect("a contact");
        assert_eq!(made.first_name.as_deref(), Some(name));
        let got = app.contacts().get(phone(n)).await.expect("a contact");
        assert_eq!(got.first_name.as_deref(), Some(name));
        let filter = contacts_sdk::Filter::first_name().eq(name);
        let listed = app.contacts().list().filter(filter).await;
        // Filters reject control characters.
        if !name.contains('\t') {
            assert_eq!(listed.expect("a page").items, [got], "{name:?}");
        }
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_28_line_breaks_and_escapes_are_data(app: TestApp) {
    let name = "Zxqv28\r\nERROR forged line\u{1b}[31mred";
    let person = NewContact::new().phone(phone(1)).first_name(name);
    let made = app.contacts().create(person).await.expect("a contact");
    assert_eq!(made.first_name.as_deref(), Some(name));
    assert_eq!(app.contacts().count().query("zxqv28").await.expect("a count"), 1);
    // Fields that errors and logs could repeat.
    let errors = [
        app.tags().get(name).await.refused(),
        app.attributes().get(name).await.refused(),
        app.workspaces().get(name).await.refused(),
        app.contacts().create(NewContact::new().phone(phone(2)).tag(name)).await.refused(),
        app.contacts().update(phone(1)).attribute(name, "x").await.refused(),
        app.contacts().list().filter(name).await.refused(),
        app.contacts().list().order_by(name).await.refused(),
    ];
    for error in errors {
        let shown = error.message();
        assert!(!shown.contains(['\r', '\n', '\u{1b}']), "{shown:?}");
    }
    app.opt_in().record_opt_in(phone(1), OptInSource::Api).await.expect("an opt-in");
    let log = logged();
    assert!(!log.contains("forged line\u{1b}") && !log.contains("\nERROR forged"), "in the log");
    app.assert_alive().await;
}
