//! Suppression of people without a contact: erased people, and non-contacts who opted out. Their
//! identifiers are stored only as keyed hashes, checks still find them, and only the person can lift
//! the opt-out.

use std::fs;

use contacts_sdk::{
    CheckReason, ChunkResult, ImportConsent, ImportOptions, MessageCategory, NewContact,
    OnConflict, OptInSource, OptInStatus, Recipient, reason,
};
use contacts_service::{Config, Server, key_file};
use contacts_tests::{Backend, Refused, TestApp, apply, on_each_store, phone};

const CATEGORIES: [MessageCategory; 3] =
    [MessageCategory::Marketing, MessageCategory::Utility, MessageCategory::Authentication];

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    let check = app.opt_in().check(person, MessageCategory::Marketing).await.expect("a check");
    assert_eq!(check.is_allowed(), check.reason == CheckReason::OptedIn);
    check.reason
}

async fn claim(app: &TestApp, row: NewContact) -> ChunkResult {
    let options =
        ImportOptions::new().on_conflict(OnConflict::Merge).consent(ImportConsent::opted_in());
    app.contacts().batch_upsert([row]).options(options).await.expect("an outcome")
}

#[apply(on_each_store!)]
async fn identifiers_of_non_contacts_are_stored_hashed(app: TestApp) {
    let user_id = "US.13491208655302741918";
    app.opt_in().record_opt_out(phone(1)).reason_text("STOP").await.expect("an opt-out");
    app.opt_in().record_opt_out(Recipient::whatsapp_user_id(user_id)).await.expect("an opt-out");
    app.make_opted_in(phone(2)).await;
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.contacts().delete(phone(2)).await.expect("a receipt");
    app.make_opted_in(phone(3)).await;
    app.contacts().delete(phone(3)).await.expect("a receipt");

    for needle in [&*phone(1), user_id, &*phone(2), &*phone(3)] {
        assert_eq!(app.database().columns_with(needle).await, Vec::<String>::new(), "{needle}");
    }
    for (n, expected) in [
        (1, CheckReason::OptedOut),
        (2, CheckReason::OptedOut),
        (3, CheckReason::UnknownContact),
        (4, CheckReason::UnknownContact),
    ] {
        assert_eq!(reason_of(&app, phone(n)).await, expected, "{n}");
    }
    assert_eq!(reason_of(&app, Recipient::whatsapp_user_id(user_id)).await, CheckReason::OptedOut);
    // With another form of the number, and in a batch.
    app.opt_in().record_opt_out("5521987654321").await.expect("an opt-out");
    assert_eq!(reason_of(&app, "+55 21 8765-4321").await, CheckReason::OptedOut);
    let numbers = [phone(1), phone(4), "552187654321".to_owned(), phone(2)];
    let batch = app.opt_in().check_batch(&numbers, MessageCategory::Utility).await;
    let batch = batch.expect("answers");
    let reasons: Vec<_> = batch.iter().map(|outcome| outcome.reason).collect();
    let (out, unknown) = (CheckReason::OptedOut, CheckReason::UnknownContact);
    assert_eq!(reasons, [out, unknown, out, out]);
    // Events are found by the number.
    let events = app.opt_in().events(phone(1)).await.expect("events").items;
    assert_eq!(events[0].reason_text, "STOP");
}

#[apply(on_each_store!)]
async fn only_the_person_can_lift_their_opt_out(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let out = app.opt_in().record_opt_out(phone(1)).categories([MessageCategory::Marketing]);
    let out = out.await.expect("an opt-out").event.event_id;
    for source in
        [OptInSource::Api, OptInSource::Operator, OptInSource::Import, OptInSource::Platform]
    {
        let error = app.opt_in().record_opt_in(phone(1), source).await;
        let error = error.refused_for(reason::CONSENT_CONFLICT);
        assert_eq!(error.metadata("event_id"), Some(&*out), "{source:?}");
        assert!(error.to_string().contains("WEB_FORM"), "{error}");
        assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    }
    assert_eq!(app.opt_in().events(phone(1)).await.expect("events").items.len(), 2);
    // Other categories are not affected.
    let utility = app.opt_in().record_opt_in(phone(1), OptInSource::Api);
    utility.categories([MessageCategory::Utility]).await.expect("an opt-in");
    app.opt_in().record_opt_in(phone(1), OptInSource::Paper).await.expect("an opt-in");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
}

#[apply(on_each_store!)]
async fn only_the_person_can_opt_in_after_their_erasure(app: TestApp) {
    let ana = || NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    let made = app.contacts().create(ana()).await.expect("a contact");
    app.opt_in().record_opt_in(&made, OptInSource::WebForm).await.expect("an opt-in");
    app.contacts().delete(&made).await.expect("a receipt");

    // Consent claimed by others for any of their identifiers fails, before and after they are a
    // contact again.
    for row in [ana(), NewContact::new().whatsapp_user_id("US.1")] {
        let outcome = claim(&app, row).await;
        let error = outcome.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
        assert!(error.metadata("event_id").is_some());
    }
    app.make_many([ana()]).await;
    let again = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!(again.opt_in.marketing, OptInStatus::NotAsked);
    assert_eq!(claim(&app, ana()).await.failures.len(), 1);
    app.opt_in()
        .record_opt_in(&again, OptInSource::Operator)
        .await
        .refused_for(reason::CONSENT_CONFLICT);
    for category in CATEGORIES {
        let check = app.opt_in().check(phone(1), category).await.expect("a check");
        assert_eq!(check.reason, CheckReason::NotAsked);
    }
    // Statements from before the erasure no longer apply.
    let before = app.opt_in().record_opt_in(&again, OptInSource::WebForm);
    let before = before.occurred_time(contacts_tests::timestamp(0)).await.expect("history");
    assert!(before.event.changed_categories.is_empty());

    let marketing = app.opt_in().record_opt_in(&again, OptInSource::WebForm);
    marketing.categories([MessageCategory::Marketing]).await.expect("an opt-in");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
    let utility = app.opt_in().check(phone(1), MessageCategory::Utility).await.expect("a check");
    assert_eq!(utility.reason, CheckReason::NotAsked);
    // Utility consent still cannot be claimed by others.
    assert_eq!(claim(&app, ana()).await.failures.len(), 1);
}

#[apply(on_each_store!)]
async fn user_id_of_a_deleted_contact_is_stored_hashed(app: TestApp) {
    let made = NewContact::new().phone(phone(1)).whatsapp_user_id("US.77777");
    app.contacts().create(made).await.expect("a contact");
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.contacts().delete(phone(1)).await.expect("a receipt");
    assert_eq!(app.database().columns_with("US.77777").await, Vec::<String>::new());
    assert_eq!(
        reason_of(&app, Recipient::whatsapp_user_id("US.77777")).await,
        CheckReason::OptedOut
    );
}

#[apply(on_each_store!)]
async fn rotated_key_finds_rows_of_the_old_key(app: TestApp) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("contacts.key");
    // The database uses this key file from the start.
    let copy = |from: &std::path::Path| {
        fs::write(&key, fs::read_to_string(from).expect("a key file")).expect("a copy");
        set_private(&key);
    };
    let first = app.key_file();
    copy(&first);
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    key_file::rotate(&key).expect("a second version");
    app.restart_with(|config| config.key_file = Some(key.clone())).await;
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    // New rows use the new version, for everybody.
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out");
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::OptedOut);
    app.make_contact(phone(1)).await;
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    let left = |version| app.database().columns_with(version);
    assert!(!left("h1:").await.contains(&"consent.match_key".to_owned()));
    assert!(left("h2:").await.contains(&"consent.match_key".to_owned()));

    // A server with the older file would not find them, so it does not start.
    app.stop().await;
    let mut config: Config = app.config().clone();
    config.listen = "127.0.0.1:0".to_owned();
    let refused = Server::start(config).await.err().expect("a version is missing").to_string();
    assert!(refused.contains("version 2"), "{refused}");
    app.restart_with(|config| config.key_file = Some(key.clone())).await;
}

#[apply(on_each_store!)]
async fn server_with_an_outdated_key_file_fails_checks(app: TestApp) {
    // Only Postgres supports several servers.
    if app.backend() == Backend::Sqlite {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("contacts.key");
    fs::write(&key, fs::read_to_string(app.key_file()).expect("a key file")).expect("a copy");
    set_private(&key);
    key_file::rotate(&key).expect("a second version");
    app.make_opted_in(phone(9)).await;
    let mut config = app.config().clone();
    config.listen = "127.0.0.1:0".to_owned();
    config.key_file = Some(key);
    let newer = Server::start(config).await.expect("a server");
    let client = contacts_sdk::ContactsClient::builder(format!("http://{}", newer.address()));
    let client = client.connect().await.expect("a connection");
    // Before the new version is used, the older file finds everything.
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::UnknownContact);
    client.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");

    let never = contacts_sdk::RetryPolicy::never();
    let older = app.builder().retry_policy(never).connect().await.expect("a connection");
    let check = older.opt_in().check(phone(1), MessageCategory::Marketing).await;
    check.refused_for(reason::DATABASE_UNAVAILABLE);
    let create = older.contacts().create(NewContact::new().phone(phone(1))).await;
    create.refused_for(reason::DATABASE_UNAVAILABLE);
    older.opt_in().record_opt_out(phone(2)).await.refused_for(reason::DATABASE_UNAVAILABLE);
    // People who are stored under their match key are found without the new version.
    assert_eq!(reason_of(&app, phone(9)).await, CheckReason::OptedIn);
    older.opt_in().record_opt_out(phone(9)).await.expect("an opt-out");
    newer.stop().await.expect("stopped");
}

#[apply(on_each_store!)]
async fn server_does_not_start_with_another_key(app: TestApp) {
    app.stop().await;
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other.key");
    key_file::create(&other).expect("a key file");
    let mut config = app.config().clone();
    config.listen = "127.0.0.1:0".to_owned();
    config.key_file = Some(other.clone());
    let refused = Server::start(config.clone()).await.err().expect("another key").to_string();
    assert!(refused.contains("version 1"), "{refused}");
    let secret = fs::read_to_string(&other).expect("a key file");
    let secret = secret.lines().last().and_then(|line| line.split(' ').nth(1)).expect("a key");
    assert!(!refused.contains(secret), "{refused}");

    // A missing key file is not replaced by a new one.
    if app.backend() == Backend::Sqlite {
        let kept = app.key_file();
        let moved = folder.path().join("moved.key");
        fs::rename(&kept, &moved).expect("moved");
        config.key_file = None;
        let refused = Server::start(config).await.err().expect("no key").to_string();
        assert!(refused.contains("bring back"), "{refused}");
        assert!(!kept.exists());
        fs::rename(&moved, &kept).expect("moved back");
    }
    app.restart().await;
}

#[cfg(unix)]
fn set_private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
}
