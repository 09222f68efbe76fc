//! `audit verify` detects every modification of the ledger in the database.

use contacts_sdk::{
    DeleteReason, Evidence, ImportConsent, ImportOptions, NewContact, OptInSource,
    PlatformPreference,
};
use contacts_service::domain::ledger::{Damage, ERASURE, Entry, Head, IntegrityError};
use contacts_service::open_store;
use contacts_service::operations::{audit, lock_workspace, workspace};
use contacts_service::store::{Lock, Operation, Transaction};
use contacts_tests::{TestApp, apply, on_each_store, phone};

const PEOPLE: usize = 10_000;

/// Creates a ledger with every kind of event, including erasures.
async fn fill(app: &TestApp) {
    let consent = ImportConsent::opted_in().evidence(Evidence::new().wording("Yes"));
    let options = ImportOptions::new().consent(consent);
    let people: Vec<_> = (0..PEOPLE).map(|n| NewContact::new().phone(phone(n))).collect();
    let imported = app.contacts().import(options).send(people).await.expect("an import");
    assert_eq!(imported.created, PEOPLE as u64);
    for n in (0..PEOPLE).step_by(1000) {
        app.opt_in().record_opt_out(phone(n)).reason_text("No").await.expect("an opt-out");
        // An opt-out of a non-contact, who becomes a contact later.
        let late = phone(PEOPLE + n);
        app.opt_in().record_opt_out(&*late).reason_text("Never").await.expect("an opt-out");
        if n % 2000 == 0 {
            app.make_contact(&*late).await;
        }
        app.opt_in().record_opt_in(phone(n + 1), OptInSource::Paper).await.expect("an opt-in");
        for preference in [PlatformPreference::Stop, PlatformPreference::Resume] {
            let record = app.opt_in().record_platform_preference(phone(n + 2), preference);
            record.sender_phone_number_id("106540352242922").await.expect("an event");
        }
        let erase = app.contacts().delete(phone(n + 3)).reason(DeleteReason::PersonRequest);
        erase.await.expect("a receipt");
    }
    // The erasure includes the opt-out from before they were a contact.
    app.contacts().delete(phone(PEOPLE)).await.expect("a receipt");
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
}

async fn verify(app: &TestApp, kept: Option<Head>) -> Result<Head, IntegrityError> {
    let store = open_store(app.config()).await.expect("a store");
    let verified = audit::verify(&store, "", kept).await.expect("a database");
    store.close().await;
    verified
}

#[apply(on_each_store!)]
async fn every_modification_is_detected_at_its_position(app: TestApp) {
    const SAVE: &str = "CREATE TABLE saved_event AS SELECT * FROM opt_in_event;
        CREATE TABLE saved_detail AS SELECT * FROM opt_in_event_detail;
        CREATE TABLE saved_workspace AS SELECT ledger_length, ledger_hash FROM workspace;";
    const RESTORE: &str = "DELETE FROM opt_in_event; DELETE FROM opt_in_event_detail;
        INSERT INTO opt_in_event SELECT * FROM saved_event;
        INSERT INTO opt_in_event_detail SELECT * FROM saved_detail;
        UPDATE workspace SET ledger_length = (SELECT ledger_length FROM saved_workspace),
            ledger_hash = (SELECT ledger_hash FROM saved_workspace);";
    const SWAP: &str = "UPDATE opt_in_event SET position = -1 WHERE position = 3000;
        UPDATE opt_in_event SET position = 3000 WHERE position = 7001;
        UPDATE opt_in_event SET position = 7001 WHERE position = -1;";
    // Swaps everything but positions and hashes.
    const SWAP_FACTS: &str = "UPDATE opt_in_event SET
            event_id = (SELECT s.event_id FROM saved_event AS s
                        WHERE s.position + opt_in_event.position = 10001),
            contact_id = (SELECT s.contact_id FROM saved_event AS s
                          WHERE s.position + opt_in_event.position = 10001),
            detail_hash = (SELECT s.detail_hash FROM saved_event AS s
                           WHERE s.position + opt_in_event.position = 10001),
            occurred_time = (SELECT s.occurred_time FROM saved_event AS s
                             WHERE s.position + opt_in_event.position = 10001),
            record_time = (SELECT s.record_time FROM saved_event AS s
                           WHERE s.position + opt_in_event.position = 10001)
        WHERE position IN (3000, 7001);";
    fill(&app).await;
    let head = verify(&app, None).await.expect("an honest ledger");
    // Ten rounds of six events, plus an erasure and an opt-out.
    let length = PEOPLE as i64 + 62;
    assert_eq!(head.length, length);
    app.run_sql(SAVE).await;

    let swapped = Damage::Swapped { with: 7001 };
    for (sql, position, damage) in [
        ("UPDATE opt_in_event SET kind = 3 WHERE position = 5000", 5000, Damage::FactChanged),
        ("UPDATE opt_in_event SET categories = 1 WHERE position = 1", 1, Damage::FactChanged),
        (
            "UPDATE opt_in_event SET occurred_time = occurred_time - 1 WHERE position = 10062",
            length,
            Damage::FactChanged,
        ),
        (
            "UPDATE opt_in_event SET sender_phone_number_id = NULL WHERE position = 10004",
            10_004,
            Damage::FactChanged,
        ),
        (
            "UPDATE opt_in_event_detail SET wording = 'Of course' WHERE position = 9999",
            9999,
            Damage::DetailChanged,
        ),
        (
            "UPDATE opt_in_event_detail SET reason_text = 'Yes' WHERE position = 10001",
            10_001,
            Damage::DetailChanged,
        ),
        ("DELETE FROM opt_in_event WHERE position = 6000", 6000, Damage::Missing),
        ("DELETE FROM opt_in_event WHERE position = 1", 1, Damage::Missing),
        ("DELETE FROM opt_in_event WHERE position > 10050", 10_051, Damage::Truncated { length }),
        ("DELETE FROM opt_in_event", 1, Damage::Truncated { length }),
        (SWAP, 3000, swapped),
        (SWAP_FACTS, 3000, swapped),
        ("DELETE FROM opt_in_event_detail WHERE position = 4321", 4321, Damage::DetailMissing),
        // An event of a non-contact.
        ("DELETE FROM opt_in_event_detail WHERE position = 10008", 10_008, Damage::DetailMissing),
        ("UPDATE workspace SET ledger_length = 10060", length, Damage::BeyondHead),
        (
            "UPDATE workspace SET ledger_hash = (SELECT hash FROM saved_event WHERE position = 7)",
            length,
            Damage::HeadMismatch,
        ),
    ] {
        app.run_sql(sql).await;
        let broken = verify(&app, None).await.expect_err(sql);
        assert_eq!((broken.position, broken.damage), (position, damage), "{sql}");
        let is_there = !matches!(damage, Damage::Missing | Damage::Truncated { .. });
        assert_eq!(broken.event_id.is_some(), is_there, "{sql}");
        app.run_sql(RESTORE).await;
    }
    assert_eq!(verify(&app, Some(head)).await, Ok(head), "all is as it was");

    // A ledger that is rewritten or truncated together with its head passes without a kept head.
    app.run_sql(
        "DELETE FROM opt_in_event WHERE position > 10061;
         UPDATE workspace SET ledger_length = 10061,
             ledger_hash = (SELECT hash FROM opt_in_event WHERE position = 10061)",
    )
    .await;
    verify(&app, None).await.expect("nothing is wrong with what is left");
    let broken = verify(&app, Some(head)).await.expect_err("cut off");
    assert_eq!((broken.position, broken.damage), (length, Damage::Truncated { length }));
    app.run_sql(RESTORE).await;

    app.run_sql("UPDATE opt_in_event SET kind = 3 WHERE position = 5000").await;
    let store = open_store(app.config()).await.expect("a store");
    let mut reader = store.read().await.expect("a reader");
    let found = workspace(&mut *reader, "").await.expect("the workspace");
    let all = reader.ledger_entries(&found, 0, usize::MAX >> 1).await.expect("entries");
    drop(reader);
    app.run_sql("DELETE FROM opt_in_event; DELETE FROM opt_in_event_detail").await;
    store.write(Forge(all)).await.expect("a forged ledger");
    store.close().await;
    verify(&app, None).await.expect("it fits together");
    let broken = verify(&app, Some(head)).await.expect_err("written anew");
    assert_eq!((broken.position, broken.damage), (length, Damage::Rewritten));
}

/// Writes these entries again, as a ledger with valid hashes.
struct Forge(Vec<Entry>);

impl Operation for Forge {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> contacts_service::domain::error::Result<()> {
        let workspace = lock_workspace(tx, "", Lock::Exclusive).await?;
        let mut entries = self.0.clone();
        let mut head = Head::empty(&workspace.workspace_id);
        entries.iter_mut().for_each(|entry| head.append(entry));
        tx.db.append_ledger_entries(&workspace, &entries, &head).await
    }
}

#[apply(on_each_store!)]
async fn erasure_lists_the_details_it_removed(app: TestApp) {
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.make_opted_in(phone(2)).await;
    app.make_contact(phone(1)).await;
    app.opt_in().record_opt_in(phone(1), OptInSource::Paper).await.expect("an opt-in");
    app.contacts().delete(phone(1)).await.expect("a receipt");
    let store = open_store(app.config()).await.expect("a store");
    let mut session = store.read().await.expect("a session");
    let found = workspace(&mut *session, "").await.expect("the workspace");
    let entries = session.ledger_entries(&found, 0, 10).await.expect("entries");
    drop(session);
    store.close().await;
    let erasure = entries.last().expect("an entry");
    assert_eq!((entries.len(), erasure.fact.kind), (4, ERASURE));
    let erased = erasure.fact.erased_positions.as_ref().expect("a list");
    assert_eq!(erased.iter().collect::<Vec<_>>(), [1, 3]);
    let left: Vec<_> = entries.iter().map(|entry| entry.detail.is_some()).collect();
    assert_eq!(left, [false, true, false, false]);
    verify(&app, None).await.expect("a ledger in order");
}
