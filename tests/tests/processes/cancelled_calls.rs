//! Cancelled calls and broken connections leave nothing behind.

use std::time::Duration;

use contacts_sdk::{
    ContactsClient, ImportOptions, MessageCategory, NewContact, OnConflict, OptInSource,
    RetryPolicy,
};
use contacts_tests::{
    Backend, Proxy, ServiceProcess, TestDatabase, assert_consistent, builder_with_long_deadlines,
    phone, phones,
};
use futures::StreamExt;
use tokio::time::{sleep, timeout};

const CALLS: usize = 10_000;
const AT_ONCE: usize = 64;
/// Number of calls after which the connection is cut.
const CUT_EVERY: usize = 250;
const PEOPLE: usize = 2000;

/// One call; the number selects the method.
async fn call(client: &ContactsClient, number: usize) -> Result<(), contacts_sdk::Error> {
    let (contacts, opt_in) = (client.contacts(), client.opt_in());
    let who = phone(number % PEOPLE);
    let import = || {
        let options = ImportOptions::new().on_conflict(OnConflict::Merge);
        let row = move |n| NewContact::new().phone(phone(n)).first_name(format!("Ana {number}"));
        contacts.import(options).chunk_size(10).send((number..number + 30).map(row))
    };
    match number % 8 {
        0 => opt_in.check(who, MessageCategory::Marketing).await.map(drop),
        1 => opt_in.check_batch(phones(0..100), MessageCategory::Marketing).await.map(drop),
        2 => {
            let person = NewContact::new().phone(phone(PEOPLE + number)).tag("vip");
            contacts.create(person).await.map(drop)
        }
        3 => contacts.count().filter("tags:vip AND first_name = \"Ana*\"").await.map(drop),
        4 => opt_in.record_opt_out(who).await.map(drop),
        5 => contacts.update(who).last_name(format!("of call {number}")).await.map(drop),
        6 => {
            let mut segment = contacts.segment().limit(300).batch_size(100).batches();
            while segment.next().await.transpose()?.is_some() {}
            Ok(())
        }
        _ => import().await.map(drop),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_works_after_ten_thousand_cancelled_calls() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let server = ServiceProcess::start(&database.url());
    let client = server.client();
    client.tags().create("vip").tag_id("vip").await.expect("a tag");
    let rows = phones(0..PEOPLE).into_iter().map(|phone| NewContact::new().phone(phone).tag("vip"));
    client.contacts().import(ImportOptions::new()).send(rows).await.expect("an import");

    let proxy = Proxy::to(server.address()).await;
    proxy.set_delay(Duration::from_micros(500));
    let once = |url: &str| {
        let client = builder_with_long_deadlines(url).retry_policy(RetryPolicy::never());
        client.stream_retry_policy(RetryPolicy::never()).connect_lazy().expect("a client")
    };
    let clients: Vec<_> = (0..16).map(|_| once(&proxy.url())).collect();
    let (clients, proxy) = (&clients, &proxy);
    let calls = futures::stream::iter(0..CALLS);
    let answered = calls
        .map(|number| async move {
            if number % CUT_EVERY == 0 {
                proxy.cut();
            }
            // Delays spread over the duration of a call, the same in every run.
            let patience =
                Duration::from_micros(number.wrapping_mul(2_654_435_761) as u64 % 40_000);
            timeout(patience, call(&clients[number % clients.len()], number)).await.is_ok()
        })
        .buffer_unordered(AT_ONCE)
        .filter(|answered| futures::future::ready(*answered))
        .count()
        .await;
    assert!((CALLS / 100..CALLS * 9 / 10).contains(&answered), "{answered} calls were not cut off");

    // Writes of cancelled calls are still finished, one after the other, which takes a while.
    let sessions = |state: &'static str| {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()
                       AND state LIKE $1 || '%'";
        let database = &database;
        async move {
            let count = sqlx::query_scalar::<_, i64>(sql).bind(state);
            count.fetch_one(&mut database.connect().await).await.expect("a count")
        }
    };
    let (mut waited, mut calm) = (0, 0);
    while calm < 10 {
        calm = if sessions("active").await == 0 { calm + 1 } else { 0 };
        waited += 1;
        assert!(waited < 600, "a statement runs for nobody");
        sleep(Duration::from_millis(50)).await;
    }
    let direct = once(&server.url());
    for number in 0..160 {
        // New numbers, for calls that create something.
        call(&direct, CALLS + number).await.expect("a call after them");
        let agreed = direct.opt_in().record_opt_in(phone(number), OptInSource::WebForm);
        agreed.await.expect("a change after them");
    }
    assert_eq!(sessions("idle in transaction").await, 0);
    assert_consistent(&mut database.connect().await).await;
    drop(server);
    database.remove().await;
}
