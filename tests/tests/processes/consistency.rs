//! Every check that begins after an acknowledged opt-out sees it, on every server, while processes are
//! killed, frozen and disconnected.

mod faults;
mod history;
mod workload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contacts_sdk::{CheckReason, ClientBuilder, MessageCategory, RetryPolicy};
use contacts_tests::{
    Backend, Proxy, ServiceProcess, TestDatabase, assert_consistent, builder_with_long_deadlines,
    phones,
};
use tokio::time::sleep;

use self::workload::{Servers, Volume};

/// Environment variable: multiplies the length of the history.
const SCALE: &str = "CONTACTS_TEST_CONSISTENCY_SCALE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_allows_after_an_acknowledged_opt_out() {
    let scale = std::env::var(SCALE).map_or(1, |scale| scale.parse().expect("a number"));
    let volume = Volume { people: 12_000 * scale, checks: 520_000 * scale };
    let database = TestDatabase::create(Backend::Postgres).await;
    let servers: Vec<_> = (0..3).map(|_| ServiceProcess::start(&database.url())).collect();
    let mut proxies = Vec::new();
    for server in &servers {
        proxies.push(Proxy::to(server.address()).await);
    }
    let clients = proxies
        .iter()
        .map(|proxy| builder_with_short_deadlines(&proxy.url()).connect_lazy().expect("a client"));
    let service = Servers::new(clients.collect());
    let undisturbed = servers[0].client();

    let stop = Arc::new(AtomicBool::new(false));
    let (stopping, last) = (Arc::clone(&stop), undisturbed.clone());
    let mut injecting = tokio::spawn(async move {
        let done = inject_faults(servers, &proxies, &stopping).await;
        (done, last)
    });
    let history = tokio::select! {
        history = workload::run(service, &undisturbed, volume) => history,
        // Without servers, the workload has no end.
        ended = &mut injecting => panic!("no more faults: {:?}", ended.err()),
    };
    stop.store(true, Ordering::SeqCst);
    let ((servers, faults), client) = injecting.await.expect("faults made");

    assert!(history.checks.len() >= volume.checks, "{} checks", history.checks.len());
    assert!(history.opt_outs() >= volume.people, "{} opt-outs", history.opt_outs());
    let allowed = history.checks.iter().filter(|check| check.allowed).count();
    assert!(allowed > history.checks.len() / 20, "only {allowed} checks allowed anything");
    assert!(faults >= 4, "only {faults} faults");
    let violations = history.violations();
    assert!(violations.is_empty(), "{} such as {:?}", violations.len(), violations[0]);

    // At the end, everybody is opted out.
    for some in phones(0..volume.people).chunks(10_000) {
        let answers = client.opt_in().check_batch(some, MessageCategory::Marketing).await;
        let answers = answers.expect("answers");
        assert!(answers.iter().all(|answer| answer.reason == CheckReason::OptedOut));
    }
    assert_consistent(&mut database.connect().await).await;
    drop(servers);
    database.remove().await;
}

/// Builds a client with short deadlines, so that it turns to another server soon.
fn builder_with_short_deadlines(url: &str) -> ClientBuilder {
    builder_with_long_deadlines(url)
        .deadline(Duration::from_secs(3))
        .check_deadline(Duration::from_secs(1))
        .retry_policy(RetryPolicy::never())
}

/// Kills, freezes and disconnects one server after the other. Returns the number of faults.
async fn inject_faults(
    mut servers: Vec<ServiceProcess>,
    proxies: &[Proxy],
    stop: &AtomicBool,
) -> (Vec<ServiceProcess>, usize) {
    let mut faults = 0;
    while !stop.load(Ordering::SeqCst) {
        let victim = faults % servers.len();
        match faults % 4 {
            0 => servers[victim].kill(),
            1 => servers[victim].freeze(true),
            _ => proxies[victim].cut(),
        }
        sleep(Duration::from_millis(400)).await;
        match faults % 4 {
            0 => servers[victim].restart(),
            1 => servers[victim].freeze(false),
            _ => {}
        }
        faults += 1;
        sleep(Duration::from_millis(300)).await;
    }
    (servers, faults)
}
