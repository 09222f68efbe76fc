//! Reads that take the database or the processors.

use std::time::{Duration, Instant};

use contacts_proto::v1;
use contacts_sdk::{ContactsClient, MessageCategory, NewContact};
use contacts_tests::{Wire, message};
use futures::future::join_all;
use prost::Message;
use tokio::time::{sleep, timeout};

use super::super::target::Target;
use super::super::{Result, data};

/// How long an attacker waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A filter that looks at every contact often.
fn slow_filter() -> String {
    let comparisons = (0..60).map(|n| format!("attributes.company != \"Company {n}\""));
    comparisons.collect::<Vec<_>>().join(" AND ")
}

pub async fn cancelled_counts(target: &Target, time: Duration) -> Result {
    let request = v1::CountContactsRequest { filter: slow_filter(), ..Default::default() };
    let request = message(&request.encode_to_vec());
    let settings = h2::client::Builder::new();
    let wire = Wire::try_connect(target.server.address(), settings).await?;
    let started = Instant::now();
    while started.elapsed() < time {
        let mut calls = Vec::new();
        for _ in 0..20 {
            let Ok(mut call) = wire.try_open("ContactService/CountContacts", &[]).await else {
                return Ok(());
            };
            drop(call.request.send_data(request.clone(), true));
            calls.push(call);
        }
        sleep(Duration::from_millis(100)).await;
        // Resets the streams.
        drop(calls);
    }
    Ok(())
}

pub async fn check_batches(target: &Target, time: Duration) -> Result {
    let opt_in = target.client()?.opt_in();
    let numbers = numbers(target);
    repeat(Instant::now() + time, 32, || {
        let check = opt_in.check_batch(&numbers, MessageCategory::Marketing);
        async move { drop(check.await) }
    })
    .await;
    Ok(())
}

fn numbers(target: &Target) -> Vec<String> {
    (0..10_000).map(|n| data::phone(n % target.contacts.max(1))).collect()
}

pub async fn heavy(target: &Target, time: Duration) -> Result {
    let client = target.client()?;
    let until = Instant::now() + time;
    let numbers = numbers(target);
    tokio::join!(
        repeat(until, 4, || {
            let check = client.opt_in().check_batch(&numbers, MessageCategory::Marketing);
            async move { drop(check.await) }
        }),
        repeat(until, 4, || upsert(&client)),
        repeat(until, 4, || {
            let ingest = client.webhooks().ingest(webhook());
            async move { drop(ingest.await) }
        }),
        repeat(until, 4, || {
            let count = client.contacts().count().filter(long_filter());
            async move { drop(count.await) }
        }),
        repeat(until, 2, || {
            let count = client.contacts().count().filter(data::TENTH);
            async move { drop(count.await) }
        }),
        repeat(until, 2, || {
            let mut groups = client.contacts().duplicates().stream();
            async move { while groups.next().await.is_some() {} }
        }),
    );
    Ok(())
}

/// Several callers, each of which calls again until the time is over.
async fn repeat<F: Future<Output = ()>>(until: Instant, callers: usize, call: impl Fn() -> F) {
    let caller = |_| async {
        while Instant::now() < until {
            drop(timeout(PATIENCE, call()).await);
        }
    };
    join_all((0..callers).map(caller)).await;
}

async fn upsert(client: &ContactsClient) {
    // Accents, which the search has to take off.
    let name = "e\u{301}a\u{308}".repeat(50);
    let person =
        |n| NewContact::new().phone(format!("1557{n:07}")).first_name(&name).last_name(&name);
    drop(client.contacts().batch_upsert((0..1000).map(person)).send().await);
}

/// A webhook of many people who stop marketing.
fn webhook() -> String {
    let preference = |n| {
        format!(
            r#"{{"wa_id":"1558{n:07}","category":"marketing_messages","value":"stop","timestamp":"1731705721"}}"#
        )
    };
    let preferences: Vec<_> = (0..3000).map(preference).collect();
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"user_preferences",
        "value":{{"messaging_product":"whatsapp","metadata":{{"phone_number_id":"1"}},"user_preferences":[{}]}}}}]}}]}}"#,
        preferences.join(",")
    )
}

/// A filter of 8 KiB: values to look for.
fn long_filter() -> String {
    let values: Vec<_> = (0..900).map(|n| format!("\"c{n}\"")).collect();
    format!("attributes.city IN ({})", values.join(", "))
}
