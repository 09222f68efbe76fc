//! `kill -9` of a server under load.

use std::time::Duration;

use contacts_sdk::{ImportOptions, NewContact};
use contacts_tests::{
    Backend, Proxy, ServiceProcess, TestDatabase, assert_consistent, builder_with_long_deadlines,
    phones,
};
use tokio::time::sleep;

use crate::writers::Writers;

const KILLS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_or_partial() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let mut servers: Vec<_> = (0..3).map(|_| ServiceProcess::start(&database.url())).collect();
    let proxy = Proxy::to_any(servers.iter().map(ServiceProcess::address)).await;
    let clients =
        (0..4).map(|_| builder_with_long_deadlines(&proxy.url()).connect_lazy().expect("a client"));
    let writers = Writers::start(clients.collect()).await;
    for kill in 0..KILLS {
        writers.work(8).await;
        let victim = &mut servers[kill % 3];
        victim.kill();
        sleep(Duration::from_millis(50)).await;
        victim.restart();
    }
    let acknowledged = writers.finish().await;
    acknowledged.verify(&servers[0].client()).await;
    assert_consistent(&mut database.connect().await).await;
    drop(servers);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segment_resumes_on_another_server() {
    const PEOPLE: usize = 20_000;
    let database = TestDatabase::create(Backend::Postgres).await;
    let mut servers: Vec<_> = (0..2).map(|_| ServiceProcess::start(&database.url())).collect();
    let rows = phones(0..PEOPLE).into_iter().map(|phone| NewContact::new().phone(phone));
    let import = servers[0].client().contacts().import(ImportOptions::new());
    assert_eq!(import.send(rows).await.expect("an import").created, PEOPLE as u64);

    let proxy = Proxy::to_any(servers.iter().map(ServiceProcess::address)).await;
    // Most of the segment is not delivered yet when a server dies.
    proxy.set_delay(Duration::from_millis(3));
    let client = builder_with_long_deadlines(&proxy.url()).connect_lazy().expect("a client");
    let mut segment = client.contacts().segment().batch_size(100).stream();
    let mut delivered = Vec::new();
    for kill in 1..=3 {
        while delivered.len() < kill * PEOPLE / 4 {
            let contact = segment.next().await.expect("a contact").expect("a contact");
            delivered.extend(contact.phone_number);
        }
        // Cut the connections too: the kernel would still deliver everything that the killed process
        // has written, which may be the rest of the segment.
        let connections = proxy.connections();
        servers.iter_mut().for_each(ServiceProcess::restart);
        proxy.cut();
        while proxy.connections() == connections {
            let contact = segment.next().await.expect("a contact").expect("a contact");
            delivered.extend(contact.phone_number);
        }
    }
    while let Some(contact) = segment.next().await {
        delivered.extend(contact.expect("a contact").phone_number);
    }
    // In the order of an undisturbed stream, which differs slightly from that of the import.
    let mut undisturbed = Vec::new();
    let mut segment = servers[0].client().contacts().segment().stream();
    while let Some(contact) = segment.next().await {
        undisturbed.extend(contact.expect("a contact").phone_number);
    }
    assert!(delivered == undisturbed, "{} of {}", delivered.len(), undisturbed.len());
    delivered.sort();
    assert!(delivered == phones(0..PEOPLE), "{} of {PEOPLE}", delivered.len());
    drop(servers);
    database.remove().await;
}
