//! `audit verify` detects every modification of the ledger in the database.

use contacts_sdk::{
    DeleteReason, Evidence, ImportConsent, ImportOptions, NewContact, OptInSource,
    PlatformPreference,
};
use contacts_service::domain::ledger::{Damage, ERASURE, Entry, Head, IntegrityError};
use contacts_service::operations::{audit, lock_workspace, workspace};
use contacts_service::store::sqlite::Access;
use contacts_service::store::{Lock, Operation, Transaction};
use contacts_tests::{StoredLedger, TestApp, apply, on_each_store, phone};

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
    let store = app.open_store(Access::Read).await;
    let verified = audit::verify(&store, "", kept).await.expect("a database");
    store.close().await;
    verified
}

#[apply(on_each_store!)]
async fn every_modification_is_detected_at_its_position(app: TestApp) {
    fill(&app).await;
    let head = verify(&app, None).await.expect("an honest ledger");
    // Ten rounds of six events, of which five claim an opt-out; an erasure and an opt-out.
    let length = PEOPLE as i64 + 67;
    assert_eq!(head.length, length);
    let honest = app.database().read_ledger().await;

    let swapped = Damage::Swapped { with: 7001 };
    let cases: [(&str, Tampering, i64, Damage); 16] = [
        ("a kind", |l| l.at(5000).fact.kind = 3, 5000, Damage::FactChanged),
        ("categories", |l| l.at(1).fact.categories = 1, 1, Damage::FactChanged),
        ("a time", |l| l.at(10_067).fact.occurred_time -= 1, length, Damage::FactChanged),
        (
            "a sender",
            |l| l.at(10_005).fact.sender_phone_number_id = None,
            10_005,
            Damage::FactChanged,
        ),
        (
            "a wording",
            |l| l.detail_at(9999).wording = "Of course".into(),
            9999,
            Damage::DetailChanged,
        ),
        (
            "a reason",
            |l| l.detail_at(10_001).reason_text = "Yes".into(),
            10_001,
            Damage::DetailChanged,
        ),
        ("one is gone", |l| l.entries.retain(|e| e.position != 6000), 6000, Damage::Missing),
        ("the first is gone", |l| l.entries.retain(|e| e.position != 1), 1, Damage::Missing),
        ("many are gone", |l| l.entries.retain(|e| e.position > 9000), 1, Damage::Missing),
        (
            "the end is gone",
            |l| l.entries.retain(|e| e.position <= 10_050),
            10_051,
            Damage::Truncated { length },
        ),
        ("all are gone", |l| l.entries.clear(), 1, Damage::Truncated { length }),
        ("swapped", swap, 3000, swapped),
        ("swapped but for positions and hashes", swap_facts, 3000, swapped),
        (
            "a detail is gone",
            |l| l.details.retain(|(at, _)| *at != 4321),
            4321,
            Damage::DetailMissing,
        ),
        (
            "the detail of a non-contact is gone",
            |l| l.details.retain(|(at, _)| *at != 10_009),
            10_009,
            Damage::DetailMissing,
        ),
        ("a shorter length", |l| l.length = 10_065, length, Damage::BeyondHead),
    ];
    let other_hash: Tampering = |ledger| ledger.hash = hash(ledger.at(7));
    let case = ("another hash", other_hash, length, Damage::HeadMismatch);
    for (what, tamper, position, damage) in cases.into_iter().chain([case]) {
        let mut ledger = honest.clone();
        tamper(&mut ledger);
        app.database().write_ledger(&ledger).await;
        let broken = verify(&app, None).await.expect_err(what);
        assert_eq!((broken.position, broken.damage), (position, damage), "{what}");
        let is_there = !matches!(damage, Damage::Missing | Damage::Truncated { .. });
        assert_eq!(broken.event_id.is_some(), is_there, "{what}");
    }
    app.database().write_ledger(&honest).await;
    assert_eq!(verify(&app, Some(head)).await, Ok(head), "all is as it was");

    for sql in [
        "UPDATE opt_in_event_pack SET facts = 'nothing'",
        "UPDATE opt_in_event_pack SET last_position = last_position + 100000;
         UPDATE opt_in_event_detail_pack SET last_position = last_position + 100000",
    ] {
        app.run_sql(sql).await;
        let broken = verify(&app, None).await.expect_err(sql);
        assert_eq!(broken.position, 1, "{sql}");
        app.database().write_ledger(&honest).await;
    }

    // A ledger that is rewritten or truncated together with its head passes without a kept head.
    let mut cut = honest.clone();
    cut.entries.truncate(10_066);
    (cut.length, cut.hash) = (10_066, hash(cut.at(10_066)));
    app.database().write_ledger(&cut).await;
    verify(&app, None).await.expect("nothing is wrong with what is left");
    let broken = verify(&app, Some(head)).await.expect_err("cut off");
    assert_eq!((broken.position, broken.damage), (length, Damage::Truncated { length }));

    let mut changed = honest.clone();
    changed.at(5000).fact.kind = 3;
    app.database().write_ledger(&changed).await;
    let store = app.open_store(Access::Write).await;
    let mut reader = store.read().await.expect("a reader");
    let found = workspace(&mut *reader, "").await.expect("the workspace");
    let all = reader.ledger_entries(&found, 0, usize::MAX >> 1).await.expect("entries");
    assert_eq!(all.len() as i64, length);
    drop(reader);
    app.run_sql(
        "DELETE FROM opt_in_event_pack; DELETE FROM opt_in_event_detail_pack;
         DELETE FROM opt_in_event_subject;",
    )
    .await;
    store.write(Forge(all)).await.expect("a forged ledger");
    store.close().await;
    verify(&app, None).await.expect("it fits together");
    let broken = verify(&app, Some(head)).await.expect_err("written anew");
    assert_eq!((broken.position, broken.damage), (length, Damage::Rewritten));
}

type Tampering = fn(&mut StoredLedger);

fn hash(entry: &Entry) -> Vec<u8> {
    entry.hash.expect("a sealed entry").to_vec()
}

fn swap(ledger: &mut StoredLedger) {
    (ledger.at(3000).position, ledger.at(7001).position) = (-1, 3000);
    ledger.at(-1).position = 7001;
    ledger.entries.sort_unstable_by_key(|entry| entry.position);
}

/// Swaps everything but positions and hashes.
fn swap_facts(ledger: &mut StoredLedger) {
    let (one, other) = (ledger.at(3000).clone(), ledger.at(7001).clone());
    for (position, with) in [(3000, other), (7001, one)] {
        let entry = ledger.at(position);
        (entry.fact, entry.detail_hash) = (with.fact, with.detail_hash);
    }
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
    let store = app.open_store(Access::Read).await;
    let mut session = store.read().await.expect("a session");
    let found = workspace(&mut *session, "").await.expect("the workspace");
    let entries = session.ledger_entries(&found, 0, 10).await.expect("entries");
    drop(session);
    store.close().await;
    let erasure = entries.last().expect("an entry");
    assert_eq!((entries.len(), erasure.fact.kind), (5, ERASURE));
    let erased = erasure.fact.erased_positions.as_ref().expect("a list");
    assert_eq!(erased.iter().collect::<Vec<_>>(), [1, 3, 4]);
    let left: Vec<_> = entries.iter().map(|entry| entry.detail.is_some()).collect();
    assert_eq!(left, [false, true, false, false, false]);
    verify(&app, None).await.expect("a ledger in order");
}
