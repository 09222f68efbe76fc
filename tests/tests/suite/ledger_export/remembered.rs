//! What is remembered beside the ledger is restored with it: what webhooks told, and erasures.

use contacts_sdk::{OptInEventKind, WebhookOutcome};
use contacts_service::erasures::Summary;

use super::*;
use crate::erasures::{list, replay};
use crate::webhooks::{NEW_PHONE, PHONE, USER, ago, make_older, number_changed, time, webhook};

/// The number that came after the new one.
const LAST_PHONE: &str = "12195555359";

/// Of two changes of a number the second arrives before the loss and the first after it: the number
/// between them may be somebody else's.
#[apply(on_each_store!)]
async fn restored_workspace_knows_who_left_a_number(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let client = app.client().with_workspace(ACME);
    let contact = NewContact::new().phone(PHONE).whatsapp_user_id(USER);
    let contact = client.contacts().create(contact).await.expect("a contact");
    let opted_in = client.opt_in().record_opt_in(&contact, OptInSource::WebForm);
    opted_in.occurred_time(time(ago(3600))).await.expect("an opt-in");
    make_older(&app, ACME).await;
    let ingest = async |client: &ContactsClient, change| {
        let payload = webhook([change]).to_string();
        let report = client.webhooks().ingest(payload).await.expect("a webhook");
        (report.results[0].outcome, report.results[0].message.clone())
    };
    let first = number_changed(PHONE, NEW_PHONE, None, ago(10));
    let second = number_changed(NEW_PHONE, LAST_PHONE, None, ago(5));
    let (outcome, _) = ingest(&client, second.clone()).await;
    assert_eq!(outcome, WebhookOutcome::UnknownContact);

    let (lines, _) = export(&app, 0).await;
    let lost = after_the_loss(&app).await;
    restore(&lost, &lines).await.expect("restored");
    let restored = lost.client().with_workspace(ACME);
    for change in [first.clone(), second, first] {
        let told = ingest(&client, change.clone()).await;
        assert_eq!(ingest(&restored, change).await, told);
        for number in [PHONE, NEW_PHONE, LAST_PHONE] {
            let reason = async |client: &ContactsClient| {
                let check = client.opt_in().check(Recipient::phone(number), CATEGORIES[0]).await;
                check.expect("a check").reason
            };
            let before = reason(&client).await;
            assert_ne!(before, CheckReason::OptedIn, "{number}");
            assert_eq!(reason(&restored).await, before, "{number}");
        }
    }
    lost.finish().await;
}

/// Erasures that the export has are skipped when those since a backup are replayed.
#[apply(on_each_store!)]
async fn restored_erasures_are_not_repeated(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let client = app.client().with_workspace(ACME);
    let contact = NewContact::new().phone(phone(0)).whatsapp_user_id(USER);
    client.contacts().create(contact).await.expect("a contact");
    client.contacts().delete(phone(0)).await.expect("a receipt");
    client.opt_in().record_opt_out(phone(0)).await.expect("an opt-out");
    let erased = list(&app).await;
    assert_eq!(erased.len(), 1);

    let (lines, exported) = export(&app, 0).await;
    let lost = after_the_loss(&app).await;
    restore(&lost, &lines).await.expect("restored");
    assert_eq!(list(&lost).await, erased);
    let (summary, refused) = replay(&lost, &erased).await;
    assert_eq!(summary, Summary { already_gone: 1, ..Summary::default() }, "{refused:?}");
    let store = lost.open_store(Access::Read).await;
    assert_eq!(audit_states::verify_states(&store, ACME).await.expect("an audit"), []);
    store.close().await;
    assert_eq!(export(&lost, 0).await.1, exported);
    lost.finish().await;
}

/// What was said of nobody, and lifted once it was a contact's, is not listed for whoever is erased: nor
/// after a restore between the two.
#[apply(on_each_store!)]
async fn restored_words_that_were_lifted_are_not_listed_for_the_erased(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let client = app.client().with_workspace(ACME);
    client.opt_in().record_opt_out(phone(0)).await.expect("an opt-out");
    // A number of somebody who was erased came to another contact.
    client.contacts().create(NewContact::new().phone(phone(1))).await.expect("a contact");
    client.contacts().delete(phone(1)).await.expect("a receipt");
    let user = Recipient::whatsapp_user_id(USER);
    client.contacts().create(NewContact::new().whatsapp_user_id(USER)).await.expect("a contact");
    client.contacts().link_identity(user.clone()).phone(phone(1)).await.expect("a contact");
    let (lines, _) = export(&app, 0).await;
    let lost = after_the_loss(&app).await;
    restore(&lost, &lines).await.expect("restored");
    for client in [client, lost.client().with_workspace(ACME)] {
        let listed_for = async |who: Recipient| {
            let events = client.opt_in().events(who).await.expect("events").items;
            events.into_iter().map(|event| event.kind).collect::<Vec<_>>()
        };
        assert!(listed_for(user.clone()).await.contains(&OptInEventKind::Erased));
        let opted_in = client.opt_in().record_opt_in(user.clone(), OptInSource::WebForm);
        opted_in.await.expect("an opt-in");
        client.contacts().delete(user.clone()).await.expect("a receipt");
        assert_eq!(listed_for(user.clone()).await, [OptInEventKind::Erased]);
        let listed = async || listed_for(phone(0).into()).await;
        assert_eq!(listed().await, [OptInEventKind::OptOut]);
        client.contacts().create(NewContact::new().phone(phone(0))).await.expect("a contact");
        let opted_in = client.opt_in().record_opt_in(phone(0), OptInSource::WebForm);
        opted_in.await.expect("an opt-in");
        client.contacts().delete(phone(0)).await.expect("a receipt");
        assert_eq!(listed().await, [OptInEventKind::Erased]);
    }
    lost.finish().await;
}

/// Of a person whose ids a replay found to be one's, checks as of a time are answered in a restored
/// workspace, too.
#[apply(on_each_store!)]
async fn restored_workspace_knows_whose_ids_a_replay_brought_together(app: TestApp) {
    app.workspaces().create(ACME).await.expect("a workspace");
    let client = app.client().with_workspace(ACME);
    let user = Recipient::whatsapp_user_id(USER);
    client.contacts().create(NewContact::new().whatsapp_user_id(USER)).await.expect("a contact");
    client.opt_in().record_opt_in(user.clone(), OptInSource::Paper).await.expect("an opt-in");
    let backup = app.backup().await;
    client.contacts().link_identity(user.clone()).phone(phone(0)).await.expect("a contact");
    client.contacts().delete(user.clone()).await.expect("a receipt");

    let replayed = app.restore(backup).await;
    let before = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let (summary, refused) = replay(&replayed, &list(&app).await).await;
    assert_eq!(summary, Summary { erased: 1, ..Summary::default() }, "{refused:?}");
    let (lines, _) = export(&replayed, 0).await;
    let lost = after_the_loss(&replayed).await;
    restore(&lost, &lines).await.expect("restored");
    let mut answers = Vec::new();
    for app in [&replayed, &lost] {
        let client = app.client().with_workspace(ACME);
        for who in [user.clone(), phone(0).into()] {
            let then = client.opt_in().check(who.clone(), CATEGORIES[0]).as_of(before);
            let then = then.await.expect("an answer as of then").reason;
            let now = client.opt_in().check(who.clone(), CATEGORIES[0]);
            let now = now.as_of(SystemTime::now()).await.expect("an answer as of now").reason;
            answers.push((then, now));
        }
        client.contacts().create(NewContact::new().phone(phone(0))).await.expect("a contact");
        let now = client.opt_in().check(phone(0), CATEGORIES[0]).as_of(SystemTime::now());
        assert_eq!(now.await.expect("an answer").reason, CheckReason::Erased);
    }
    let known = (CheckReason::OptedIn, CheckReason::Erased);
    let unknown = (CheckReason::UnknownContact, CheckReason::Erased);
    assert_eq!(answers, [known, unknown, known, unknown]);
    lost.finish().await;
    replayed.finish().await;
}
