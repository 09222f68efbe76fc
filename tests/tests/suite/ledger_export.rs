//! `audit export`, and making a workspace again from it after a loss of the database.

mod remembered;

use std::time::{Duration, SystemTime};

use contacts_sdk::{
    CheckReason, ContactsClient, Evidence, ImportConsent, ImportOptions, MessageCategory,
    NewContact, OnConflict, OptInSource, PlatformPreference, Recipient, reason,
};
use contacts_service::ledger_export::{self, RestoreError, Summary};
use contacts_service::operations::{audit, audit_states};
use contacts_service::store::sqlite::Access;
use contacts_tests::{Refused, TestApp, TestDatabase, apply, of_another_key, on_each_store, phone};

const CATEGORIES: [MessageCategory; 3] =
    [MessageCategory::Marketing, MessageCategory::Utility, MessageCategory::Authentication];
const ACME: &str = "acme";

async fn export(app: &TestApp, after: i64) -> (Vec<String>, Summary) {
    let store = app.open_store(Access::Read).await;
    let mut lines = Vec::new();
    let exported = ledger_export::export(&store, ACME, after, |line| lines.push(line)).await;
    store.close().await;
    (lines, exported.expect("an export"))
}

async fn restore(app: &TestApp, lines: &[String]) -> Result<Summary, RestoreError> {
    let store = app.open_store(Access::Write).await;
    let restored = ledger_export::restore(&store, lines.join("\n").as_bytes()).await;
    store.close().await;
    restored
}

/// Another server with an empty database, and the key file of this one.
async fn after_the_loss(app: &TestApp) -> TestApp {
    app.restore(TestDatabase::create(app.backend()).await).await
}

/// A workspace in which everything happened that a ledger tells of.
async fn live(client: &ContactsClient) {
    let (contacts, opt_in) = (client.contacts(), client.opt_in());
    let create = |n: usize| contacts.create(NewContact::new().phone(phone(n)).first_name("Ana"));
    for n in 0..10 {
        create(n).await.expect("a contact");
        let evidence = Evidence::new().wording("Yes, write me").url("https://example.com");
        let said = opt_in.record_opt_in(phone(n), OptInSource::WebForm).evidence(evidence);
        said.await.expect("an opt-in");
    }
    contacts.update(phone(0)).external_id("7781").await.expect("a contact");
    opt_in.record_opt_out(phone(1)).reason_text("Stop it").await.expect("an opt-out");
    let stop = opt_in.record_platform_preference(phone(2), PlatformPreference::Stop);
    stop.sender_phone_number_id("42").await.expect("a stop");
    contacts.link_identity(phone(3)).phone(phone(13)).await.expect("a contact");
    opt_in.record_opt_out(phone(3)).categories([CATEGORIES[1]]).await.expect("from the old number");
    let carried = contacts.link_identity(phone(4)).whatsapp_user_id("US.4");
    let carried = carried.carry_opt_in(OptInSource::Platform, Evidence::new().message_id("wamid"));
    carried.await.expect("a contact");
    contacts.merge(phone(5), phone(1)).await.expect("a contact");
    contacts.link_identity(phone(6)).phone(phone(16)).release(phone(6)).await.expect("a contact");
    opt_in.record_opt_out(phone(7)).categories([CATEGORIES[0]]).await.expect("an opt-out");
    contacts.delete(phone(7)).await.expect("erased");
    contacts.delete(phone(8)).await.expect("erased");
    create(8).await.expect("again");
    // Nobody, and nobody who became a contact.
    opt_in.record_opt_out(phone(20)).reason_text("Never").await.expect("an opt-out");
    opt_in.record_opt_out(phone(21)).await.expect("an opt-out");
    create(21).await.expect("a contact");
    let soon = SystemTime::now() + Duration::from_secs(3600);
    let ends = opt_in.record_opt_in(phone(9), OptInSource::Paper).expire_time(soon);
    ends.await.expect("an opt-in");
    let options = ImportOptions::new().on_conflict(OnConflict::Merge);
    let options = options.consent(ImportConsent::opted_in());
    let rows = (30..40).map(|n| NewContact::new().phone(phone(n)));
    contacts.import(options).send(rows).await.expect("an import");
}

fn everybody() -> Vec<Recipient> {
    let phones = (0..50).map(|n| Recipient::phone(phone(n)));
    phones.chain([Recipient::whatsapp_user_id("US.4"), Recipient::external_id("7781")]).collect()
}

/// What checks answer, with the contact and the event, and which events are listed.
async fn answers(client: &ContactsClient) -> Vec<String> {
    let mut answers = Vec::new();
    for person in everybody() {
        for category in CATEGORIES {
            for sender in ["", "42"] {
                let check = client.opt_in().check(&person, category);
                let check = check.sender_phone_number_id(sender).await.expect("a check");
                let contacts_sdk::CheckResult {
                    reason, contact_id, event_id, consent_time, ..
                } = check;
                answers.push(format!(
                    "{person:?} {reason:?} {contact_id:?} {event_id:?} {consent_time:?}"
                ));
            }
        }
        match client.opt_in().events(&person).await {
            Ok(events) => answers.extend(events.items.iter().map(|event| format!("{event:?}"))),
            Err(error) => answers.push(format!("{:?}", error.reason())),
        }
    }
    answers
}

#[apply(on_each_store!)]
async fn restored_workspace_answers_as_before(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let acme = app.client().with_workspace(ACME);
    live(&acme).await;
    let expected = answers(&acme).await;
    let (lines, exported) = export(&app, 0).await;

    let new = after_the_loss(&app).await;
    assert_eq!(restore(&new, &lines).await.expect("restored"), exported);
    let restored = new.client().with_workspace(ACME);
    let found = answers(&restored).await;
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
    let store = new.open_store(Access::Read).await;
    let head = audit::verify(&store, ACME, Some(exported.head)).await.expect("an audit");
    assert_eq!(head.expect("not broken"), exported.head);
    assert_eq!(audit_states::verify_states(&store, ACME).await.expect("an audit"), []);
    store.close().await;
    // An export of it is the same, and the workspace lives on.
    assert_eq!(export(&new, 0).await.0, lines);
    let check = restored.opt_in().check(phone(5), CATEGORIES[0]).await.expect("a check");
    assert_eq!(check.reason, CheckReason::OptedOut);
    restored.opt_in().record_opt_in(phone(5), OptInSource::WebForm).await.expect("an opt-in");
    let check = restored.opt_in().check(phone(5), CATEGORIES[0]).await.expect("a check");
    assert_eq!(check.reason, CheckReason::OptedIn);
    let again = NewContact::new().phone(phone(20));
    let again = restored.contacts().create(again).await.expect("a contact");
    let check = restored.opt_in().check(&again, CATEGORIES[0]).await.expect("a check");
    assert_eq!(check.reason, CheckReason::OptedOut, "what stood against nobody");
    // A profile follows by an import. The rows find the contacts.
    let row = NewContact::new().phone(phone(0)).first_name("Ana");
    let options = ImportOptions::new().on_conflict(OnConflict::Merge);
    let summary = restored.contacts().import(options).send([row]).await.expect("an import");
    assert_eq!((summary.updated, summary.created), (1, 0));
    new.finish().await;
}

#[apply(on_each_store!)]
async fn cut_off_export_is_continued(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let acme = app.client().with_workspace(ACME);
    live(&acme).await;
    let (mut lines, first) = export(&app, 0).await;
    let length = usize::try_from(first.head.length).expect("a length");
    let is_event = |line: &String| line.contains("\"type\":\"event\"");
    let before = lines.iter().position(is_event).expect("an event");
    lines.truncate(before + length / 2);
    let new = after_the_loss(&app).await;
    match restore(&new, &lines).await {
        Err(RestoreError::Incomplete { after }) => assert_eq!(after as usize, length / 2),
        other => panic!("{other:?}"),
    }
    // Meanwhile, more happened. The next run begins where the first was cut, or before.
    acme.opt_in().record_opt_out(phone(0)).await.expect("an opt-out");
    acme.contacts().delete(phone(9)).await.expect("erased");
    for after in [length / 2, length / 4] {
        let (rest, exported) = export(&app, after as i64).await;
        let mut both = lines.clone();
        both.extend(rest);
        let new = after_the_loss(&app).await;
        assert_eq!(restore(&new, &both).await.expect("restored"), exported);
        let restored = new.client().with_workspace(ACME);
        assert_eq!(answers(&restored).await, answers(&acme).await);
        new.finish().await;
    }
    new.finish().await;
}

#[apply(on_each_store!)]
async fn changed_or_incomplete_exports_are_refused(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    live(&app.client().with_workspace(ACME)).await;
    let (lines, _) = export(&app, 0).await;
    let new = after_the_loss(&app).await;
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        lines
    };
    let find = |lines: &[String], what: &str| {
        lines.iter().position(|line| line.contains(what)).expect("a line of this kind")
    };
    let without = |what: &str| changed(&|lines| drop(lines.remove(find(lines, what))));
    let edited = |what: &str, from: &str, to: &str| {
        changed(&|lines| {
            let at = find(lines, what);
            lines[at] = lines[at].replacen(from, to, 1);
        })
    };
    let cases = [
        ("an objection taken out", without("Stop it")),
        ("a text changed", edited("Stop it", "Stop it", "Go on!!")),
        ("a suppression taken out", without("\"type\":\"suppression\"")),
        ("a contact taken out", without("\"type\":\"contact\"")),
        ("the header taken out", changed(&|lines| drop(lines.remove(0)))),
        ("no line of an export", changed(&|lines| lines.insert(3, "{\"type\":\"x\"}".to_owned()))),
        ("no JSON", changed(&|lines| lines.insert(3, "[[[[".to_owned()))),
        (
            "a policy under which more has expired",
            edited("\"type\":\"policy\"", "[null,null,null]", "[30,null,null]"),
        ),
        ("a number of another contact", edited("\"type\":\"contact\"", &phone(0), &phone(99))),
        ("the hash of somebody else", edited("\"type\":\"suppression\"", "\"h1:", "\"h1:A")),
        ("a seal of another run", edited("\"seal\":", "\"seal\":\"", "\"seal\":\"00")),
        (
            "a hash that is no text of bytes",
            edited("\"type\":\"event\"", "\"hash\":\"", "\"hash\":\"é"),
        ),
    ];
    for (case, changed) in cases {
        assert_ne!(changed, lines, "{case}");
        let refused = restore(&new, &changed).await.expect_err(case);
        let told = refused.to_string();
        assert!(!told.contains(&phone(1)) && !told.contains("Stop"), "{case}: {told}");
        if new.workspaces().get(ACME).await.is_ok() {
            new.workspaces().delete(ACME).confirm(ACME).await.expect("deleted");
        }
    }
    // A detail of a run that was cut off, and has no seal.
    let at = find(&lines, "Stop it");
    let (mut cut, _) = export(&app, 0).await;
    cut.truncate(at + 1);
    let detail = cut[at].find("\"detail\":").expect("a detail") + "\"detail\":".len();
    let length = cut[at][detail..].find('}').expect("its end") + 1;
    cut[at].replace_range(detail..detail + length, "null");
    cut.extend(export(&app, i64::try_from(at).expect("a position") - 1).await.0);
    let taken_out = restore(&new, &cut).await.expect_err("a detail taken out");
    assert!(taken_out.to_string().contains("was changed"), "{taken_out}");
    // The end and nothing of it.
    let none = restore(&new, &lines[..lines.len() - 1]).await.expect_err("without its end");
    assert!(matches!(none, RestoreError::Incomplete { .. }), "{none}");
    restore(&new, &lines).await.expect("restored");
    // Twice.
    let twice = restore(&new, &lines).await.expect_err("it exists");
    assert!(twice.to_string().contains("exists"), "{twice}");
    let unconfirmed = app.workspaces().delete(ACME).await;
    let error = unconfirmed.refused_at(reason::INVALID_ARGUMENT, "confirm_workspace_id");
    assert!(error.message().contains("audit export"), "{error}");
    new.finish().await;
}

/// What was said of nobody stays the history of whoever had the number since, also after that left it.
#[apply(on_each_store!)]
async fn restored_contact_keeps_the_history_of_a_number_that_it_released(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let client = app.client().with_workspace(ACME);
    let (contacts, opt_in) = (client.contacts(), client.opt_in());
    for n in [0, 10] {
        opt_in.record_opt_out(phone(n)).await.expect("an opt-out");
        contacts.create(NewContact::new().phone(phone(n))).await.expect("a contact");
    }
    contacts.link_identity(phone(0)).phone(phone(1)).await.expect("a contact");
    contacts.link_identity(phone(1)).release(phone(0)).await.expect("a contact");
    contacts.create(NewContact::new().phone(phone(11))).await.expect("a contact");
    contacts.merge(phone(11), phone(10)).await.expect("a contact");
    contacts.link_identity(phone(11)).release(phone(10)).await.expect("a contact");
    for _ in 0..2 {
        contacts.create(NewContact::new().phone(phone(20))).await.expect("a contact");
        opt_in.record_opt_out(phone(20)).await.expect("an opt-out");
        contacts.delete(phone(20)).await.expect("a receipt");
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    let now = opt_in.check(phone(1), CATEGORIES[0]).await.expect("a check").check_time;
    let now = now.expect("a time");
    let (lines, _) = export(&app, 0).await;
    let lost = after_the_loss(&app).await;
    restore(&lost, &lines).await.expect("restored");
    let store = lost.open_store(Access::Read).await;
    assert_eq!(audit_states::verify_states(&store, ACME).await.expect("an audit"), []);
    store.close().await;
    let restored = lost.client().with_workspace(ACME);
    for n in [0, 1, 10, 11, 20] {
        let events = async |client: &ContactsClient| {
            let listed = client.opt_in().events(phone(n)).await.expect("events").items;
            listed.into_iter().map(|event| event.event_id).collect::<Vec<_>>()
        };
        assert_eq!(events(&restored).await, events(&client).await, "{n}");
        let then = restored.opt_in().check(phone(n), CATEGORIES[0]).as_of(now).await;
        let asked = opt_in.check(phone(n), CATEGORIES[0]).as_of(now).await;
        assert_eq!(then.expect("an answer").reason, asked.expect("an answer").reason, "{n}");
    }
    lost.finish().await;
}

/// What was said of nobody is erased with whoever had the number next, also after that left it, and
/// with nobody who had it later.
#[apply(on_each_store!)]
async fn restored_words_are_erased_with_the_contact_that_claimed_them(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let client = app.client().with_workspace(ACME);
    for words in ["the first word", "the second word"] {
        let said = client.opt_in().record_opt_out(phone(0)).reason_text(words);
        said.await.expect("an opt-out");
        client.contacts().create(NewContact::new().phone(phone(0))).await.expect("a contact");
        let number = phone(if words == "the first word" { 1 } else { 2 });
        client.contacts().link_identity(phone(0)).phone(&number).await.expect("a contact");
        client.contacts().link_identity(number).release(phone(0)).await.expect("a contact");
    }
    let (lines, _) = export(&app, 0).await;
    let lost = after_the_loss(&app).await;
    restore(&lost, &lines).await.expect("restored");
    let restored = lost.client().with_workspace(ACME);
    let left = async || {
        let text = export(&lost, 0).await.0.concat();
        ["the first word", "the second word"].map(|words| text.contains(words))
    };
    assert_eq!(left().await, [true, true]);
    restored.contacts().delete(phone(2)).await.expect("deleted");
    assert_eq!(left().await, [true, false]);
    restored.contacts().delete(phone(1)).await.expect("deleted");
    assert_eq!(left().await, [false, false]);
    lost.finish().await;
}

#[apply(on_each_store!)]
async fn export_of_an_unknown_workspace_is_refused(app: TestApp) {
    let store = app.open_store(Access::Read).await;
    let refused = ledger_export::export(&store, "nowhere", 0, drop).await;
    store.close().await;
    assert!(refused.expect_err("no workspace").message().contains("nowhere"));
}

/// With another key file nobody would be found again who objected without being a contact.
#[apply(on_each_store!)]
async fn an_export_is_restored_with_its_own_key_file_only(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let client = app.client().with_workspace(ACME);
    client.opt_in().record_opt_out(phone(0)).await.expect("an opt-out");
    let (mut lines, exported) = export(&app, 0).await;
    let store = app.open_store(Access::Read).await;
    let past = ledger_export::export(&store, ACME, exported.head.length + 1, drop).await;
    past.expect_err("nothing comes after the end");
    store.close().await;
    lines[0] = of_another_key(&lines[0]);
    let lost = after_the_loss(&app).await;
    let error = restore(&lost, &lines).await.expect_err("another key file").to_string();
    assert!(error.starts_with("line 1: ") && error.contains("--key-file"), "{error}");
    let workspaces = lost.workspaces().list().await.expect("workspaces").items;
    assert!(workspaces.iter().all(|workspace| workspace.workspace_id != ACME));
}

/// Also of a contact that was merged and then erased with the survivor, and of a number that it had
/// released before.
#[apply(on_each_store!)]
async fn restored_workspace_answers_as_of_earlier_times_as_before(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let acme = app.client().with_workspace(ACME);
    live(&acme).await;
    let (contacts, opt_in) = (acme.contacts(), acme.opt_in());
    for n in [60, 61] {
        contacts.create(NewContact::new().phone(phone(n))).await.expect("a contact");
        opt_in.record_opt_in(phone(n), OptInSource::WebForm).await.expect("an opt-in");
    }
    let merged = contacts.get(phone(61)).await.expect("a contact").contact_id;
    let moved = contacts.link_identity(phone(61)).phone(phone(62));
    let moved = moved.carry_opt_in(OptInSource::Platform, Evidence::new());
    moved.await.expect("a contact");
    let mut people = everybody();
    people.extend((60..63).map(|n| Recipient::phone(phone(n))));
    people.push(Recipient::contact_id(&merged));
    // The creation of a contact that is gone is known to the millisecond.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let mut answers = Vec::new();
    for person in &people {
        answers.push(opt_in.check(person, CATEGORIES[0]).await.expect("a check"));
    }
    contacts.link_identity(phone(62)).release(phone(61)).await.expect("released");
    contacts.merge(phone(60), phone(62)).await.expect("merged");
    contacts.delete(phone(60)).await.expect("erased");
    let (lines, _) = export(&app, 0).await;
    let new = after_the_loss(&app).await;
    restore(&new, &lines).await.expect("restored");
    for client in [&acme, &new.client().with_workspace(ACME)] {
        for (person, then) in people.iter().zip(&answers) {
            let check = client.opt_in().check(person, CATEGORIES[0]);
            let again = check.as_of(then.check_time.expect("a time")).await.expect("a check");
            let facts = |check: &contacts_sdk::CheckResult| {
                (check.reason, check.event_id.clone(), check.contact_id.clone())
            };
            assert_eq!(facts(&again), facts(then), "{person:?}");
        }
    }
    new.finish().await;
}
