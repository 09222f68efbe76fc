//! Several servers over one database.

use contacts_sdk::{
    CheckReason, ContactsClient, ImportConsent, ImportOptions, MessageCategory, NewContact,
};
use contacts_tests::{Backend, ServiceProcess, TestDatabase, phone, phones};

const MARKETING: MessageCategory = MessageCategory::Marketing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_changes_are_visible_on_all_servers() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let servers: Vec<_> = (0..3).map(|_| ServiceProcess::start(&database.url())).collect();
    let clients: Vec<_> = servers.iter().map(ServiceProcess::client).collect();
    let [one, two, three] = &clients[..] else { unreachable!("three servers") };

    // Contacts imported at one server are in a segment of another.
    let agreed = ImportOptions::new().consent(ImportConsent::opted_in());
    let rows = phones(0..900).into_iter().map(|phone| NewContact::new().phone(phone));
    assert_eq!(one.contacts().import(agreed).send(rows).await.expect("an import").created, 900);
    let mut segment = two.contacts().segment().filter("opt_in = OPTED_IN").stream();
    let mut delivered = Vec::new();
    while let Some(contact) = segment.next().await {
        delivered.extend(contact.expect("a contact").phone_number);
    }
    assert_eq!(delivered, phones(0..900));

    // Every server allows. After an opt-out at one server, no server allows.
    for n in 0..60 {
        for client in &clients {
            assert!(client.opt_in().may_send(phone(n), MARKETING).await);
        }
        clients[n % 3].opt_in().record_opt_out(phone(n)).await.expect("an opt-out");
        for client in &clients {
            let answer = client.opt_in().check(phone(n), MARKETING).await.expect("an answer");
            assert_eq!(answer.reason, CheckReason::OptedOut);
            let answers = client.opt_in().check_batch(phones(n..n + 2), MARKETING).await;
            let answers = answers.expect("answers");
            assert_eq!([answers.allowed(0), answers.allowed(1)], [false, true]);
        }
    }

    tokens_are_good_everywhere(&clients).await;
    // A change can be retried at another server with its request id.
    let request = one.contacts().create(NewContact::new().phone(phone(901)));
    let id = "0197c1de-0000-7000-8000-000000000001";
    let made = request.clone().request_id(id).await.expect("a contact");
    let elsewhere = three.contacts().create(NewContact::new().phone(phone(901))).request_id(id);
    assert_eq!(elsewhere.await.expect("the same answer"), made);
    sessions_tell_what_they_are_for(&database).await;
    drop(servers);
    database.remove().await;
}

/// The queries in docs/operations.md rely on the application names of sessions.
async fn sessions_tell_what_they_are_for(database: &TestDatabase) {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT application_name FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY 1",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .expect("sessions");
    let expected = ["check", "read", "scan", "stream", "write"]
        .map(|purpose| format!("contacts-service {purpose}"));
    assert_eq!(names, expected);
}

async fn tokens_are_good_everywhere(clients: &[ContactsClient]) {
    let (mut delivered, mut token) = (Vec::new(), None);
    for client in clients.iter().cycle() {
        let mut segment = client.contacts().segment().batch_size(97);
        if let Some(token) = token.take() {
            segment = segment.resume_from(token);
        }
        let Some(batch) = segment.batches().next().await else { break };
        let batch = batch.expect("a batch");
        for contact in batch.contacts() {
            delivered.extend(contact.expect("a contact").phone_number);
        }
        token = Some(batch.resume_token().clone());
    }
    assert_eq!(delivered, phones(0..900));

    let (mut listed, mut token) = (Vec::new(), String::new());
    for client in clients.iter().cycle() {
        let list = client.contacts().list().page_size(97).page_token(&token);
        let page = list.await.expect("a page");
        listed.extend(page.items.into_iter().filter_map(|contact| contact.phone_number));
        match page.next_page_token {
            Some(next) => token = next,
            None => break,
        }
    }
    listed.sort();
    assert_eq!(listed, phones(0..900));
}
