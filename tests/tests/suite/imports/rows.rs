//! Results of rows: created, merged, skipped or failed.

use contacts_sdk::{ErrorKind, NewContact, Recipient, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};

use super::{counts, fail, import, merge, row, skip};

#[apply(on_each_store!)]
async fn invalid_row_fails_alone(app: TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_attributes().await;
    let rows = vec![
        row(phone(0)).first_name("Ana"),
        row("12"),
        row(phone(2)).email("nobody"),
        row(phone(3)).tag("vpi"),
        row(phone(4)).attribute("orders", "three"),
        row(phone(5)).attribute("tier", "Platinum"),
        row(phone(6)).attribute("town", "Lisboa"),
        NewContact::new().first_name("Nobody"),
        row(phone(8)).first_name("x".repeat(201)),
        row(phone(9)).tag("vip"),
    ];
    let chunk = import(&app, skip(), rows).await;
    assert_eq!(counts(&chunk), [2, 0, 0, 8]);
    let failures: Vec<_> = chunk
        .failures
        .iter()
        .map(|failure| {
            assert_eq!(failure.error.kind(), ErrorKind::InvalidArgument);
            let field = failure.error.field_violations()[0].field.as_str();
            (failure.row, failure.error.reason().expect("a reason"), field)
        })
        .collect();
    assert_eq!(
        failures,
        [
            (1, reason::INVALID_PHONE_NUMBER, "contact.phone_number"),
            (2, reason::INVALID_EMAIL, "contact.email"),
            (3, reason::UNKNOWN_TAG, "contact.tags"),
            (4, reason::WRONG_ATTRIBUTE_TYPE, "contact.attributes.orders"),
            (5, reason::INVALID_ENUM_OPTION, "contact.attributes.tier"),
            (6, reason::UNKNOWN_ATTRIBUTE, "contact.attributes.town"),
            (7, reason::REQUIRED_FIELD_MISSING, "contact.phone_number"),
            (8, reason::LIMIT_EXCEEDED, "contact.first_name"),
        ]
    );
    assert_eq!(chunk.failures[2].error.metadata("suggestion"), Some("vip"));
    assert_eq!(app.contacts().count().await.expect("a count"), 2);
}

#[apply(on_each_store!)]
async fn existing_contact_is_skipped_merged_or_fails(app: TestApp) {
    app.make_tags(&["vip", "lead"]).await;
    app.make_attributes().await;
    let old = row(phone(1)).first_name("Ana").last_name("García").tag("vip");
    let old = old.attribute("city", "Lisboa").attribute("orders", 3);
    let before = app.contacts().create(old).await.expect("a contact");
    let new = || {
        vec![
            row(phone(1))
                .first_name("Anna")
                .email("a@example.com")
                .tag("lead")
                .attribute("orders", 4),
        ]
    };

    assert_eq!(counts(&import(&app, skip(), new()).await), [0, 0, 1, 0]);
    let failed = import(&app, fail(), new()).await;
    assert_eq!(counts(&failed), [0, 0, 0, 1]);
    let error = failed.failures[0].error.clone().refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.existing_contact_id(), Some(&*before.contact_id));
    assert_eq!(app.contacts().get(phone(1)).await.expect("a contact"), before);

    assert_eq!(counts(&import(&app, merge(), new()).await), [0, 1, 0, 0]);
    let after = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!(after.contact_id, before.contact_id);
    assert_eq!(
        (after.first_name.as_deref(), after.last_name.as_deref()),
        (Some("Anna"), Some("García"))
    );
    assert_eq!(after.email.as_deref(), Some("a@example.com"));
    assert_eq!(after.tags, ["lead", "vip"]);
    assert_eq!(after.attribute("city").and_then(|city| city.as_str()), Some("Lisboa"));
    assert_eq!(after.attribute("orders").and_then(|orders| orders.as_f64()), Some(4.0));
}

#[apply(on_each_store!)]
async fn resent_chunk_changes_nothing(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let rows = || (0..50).map(|n| row(phone(n)).first_name(format!("P{n}")).tag("vip"));
    assert_eq!(counts(&import(&app, merge(), rows()).await), [50, 0, 0, 0]);
    let before = app.contacts().get(phone(7)).await.expect("a contact");
    for options in [merge(), skip()] {
        assert_eq!(counts(&import(&app, options, rows()).await), [0, 0, 50, 0]);
    }
    assert_eq!(app.contacts().get(phone(7)).await.expect("a contact"), before);
    assert_eq!(app.contacts().count().await.expect("a count"), 50);
}

#[apply(on_each_store!)]
async fn two_rows_of_one_person_make_one_contact(app: TestApp) {
    // The second row has another form of the number.
    let rows =
        || vec![row("552187654321").first_name("Ana"), row("5521987654321").last_name("García")];
    assert_eq!(counts(&import(&app, merge(), rows()).await), [1, 1, 0, 0]);
    let made = app.contacts().get("5521987654321").await.expect("a contact");
    assert_eq!(made.phone_number.as_deref(), Some("552187654321"), "the stored form is kept");
    assert_eq!(
        (made.first_name.as_deref(), made.last_name.as_deref()),
        (Some("Ana"), Some("García"))
    );

    let mexico =
        || vec![row("525512345678").first_name("Bo"), row("5215512345678").first_name("Cy")];
    assert_eq!(counts(&import(&app, skip(), mexico()).await), [1, 0, 1, 0]);
    let kept = app.contacts().get("5215512345678").await.expect("a contact");
    assert_eq!(kept.first_name.as_deref(), Some("Bo"));

    let twice = import(&app, fail(), vec![row(phone(1)), row(phone(1))]).await;
    assert_eq!((counts(&twice), twice.failures[0].row), ([1, 0, 0, 1], 1));
    assert_eq!(app.contacts().count().await.expect("a count"), 3);
}

#[apply(on_each_store!)]
async fn import_adds_a_user_id_to_a_contact_with_a_phone_number(app: TestApp) {
    app.make_contact(phone(1)).await;
    let joined = row(phone(1)).whatsapp_user_id("US.1");
    assert_eq!(counts(&import(&app, merge(), vec![joined]).await), [0, 1, 0, 0]);
    let by_user = app.contacts().get(Recipient::whatsapp_user_id("US.1")).await.expect("a contact");
    assert_eq!(by_user.phone_number.as_deref(), Some(&*phone(1)));

    // A number is added to a contact with a user id, but two contacts are not joined.
    let only_user = NewContact::new().whatsapp_user_id("US.2");
    app.contacts().create(only_user).await.expect("a contact");
    let rows = vec![row(phone(2)).whatsapp_user_id("US.2"), row(phone(1)).whatsapp_user_id("US.2")];
    let chunk = import(&app, merge(), rows).await;
    for (n, id) in [(1, "US.1"), (2, "US.2")] {
        let contact = app.contacts().get(phone(n)).await.expect("a contact");
        assert_eq!(contact.whatsapp_user_ids, [id]);
    }
    assert_eq!(chunk.created, 0);
    assert_eq!(app.contacts().count().await.expect("a count"), 2);
}

#[apply(on_each_store!)]
async fn add_tags_applies_to_every_row(app: TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_contact(phone(1)).await;
    let rows = || vec![row(phone(1)), row(phone(2)).tag("vip")];
    let missing = app.contacts().import(merge().add_tag("launch")).send(rows()).await;
    let error = missing.refused_for(reason::UNKNOWN_TAG);
    assert_eq!(error.metadata("tag_id"), Some("launch"));
    assert_eq!(app.contacts().count().await.expect("a count"), 1);

    let options = merge().add_tag("launch").create_missing_tags(true);
    assert_eq!(counts(&import(&app, options, rows()).await), [1, 1, 0, 0]);
    assert_eq!(app.contacts().get(phone(2)).await.expect("a contact").tags, ["launch", "vip"]);
    assert_eq!(app.tags().get("launch").await.expect("a tag").contact_count, 2);
}

#[apply(on_each_store!)]
async fn missing_tags_are_created_on_request(app: TestApp) {
    let rows = vec![row(phone(1)).tag("new_one"), row(phone(2)).tag("Not An Id"), row(phone(3))];
    let chunk = import(&app, skip().create_missing_tags(true), rows).await;
    assert_eq!(counts(&chunk), [2, 0, 0, 1]);
    assert_eq!(chunk.failures[0].row, 1);
    let made = app.tags().get("new_one").await.expect("a tag");
    assert_eq!((&*made.display_name, made.contact_count), ("new_one", 1));
}

#[apply(on_each_store!)]
async fn summary_counts_rows_and_lists_failures_of_all_chunks(app: TestApp) {
    let mut rows: Vec<_> = phones(0..2500).into_iter().map(row).collect();
    rows[1999] = row("bad");
    let (report, reported) = std::sync::mpsc::channel();
    let import = app.contacts().import(skip()).chunk_size(400);
    let import = import.on_progress(move |so_far| report.send(so_far.rows).expect("a report"));
    let summary = import.send(rows).await.expect("an import");
    assert_eq!((summary.rows, summary.created, summary.failed), (2500, 2499, 1));
    let reported: Vec<_> = reported.iter().collect();
    assert_eq!(reported, [400, 800, 1200, 1600, 2000, 2400, 2500]);
    assert_eq!(summary.failures[0].row, 1999);
    assert_eq!(app.contacts().count().await.expect("a count"), 2499);
}
