//! `audit verify` names what differs from the ledger, and what leads to it.

use contacts_sdk::{NewContact, OptInSource, Recipient};
use contacts_service::operations::audit_states::{self, Difference, StateMismatch};
use contacts_service::store::sqlite::Access;
use contacts_tests::{Backend, TestApp, apply, on_each_store, phone};

const USER: &str = "US.1";

async fn verify(app: &TestApp) -> Vec<StateMismatch> {
    let store = app.open_store(Access::Read).await;
    let found = audit_states::verify_states(&store, "default").await.expect("an audit");
    store.close().await;
    found
}

async fn run(app: &TestApp, sql: String) {
    app.run_sql(sql.leak()).await;
}

/// Contacts with one and two identities, merged and erased ones, released numbers, and people
/// who are no contacts.
async fn fill(app: &TestApp) {
    let contact = NewContact::new().phone(phone(1)).whatsapp_user_id(USER);
    app.contacts().create(contact).await.expect("a contact");
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    for n in [2, 3, 4] {
        app.make_opted_in(phone(n)).await;
    }
    let (two, three) = (app.contacts().get(phone(2)).await, app.contacts().get(phone(3)).await);
    let (two, three) = (two.expect("a contact"), three.expect("a contact"));
    app.contacts().merge(&two, &three).await.expect("merged");
    app.opt_in().record_opt_out(phone(4)).await.expect("an opt-out");
    app.contacts().link_identity(phone(4)).phone(phone(5)).await.expect("linked");
    app.contacts().link_identity(phone(5)).release(phone(4)).await.expect("released");
    app.make_opted_in(phone(6)).await;
    app.contacts().delete(phone(6)).await.expect("erased");
    for n in 11..14 {
        app.opt_in().record_opt_out(phone(n)).reason_text("No").await.expect("an opt-out");
    }
    app.make_contact(phone(13)).await;
    app.make_contact(phone(7)).await;
}

/// A table, what is done to it, and what has to be found. `{one}` and `{user}` are keys of the
/// first contact, `{number}` its number.
type Case = (&'static str, &'static str, Difference);

const EXCHANGE: &str = "UPDATE consent SET match_key = 't' WHERE match_key = {a};
     UPDATE consent SET match_key = {a} WHERE match_key = {b};
     UPDATE consent SET match_key = {b} WHERE match_key = 't'";

const CASES: [Case; 17] = [
    (
        "consent",
        "CREATE TABLE c AS SELECT * FROM consent WHERE match_key = '{one}';
         UPDATE c SET match_key = 'p15559999999'; INSERT INTO consent SELECT * FROM c; DROP TABLE c",
        Difference::Duplicate,
    ),
    (
        "consent",
        "UPDATE consent SET match_key = 'p15559999999' WHERE match_key = '{one}'",
        Difference::Key,
    ),
    (
        "consent",
        "UPDATE consent SET match_key = 'p15559999999' WHERE match_key = '{silent}'",
        Difference::NotOfContact,
    ),
    (
        "consent",
        "UPDATE consent SET match_key = 'h1:AAAA' WHERE match_key = {lost}",
        Difference::Key,
    ),
    ("consent", "{exchange hashes}", Difference::Key),
    ("consent", "{exchange ids}", Difference::Key),
    ("consent", "UPDATE consent SET match_key = '+1 555' WHERE match_key = '{one}'", Difference::Malformed),
    ("consent", "UPDATE consent SET match_key = '' WHERE match_key = '{user}'", Difference::Malformed),
    ("consent", "UPDATE consent SET match_key = 'h7:AAAA' WHERE match_key = {lost}", Difference::Malformed),
    ("contact", "DELETE FROM contact WHERE phone_number = '{number}'", Difference::ContactMissing),
    (
        "contact",
        "UPDATE contact SET phone_number = '15559999999' WHERE phone_number = '{number}'",
        Difference::Columns,
    ),
    ("contact", "UPDATE contact SET create_time = create_time + 1", Difference::Columns),
    ("contact_redirect", "DELETE FROM contact_redirect", Difference::Redirect),
    (
        "opt_in_event_subject",
        "DELETE FROM opt_in_event_subject
         WHERE position = (SELECT min(position) FROM opt_in_event_subject)",
        Difference::Unlisted,
    ),
    (
        "opt_in_event_subject",
        "CREATE TABLE c AS SELECT * FROM opt_in_event_subject; UPDATE c SET position = position + 900;
         INSERT INTO opt_in_event_subject SELECT * FROM c; DROP TABLE c",
        Difference::ListedTooOften,
    ),
    ("opt_in_event_pointer", "DELETE FROM opt_in_event_pointer", Difference::Unlisted),
    (
        "opt_in_policy",
        "CREATE TABLE c AS SELECT * FROM opt_in_policy; UPDATE c SET begin_time = begin_time + 1;
         INSERT INTO opt_in_policy SELECT * FROM c; DROP TABLE c",
        Difference::Policy,
    ),
];

/// What only SQLite lets somebody store.
const OF_SQLITE: [Case; 4] = [
    (
        "consent",
        "UPDATE consent SET match_key = x'ff00' WHERE match_key = '{one}'",
        Difference::Malformed,
    ),
    (
        "consent",
        "UPDATE consent SET match_key = CAST(x'70ff31' AS TEXT) WHERE match_key = '{one}'",
        Difference::Malformed,
    ),
    (
        "consent",
        "UPDATE consent SET identity_id = 'me' WHERE match_key = '{one}'",
        Difference::Malformed,
    ),
    (
        "consent",
        "UPDATE consent SET contact_id = 7 WHERE match_key = '{one}'",
        Difference::Malformed,
    ),
];

#[apply(on_each_store!)]
async fn what_differs_from_the_ledger_is_named(app: TestApp) {
    fill(&app).await;
    assert_eq!(verify(&app).await, []);
    let of_sqlite = match app.backend() {
        Backend::Sqlite => &OF_SQLITE[..],
        Backend::Postgres => &[],
    };
    let (one, user) = (format!("p{}", phone(1)), format!("u{USER}"));
    // Of people who are no contacts, as the ledger's details name them.
    let hash = |order| format!("(SELECT h FROM hashes ORDER BY h {order} LIMIT 1)");
    for (table, sql, expected) in CASES.iter().chain(of_sqlite) {
        let exchange = |a: &str, b: &str| EXCHANGE.replace("{a}", a).replace("{b}", b);
        let sql = sql
            .replace("{exchange hashes}", &exchange(&hash("ASC"), &hash("DESC")))
            .replace("{exchange ids}", &exchange("'{one}'", "'{user}'"))
            .replace("{lost}", &hash("ASC"))
            .replace("{one}", &one)
            .replace("{user}", &user)
            .replace("{silent}", &format!("p{}", phone(7)))
            .replace("{number}", &phone(1));
        run(
            &app,
            format!(
                "CREATE TABLE saved AS SELECT * FROM {table};
                 CREATE TABLE hashes AS SELECT match_key AS h FROM consent
                     WHERE contact_id IS NULL ORDER BY revision DESC LIMIT 2; {sql}"
            ),
        )
        .await;
        let found = verify(&app).await;
        assert!(found.iter().any(|found| found.difference == *expected), "{sql}: {found:?}");
        for mismatch in &found {
            let text = mismatch.to_string();
            assert!(!text.contains(&phone(1)) && !text.contains("h1:"), "{text}");
        }
        run(
            &app,
            format!(
                "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved; DROP TABLE saved;
                 DROP TABLE hashes"
            ),
        )
        .await;
        assert_eq!(verify(&app).await, [], "{sql} was undone");
    }
}

/// What a user id brought stands against the contact after the id is released, and is listed.
#[apply(on_each_store!)]
async fn what_decides_is_listed_after_its_id_is_released(app: TestApp) {
    for (n, erase) in [(0, false), (1, true)] {
        for by_number in [false, true] {
            let n = 10 * n + 20 * usize::from(by_number);
            let ids = [format!("US.{n}1"), format!("US.{n}2"), format!("US.{n}3")];
            let [kept, objects, new] = &ids;
            let user = |id: &String| Recipient::whatsapp_user_id(id.clone());
            // A: two ids, of which the second objects and the first comes to another contact.
            let (moved, a) = match by_number {
                false => (kept.clone(), NewContact::new().whatsapp_user_id(kept)),
                true => (phone(n + 1), NewContact::new().phone(phone(n + 1))),
            };
            let moves = || match by_number {
                false => Recipient::whatsapp_user_id(moved.clone()),
                true => Recipient::phone(moved.clone()),
            };
            let a = app.contacts().create(a.whatsapp_user_id(objects)).await.expect("a contact");
            let objection = app.opt_in().record_opt_out(user(objects)).await.expect("an opt-out");
            let event = objection.event.event_id;
            if erase {
                app.contacts().delete(&a).await.expect("erased");
            } else {
                if by_number {
                    app.contacts().link_identity(&a).phone(phone(n + 9)).await.expect("linked");
                }
                app.contacts().link_identity(&a).release(&*moved).await.expect("released");
            }
            let b = match by_number {
                false => NewContact::new().phone(phone(n + 2)),
                true => NewContact::new().whatsapp_user_id(new),
            };
            let b = app.contacts().create(b).await.expect("a contact");
            let link = app.contacts().link_identity(&b);
            let linked = match by_number {
                false => link.whatsapp_user_id(&*moved).await,
                true => link.phone(&*moved).await,
            };
            linked.expect("linked");
            let listed = async || {
                let check = app.opt_in().check(&b, contacts_sdk::MessageCategory::Utility);
                let decided = check.await.expect("a check").event_id;
                assert_eq!(decided.as_deref(), Some(&*event));
                let events = app.opt_in().events(&b).await.expect("events").items;
                events.iter().any(|listed| listed.event_id == event)
            };
            assert!(listed().await);
            let link = app.contacts().link_identity(&b).release(&*moved);
            let replaced = match by_number {
                false => link.whatsapp_user_id(new).replaces(&*moved).await,
                true => link.phone(phone(n + 3)).await,
            };
            replaced.expect("linked");
            assert!(listed().await, "{erase} {by_number}");
            // It stands against the released one, too.
            let check = app.opt_in().check(moves(), contacts_sdk::MessageCategory::Utility);
            assert_eq!(check.await.expect("a check").event_id.as_deref(), Some(&*event));
            assert_eq!(verify(&app).await, []);
        }
    }
}
