//! Rows of imports with ids of many persons, and many such rows: what they record is bounded, in events and in time.

use super::rows_of_two::{events, row_of, user};
use super::*;

/// However many persons a row names, and whatever they stopped: the number of events is that of the persons.
#[apply(on_each_store!)]
async fn a_row_of_many_adds_no_event_for_each_pair(app: TestApp) {
    const PERSONS: usize = 20;
    let id = |n: usize| format!("US.{n:02}");
    for n in 0..PERSONS {
        app.contacts().create(NewContact::new().whatsapp_user_id(id(n))).await.expect("a contact");
        no(&app, Recipient::whatsapp_user_id(id(n)), 100).await;
    }
    for sender in 0..20 {
        let sender = format!("10{sender}");
        platform(&app, Recipient::whatsapp_user_id(id(0)), PlatformPreference::Stop, &sender, 50)
            .await;
    }
    let row = (0..PERSONS).fold(NewContact::new(), |row, n| row.whatsapp_user_id(id(n)));
    row_of(&app, row, OnConflict::Skip).await;
    for n in 1..PERSONS {
        let person = Recipient::whatsapp_user_id(id(n));
        // Of its own, of others with 64 / 20 more, and of all senders.
        assert!(events(&app, person.clone()).await <= 6, "{n}");
        app.opt_in().record_opt_in(person.clone(), OptInSource::WebForm).await.expect("an opt-in");
        assert_eq!(check_from(&app, person, "106").await, CheckReason::PlatformOptedOut);
    }
    audited(&app).await;
}

/// Objections are passed on between so many persons that one transaction would keep others waiting: a batch is
/// refused, and an import takes several transactions.
#[apply(on_each_store!)]
async fn many_rows_of_several_persons_take_several_transactions(app: TestApp) {
    const ROWS: usize = 600;
    let id = |n: usize| format!("US.{n}");
    let phones = (0..ROWS).map(|n| NewContact::new().phone(phone(n)));
    app.contacts().batch_upsert(phones).await.expect("contacts");
    let opted_out = (0..ROWS).map(|n| {
        ImportRow::new(NewContact::new().whatsapp_user_id(id(n)))
            .consent(ImportConsent::opted_out())
    });
    app.contacts().batch_upsert(opted_out).await.expect("contacts");
    yes(&app, phone(ROWS - 1), 60).await;

    let row = move |n: usize| NewContact::new().phone(phone(n)).whatsapp_user_id(id(n));
    let refused = app.contacts().batch_upsert((0..ROWS).map(row)).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "rows");
    assert_eq!(check(&app, phone(ROWS - 1)).await, CheckReason::OptedIn, "nothing was stored");

    let import = app.contacts().import(ImportOptions::new().on_conflict(OnConflict::Merge));
    let summary = import.send((0..ROWS).map(row)).await.expect("an import");
    assert_eq!(summary.failures.len(), ROWS);
    for n in 0..ROWS {
        assert_eq!(check(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
    }
    audited(&app).await;
}

/// Rows of fewer persons, too, if there is much to pass on.
#[apply(on_each_store!)]
async fn many_objections_take_several_transactions(app: TestApp) {
    const ROWS: usize = 24;
    const IDS: usize = 20;
    let id = |n: usize| format!("US.{n}");
    for category in [MARKETING, MessageCategory::Utility, MessageCategory::Authentication] {
        let objection = move || ImportConsent::opted_out().categories([category]);
        let rows = (0..ROWS * IDS).map(|n| {
            ImportRow::new(NewContact::new().whatsapp_user_id(id(n))).consent(objection())
        });
        let options = ImportOptions::new().on_conflict(OnConflict::Skip);
        let stored = app.contacts().batch_upsert(rows).options(options).await.expect("contacts");
        assert_eq!(stored.failures.len(), 0);
    }
    let row = move |n: usize| {
        (0..IDS).fold(NewContact::new(), |row, other| row.whatsapp_user_id(id(n * IDS + other)))
    };
    app.contacts()
        .batch_upsert((0..ROWS).map(row))
        .await
        .refused_at(reason::LIMIT_EXCEEDED, "rows");
    assert_eq!(events(&app, user()).await, 3, "nothing was stored");
    let import = app.contacts().import(ImportOptions::new().on_conflict(OnConflict::Merge));
    let summary = import.send((0..ROWS).map(row)).await.expect("an import");
    assert_eq!(summary.failures.len(), ROWS);
    for n in 0..ROWS * IDS {
        let person = Recipient::whatsapp_user_id(format!("US.{n}"));
        assert!(events(&app, person).await >= 6, "{n}");
    }
    audited(&app).await;
}
