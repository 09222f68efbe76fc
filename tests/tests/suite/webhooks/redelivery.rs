//! The same webhook again: to the same server, to two at once, after a part of it, much later.

use super::*;
use WebhookOutcome::{AlreadyApplied, AlreadyLinked, Linked, Recorded};
use contacts_sdk::ContactsClient;
use contacts_service::Server;
use contacts_tests::{Backend, apply, logged, on_each_store, phone};
use futures::future::join_all;

/// Of a contact known by its number: a stop, a change of number, and an opt-out of somebody else.
fn changes() -> [Value; 4] {
    [
        stop(ago(50)),
        pair(PHONE, USER, ago(40)),
        number_changed(PHONE, NEW_PHONE, Some((USER, NEW_USER)), ago(30)),
        change("messages", text(&phone(9), "STOP", ago(20))),
    ]
}

async fn prepare(app: &TestApp) {
    app.workspaces().update("default").stop_words(["STOP"]).await.expect("a workspace");
    known_by_phone(app).await;
}

fn all(report: &WebhookReport) -> Vec<WebhookOutcome> {
    report.results.iter().map(|result| result.outcome).collect()
}

#[apply(on_each_store!)]
async fn redelivery_changes_nothing(app: TestApp) {
    prepare(&app).await;
    let payload = webhook(changes());
    let first = ingest(&app, &payload).await;
    assert_eq!(all(&first), [Recorded, Linked, Linked, Recorded]);
    let before = everything(&app).await;
    for _ in 0..3 {
        let again = ingest(&app, &payload).await;
        assert_eq!(again.counts.already_applied + again.counts.contradicts, 4, "{again:?}");
        assert_eq!((again.counts.recorded, again.counts.linked), (0, 0));
        assert_eq!(everything(&app).await, before);
    }
}

#[apply(on_each_store!)]
async fn preference_that_comes_twice_in_one_webhook_is_recorded_once(app: TestApp) {
    prepare(&app).await;
    let at = ago(50);
    let report =
        ingest(&app, &webhook([stop(at), stop(at), pair(PHONE, USER, at), stop(at)])).await;
    assert_eq!(all(&report), [Recorded, AlreadyApplied, Linked, AlreadyApplied]);
    let stops = kinds(&app, phone_id(PHONE)).await;
    // One under each id, because the second was nobody's when it was said.
    let stops = stops.iter().filter(|kind| **kind == OptInEventKind::PlatformStop).count();
    assert_eq!(stops, 2);
}

/// A server that was killed between two transactions has applied a part.
#[apply(on_each_store!)]
async fn webhook_of_which_a_part_was_seen_before_is_completed(app: TestApp) {
    prepare(&app).await;
    let changes = changes();
    for part in [&changes[..1], &changes[1..2], &changes[2..3]] {
        ingest(&app, &webhook(part.iter().cloned())).await;
    }
    let report = ingest(&app, &webhook(changes)).await;
    assert_eq!(report.counts.recorded, 1, "{report:?}");
    assert_eq!(reason_of(&app, phone_id(&phone(9))).await, CheckReason::OptedOut);
    assert_eq!(reason_of(&app, phone_id(NEW_PHONE)).await, CheckReason::PlatformOptedOut);
    let mut counts = std::collections::BTreeMap::new();
    for kind in kinds(&app, phone_id(NEW_PHONE)).await {
        *counts.entry(format!("{kind:?}")).or_insert(0) += 1;
    }
    assert_eq!(counts["Linked"], 3, "{counts:?}");
}

/// Number of values in a column.
async fn rows(app: &TestApp, column: &str) -> usize {
    let dump = app.database().dump().await;
    let column = dump.into_iter().find(|found| found.name == column).expect("a column");
    match column.bytes.is_empty() {
        true => 0,
        false => column.bytes.split(|byte| *byte == b'\n').count(),
    }
}

/// Many transactions, of which the caller waits for none.
#[apply(on_each_store!)]
async fn webhook_whose_call_was_given_up_is_completed(app: TestApp) {
    const PEOPLE: usize = 1800;
    let at = ago(50);
    let items: Vec<_> =
        (0..PEOPLE).map(|n| preference("stop", Some(&phone(n)), None, at)).collect();
    let payload = webhook([change_of("user_preferences", &items, &[])]).to_string();
    for wait in [5, 20, 60] {
        let call = app.webhooks().ingest(payload.clone()).deadline(Duration::from_millis(wait));
        drop(call.await);
    }
    let mut recorded = 0;
    // Until the transactions under way have ended.
    for _ in 0..600 {
        let report = app.webhooks().ingest(payload.clone()).await.expect("a webhook");
        recorded = report.counts.recorded;
        assert_eq!(recorded + report.counts.already_applied, PEOPLE as u64);
        if recorded == 0 {
            break;
        }
    }
    assert_eq!(recorded, 0);
    assert_eq!(rows(&app, "opt_in_event_subject.position").await, PEOPLE);
    assert_eq!(rows(&app, "webhook_record.time").await, PEOPLE);
}

#[apply(on_each_store!)]
async fn two_servers_at_once_apply_it_once(app: TestApp) {
    prepare(&app).await;
    let mut second = None;
    let mut clients = vec![app.client().clone()];
    if app.backend() == Backend::Postgres {
        let mut config = app.config().clone();
        "127.0.0.1:0".clone_into(&mut config.listener.listen);
        let server = Server::start(config).await.expect("a second server");
        let url = format!("http://{}", server.address());
        clients.push(ContactsClient::builder(url).connect().await.expect("a connection"));
        second = Some(server);
    }
    for round in 0..5 {
        let at = ago(100 - round);
        let (old, new) = (phone(100 + round as usize), phone(200 + round as usize));
        opted_in(&app, NewContact::new().phone(&old)).await;
        let payload = webhook([
            change("user_preferences", preference("stop", Some(&old), None, at)),
            change("user_preferences", preference("stop", Some(&phone(300)), Some(USER), at)),
            number_changed(&old, &new, None, at),
        ])
        .to_string();
        let calls = (0..8).map(|n| {
            let client = clients[n % clients.len()].clone();
            let payload = payload.clone();
            tokio::spawn(async move { client.webhooks().ingest(payload).await })
        });
        let (mut recorded, mut linked) = (0, 0);
        for call in join_all(calls).await {
            let counts = call.expect("a task").expect("a webhook").counts;
            recorded += counts.recorded;
            linked += counts.linked;
        }
        assert_eq!((recorded, linked), (2, 1), "round {round}");
        let events = kinds(&app, phone_id(&new)).await;
        assert_eq!(events.len(), 3, "{events:?}");
        assert_eq!(kinds(&app, phone_id(&phone(300))).await.len(), round as usize + 1);
    }
    if let Some(second) = second {
        second.stop().await.expect("the end");
    }
    assert!(!logged().contains(USER));
}

/// What was applied is forgotten after a month. What people said counts by its own time, and nothing is
/// linked by what is that old.
#[apply(on_each_store!)]
async fn redelivery_after_the_record_was_deleted_ends_in_the_same_consent(app: TestApp) {
    prepare(&app).await;
    let payload = webhook(changes().into_iter().chain([resume(ago(10)), stop(ago(60))]));
    ingest(&app, &payload).await;
    let later = preference("resume", Some(NEW_PHONE), None, ago(5));
    ingest(&app, &webhook([change("user_preferences", later)])).await;
    let people = [PHONE, NEW_PHONE].map(phone_id).into_iter().chain([USER, NEW_USER].map(user_id));
    let people: Vec<_> = people.chain([phone_id(&phone(9))]).collect();
    let state = async || {
        let mut state = Vec::new();
        for person in &people {
            let check = app.opt_in().check(person.clone(), MARKETING);
            let check = check.sender_phone_number_id(SENDER).await.expect("a check");
            state.push((check.decision, check.reason, check.contact_id, check.consent_time));
        }
        (state, app.contacts().get(phone_id(NEW_PHONE)).await.expect("a contact").etag)
    };
    let before = state().await;
    app.run_sql("DELETE FROM webhook_record").await;
    let report = ingest(&app, &payload).await;
    assert!(report.counts.recorded > 0 && report.counts.linked == 0, "{report:?}");
    assert_eq!(state().await, before);
}

#[apply(on_each_store!)]
async fn records_are_deleted_after_31_days(app: TestApp) {
    prepare(&app).await;
    ingest(&app, &webhook([stop(ago(50))])).await;
    let month_ago = "UPDATE webhook_record SET time = time - 31 * 86400000000 + 60000000";
    app.run_sql(month_ago).await;
    app.restart().await;
    let again = ingest(&app, &webhook([stop(ago(50)), pair(PHONE, USER, ago(1))])).await;
    assert_eq!(again.results[1].outcome, Linked);
    app.run_sql("UPDATE webhook_record SET time = time - 32 * 86400000000").await;
    app.restart().await;
    for _ in 0..600 {
        if rows(&app, "webhook_record.time").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("records are kept");
}

/// An erasure and a new contact in between.
#[apply(on_each_store!)]
async fn redelivery_does_not_link_to_the_contact_that_was_made_since(app: TestApp) {
    let contact = known_by_phone(&app).await;
    let payload = webhook([pair(PHONE, USER, ago(40))]);
    assert_eq!(all(&ingest(&app, &payload).await), [Linked]);
    app.contacts().delete(&contact).await.expect("a receipt");
    known_by_phone(&app).await;
    assert_eq!(all(&ingest(&app, &payload).await), [AlreadyApplied]);
    assert_eq!(reason_of(&app, user_id(USER)).await, CheckReason::Erased);
    let fresh = ingest(&app, &webhook([pair(PHONE, USER, ago(0))])).await;
    assert!(!matches!(all(&fresh)[..], [AlreadyLinked]));
}
