//! Erasures after a backup are replayed on the restored database.

use std::fs;
use std::time::{Duration, SystemTime};

use contacts_sdk::{
    CheckReason, ImportConsent, ImportOptions, MessageCategory, NewContact, OnConflict,
    OptInSource, PlatformPreference, Recipient, reason,
};
use contacts_service::erasures::{self, Summary};
use contacts_service::key_file;
use contacts_service::operations::{audit, audit_states};
use contacts_service::store::sqlite::Access;
use contacts_tests::{Refused, TestApp, apply, of_another_key, on_each_store, phone};

pub(crate) async fn list(app: &TestApp) -> Vec<String> {
    let store = app.open_store(Access::Read).await;
    let mut lines = Vec::new();
    let failed = |_: &str, error| panic!("{error}");
    let listed =
        erasures::list(&store, None, Default::default(), |line| lines.push(line), failed).await;
    store.close().await;
    listed.expect("the erasures");
    lines
}

/// Replays erasures. Returns the summary and the lines that were rejected.
pub(crate) async fn replay(app: &TestApp, lines: &[String]) -> (Summary, Vec<(u64, String)>) {
    let store = app.open_store(Access::Write).await;
    let mut refused = Vec::new();
    let text = lines.join("\n");
    let said = |line, error| refused.push((line, error));
    let summary = erasures::replay(&store, text.as_bytes(), said).await.expect("lines");
    store.close().await;
    (summary, refused)
}

async fn reason_of(app: &TestApp, n: usize) -> CheckReason {
    let check = app.opt_in().check(phone(n), MessageCategory::Marketing).await.expect("a check");
    check.reason
}

async fn erase(app: &TestApp, n: usize) {
    app.contacts().delete(phone(n)).await.expect("a receipt");
}

/// Fails unless an import that claims an opt-in of this number is refused.
async fn refuse_claim(app: &TestApp, n: usize) {
    let options =
        ImportOptions::new().on_conflict(OnConflict::Merge).consent(ImportConsent::opted_in());
    let row = NewContact::new().phone(phone(n));
    let claim = app.contacts().batch_upsert([row]).options(options).await;
    let error = claim.expect("an outcome").failures.remove(0).error;
    error.refused_for(reason::CONSENT_CONFLICT);
}

async fn verify(app: &TestApp) {
    let store = app.open_store(Access::Read).await;
    audit::verify(&store, "", None).await.expect("a ledger").expect("in order");
    assert_eq!(audit_states::verify_states(&store, "").await.expect("an audit"), []);
    store.close().await;
}

#[apply(on_each_store!)]
async fn erasures_are_replayed_on_a_restored_backup(app: TestApp) {
    app.workspaces().create("acme").await.expect("a workspace");
    // 0 is erased before the backup, 1 stays, 2 to 4 are erased, 5 opts out as a non-contact.
    for n in 0..5 {
        app.make_opted_in(phone(n)).await;
    }
    erase(&app, 0).await;
    app.opt_in().record_opt_out(phone(5)).reason_text("Never you").await.expect("an opt-out");
    let backup = app.backup().await;

    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    erase(&app, 2).await;
    app.contacts().merge(phone(3), phone(4)).await.expect("one contact");
    erase(&app, 3).await;
    app.make_contact(phone(5)).await;
    erase(&app, 5).await;
    app.make_opted_in(phone(6)).await;
    erase(&app, 6).await;

    let mut lines = list(&app).await;
    assert_eq!(lines.len(), 5);
    for n in 0..7 {
        assert!(!lines.concat().contains(phone(n).trim_start_matches('+')), "{n}");
    }
    let good = lines.clone();
    // Invalid lines are reported and the others are replayed.
    lines.insert(0, lines[1].replace("\"default\"", "\"nobody\""));
    lines.insert(2, lines[1].replace("h1:", "h9:"));
    lines.insert(3, "{}".to_owned());
    lines.insert(4, of_another_key(&lines[1]));

    let restored = app.restore(backup).await;
    let (summary, refused) = replay(&restored, &lines).await;
    let expected = Summary { erased: 2, suppressed: 2, already_gone: 1, failed: 4 };
    assert_eq!(summary, expected, "{refused:?}");
    let numbers: Vec<_> = refused.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 3, 4, 5], "{refused:?}");

    // Only the contact that stays is left.
    let left = restored.contacts().list().await.expect("contacts").items;
    assert_eq!(left.len(), 1);
    for n in [0, 2, 3, 4, 5, 6] {
        let number = phone(n);
        let found = restored.database().columns_with(number.trim_start_matches('+')).await;
        assert_eq!(found, Vec::<String>::new(), "{n}");
    }
    assert_eq!(restored.database().columns_with("Never you").await, Vec::<String>::new());
    assert_eq!(list(&restored).await, good, "as it was before the loss");

    let (summary, refused) = replay(&restored, &good).await;
    assert_eq!(summary, Summary { already_gone: 5, ..Summary::default() }, "{refused:?}");

    // Consent claimed by others is rejected.
    for n in [0, 2, 3, 4, 5, 6] {
        refuse_claim(&restored, n).await;
        restored.make_contact(phone(n)).await;
        let out = if [2, 5].contains(&n) { CheckReason::OptedOut } else { CheckReason::Erased };
        assert_eq!(reason_of(&restored, n).await, out, "{n}");
    }
    assert_eq!(reason_of(&restored, 1).await, CheckReason::OptedIn);
    verify(&restored).await;
    restored.finish().await;
}

/// What the backup has of somebody who is no contact counts for whoever is erased since, and stays
/// listed: what they objected to decides checks.
#[apply(on_each_store!)]
async fn erasures_of_people_who_are_no_contacts_in_the_backup_are_replayed(app: TestApp) {
    use PlatformPreference::{Resume, Stop};
    const SENDER: &str = "106540352242922";
    let said: [&[_]; 5] = [
        &[(Stop, SENDER)],
        &[(Resume, SENDER)],
        &[(Stop, SENDER), (Resume, SENDER)],
        &[(Stop, ""), (Resume, SENDER)],
        &[(Stop, ""), (Resume, SENDER), (Stop, SENDER)],
    ];
    for (n, said) in said.iter().enumerate() {
        for (preference, sender) in *said {
            let recorded = app.opt_in().record_platform_preference(phone(n), *preference);
            recorded.sender_phone_number_id(*sender).await.expect("a preference");
        }
    }
    app.opt_in().record_opt_out(phone(5)).reason_text("Never you").await.expect("an opt-out");
    let backup = app.backup().await;
    for n in 0..6 {
        app.make_contact(phone(n)).await;
        erase(&app, n).await;
    }
    let restored = app.restore(backup).await;
    let before = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let (summary, refused) = replay(&restored, &list(&app).await).await;
    assert_eq!(summary, Summary { suppressed: 6, ..Summary::default() }, "{refused:?}");
    for n in 0..6 {
        let now = restored.opt_in().check(phone(n), MessageCategory::Marketing);
        now.as_of(before).await.expect("an answer");
        for app in [&app, &restored] {
            app.make_contact(phone(n)).await;
            app.opt_in().record_opt_in(phone(n), OptInSource::Paper).await.expect("an opt-in");
        }
        for sender in ["", SENDER, "106540352242923"] {
            let mut answers = Vec::new();
            for app in [&app, &restored] {
                let check = app.opt_in().check(phone(n), MessageCategory::Marketing);
                let check = check.sender_phone_number_id(sender).await.expect("an answer");
                let listed = app.opt_in().events(phone(n)).await.expect("events").items;
                let decided = check.event_id.clone().expect("an event");
                assert!(listed.iter().any(|event| event.event_id == decided), "{n} {sender}");
                answers.push(check.reason);
            }
            assert_eq!(answers[0], answers[1], "{n} {sender}");
        }
    }
    verify(&restored).await;
    restored.finish().await;
}

/// A number that another contact has in the backup left it before the erasure. It is released, or denied
/// where it is all that the contact has.
#[apply(on_each_store!)]
async fn number_that_changed_hands_after_the_backup_stays_erased(app: TestApp) {
    use MessageCategory::Marketing;
    const ID: &str = "US.1349";
    for n in 0..4 {
        app.make_opted_in(phone(n)).await;
    }
    // One has a user id, too, and of one it is a former number.
    let id = Recipient::whatsapp_user_id(ID);
    app.contacts().link_identity(phone(2)).whatsapp_user_id(ID).await.expect("a contact");
    let by_id = app.opt_in().record_opt_in(id.clone(), OptInSource::Paper);
    by_id.await.expect("an opt-in");
    app.contacts().link_identity(phone(3)).phone(phone(13)).await.expect("a contact");
    let backup = app.backup().await;
    for n in 0..4 {
        let now = if n == 3 { 13 } else { n };
        let link = app.contacts().link_identity(phone(now)).phone(phone(n + 20)).release(phone(n));
        link.await.expect("a contact");
        app.opt_in().record_opt_out(phone(n)).await.expect("an opt-out");
        app.make_contact(phone(n)).await;
        erase(&app, n).await;
    }
    // Of those who had the numbers, one is erased, too.
    erase(&app, 20).await;

    let restored = app.restore(backup).await;
    let before = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let lines = list(&app).await;
    let (summary, refused) = replay(&restored, &lines).await;
    assert_eq!(summary, Summary { erased: 1, suppressed: 4, ..Summary::default() }, "{refused:?}");
    let (again, _) = replay(&restored, &lines).await;
    assert_eq!(again, Summary { already_gone: 5, ..Summary::default() });
    verify(&restored).await;
    for n in [2, 3] {
        restored
            .contacts()
            .get(phone(n))
            .await
            .expect_err("released")
            .refused_for(reason::CONTACT_NOT_FOUND);
    }
    // What its contact keeps is as it was.
    let check = restored.opt_in().check(id, Marketing).await.expect("a check");
    assert_eq!(check.reason, CheckReason::OptedIn);

    assert_eq!(reason_of(&restored, 1).await, CheckReason::OptedOut);
    let link = restored.contacts().link_identity(phone(1)).phone(phone(11));
    link.await.expect("a contact");
    restored.contacts().link_identity(phone(11)).release(phone(1)).await.expect("a contact");
    verify(&restored).await;
    for n in 0..4 {
        let as_of = restored.opt_in().check(phone(n), Marketing).as_of(before);
        as_of.await.expect("an answer as of then");
        restored.make_contact(phone(n)).await;
        refuse_claim(&restored, n).await;
        assert_eq!(reason_of(&restored, n).await, CheckReason::OptedOut, "{n}");
    }
    for n in [11, 13] {
        erase(&restored, n).await;
    }
    verify(&restored).await;
    restored.finish().await;
}

/// The backup knows the ids of an erased person as several persons, or not at all: what stood against one
/// stands against all.
#[apply(on_each_store!)]
async fn ids_that_were_of_one_person_when_it_was_erased_share_what_stands(app: TestApp) {
    use MessageCategory::Marketing;
    const SENDER: &str = "106540352242922";
    let user = |n: usize| Recipient::whatsapp_user_id(format!("US.{n}"));
    let stop = async |who: Recipient| {
        let stop = app.opt_in().record_platform_preference(who, PlatformPreference::Stop);
        stop.sender_phone_number_id(SENDER).await.expect("a stop");
    };
    // A contact with a stop, which gets a number; one that gets a number with a stop; two that are merged.
    let mut ids = Vec::new();
    for n in 0..3 {
        let contact = NewContact::new().whatsapp_user_id(format!("US.{n}"));
        ids.push(app.contacts().create(contact).await.expect("a contact").contact_id);
        app.opt_in().record_opt_in(user(n), OptInSource::Paper).await.expect("an opt-in");
    }
    app.make_contact(phone(2)).await;
    for who in [user(0), phone(1).into(), phone(2).into()] {
        stop(who).await;
    }
    let then = SystemTime::now();
    let mut before = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        for who in [user(n), phone(n).into(), Recipient::contact_id(id.clone())] {
            let check = app.opt_in().check(who, Marketing).await.expect("a check");
            before.push(check.reason);
        }
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    let backup = app.backup().await;
    for n in 0..2 {
        app.contacts().link_identity(user(n)).phone(phone(n)).await.expect("a contact");
    }
    app.contacts().merge(user(2), phone(2)).await.expect("a contact");
    for n in 0..3 {
        erase(&app, n).await;
    }

    let restored = app.restore(backup).await;
    let (summary, refused) = replay(&restored, &list(&app).await).await;
    assert_eq!(summary, Summary { erased: 3, ..Summary::default() }, "{refused:?}");
    verify(&restored).await;
    let mut past = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        for who in [user(n), phone(n).into(), Recipient::contact_id(id.clone())] {
            let check = restored.opt_in().check(who, Marketing).as_of(then);
            past.push(check.await.expect("a check").reason);
        }
    }
    assert_eq!(past, before);
    for app in [&app, &restored] {
        for n in 0..3 {
            for (contact, who) in [
                (NewContact::new().phone(phone(n)), phone(n).into()),
                (NewContact::new().whatsapp_user_id(format!("US.{n}")), user(n)),
            ] {
                app.contacts().create(contact).await.expect("a contact");
                let opt_in = app.opt_in().record_opt_in(who.clone(), OptInSource::Paper);
                opt_in.await.expect("an opt-in");
                let check = app.opt_in().check(who.clone(), Marketing);
                let check = check.sender_phone_number_id(SENDER).await.expect("a check");
                assert_eq!(check.reason, CheckReason::PlatformOptedOut, "{n}");
            }
        }
    }
    verify(&restored).await;
    restored.finish().await;
}

/// What the backup has of a person who was no contact is under the key of then, and erased with them; and
/// what was erased under that key is, when a later one is in use.
#[apply(on_each_store!)]
async fn erasures_under_a_later_key_are_replayed(shared: TestApp) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("contacts.key");
    // All tests on Postgres share one key file.
    fs::copy(shared.key_file(), &key).expect("a copy");
    let app = shared.restore_with(shared.backup().await, key.clone()).await;
    app.opt_in().record_opt_out(phone(0)).reason_text("Never me").await.expect("an opt-out");
    for n in [1, 3] {
        app.make_opted_in(phone(n)).await;
    }
    app.make_contact(phone(4)).await;
    app.contacts().link_identity(phone(4)).whatsapp_user_id("US.1349").await.expect("a contact");
    let backup = app.backup().await;
    let link = app.contacts().link_identity(phone(4)).phone(phone(14)).release(phone(4));
    link.await.expect("a contact");
    for n in [4, 5] {
        app.make_contact(phone(n)).await;
    }
    for n in 3..6 {
        erase(&app, n).await;
    }
    key_file::rotate(&key).expect("a second version");
    app.restart().await;
    // Two of them are erased again.
    for n in [0, 2, 3, 5] {
        app.make_contact(phone(n)).await;
    }
    for n in [0, 1, 2, 3, 5] {
        erase(&app, n).await;
    }

    let restored = app.restore(backup).await;
    let before = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let lines: Vec<_> = list(&app).await.into_iter().rev().collect();
    let (summary, refused) = replay(&restored, &lines).await;
    assert_eq!(summary, Summary { erased: 2, suppressed: 6, ..Summary::default() }, "{refused:?}");
    assert_eq!(restored.database().columns_with("Never me").await, Vec::<String>::new());
    verify(&restored).await;
    use CheckReason::{Erased, OptedOut};
    for (n, reason) in
        [(0, OptedOut), (1, Erased), (2, Erased), (3, Erased), (4, Erased), (5, Erased)]
    {
        assert_eq!(reason_of(&restored, n).await, reason, "{n}");
        restored.make_contact(phone(n)).await;
        let as_of = restored.opt_in().check(phone(n), MessageCategory::Marketing).as_of(before);
        as_of.await.expect("an answer as of then");
        let opt_in = restored.opt_in().record_opt_in(phone(n), OptInSource::WebForm);
        opt_in.await.expect("an opt-in");
        assert_eq!(reason_of(&restored, n).await, CheckReason::OptedIn, "{n}");
    }
    verify(&restored).await;
    restored.finish().await;
    app.finish().await;
}
