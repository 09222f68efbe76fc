//! Failover to a synchronous standby.

use std::time::Duration;

use contacts_sdk::{ErrorKind, RetryPolicy};
use contacts_tests::{
    PostgresServer, Proxy, ServiceProcess, assert_consistent, builder_with_long_deadlines, phone,
};
use tokio::time::sleep;

use crate::writers::Writers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_synchronous_replication_no_acknowledged_write_is_lost() {
    let mut primary = PostgresServer::start(&[]).await;
    let standby = primary.standby("standby", &[]).await;
    wait_for_replicas(&primary).await;
    let way = Proxy::to(primary.address()).await;
    let url = primary.url().replace(&primary.address().to_string(), &way.address().to_string());
    let servers: Vec<_> = (0..2).map(|_| ServiceProcess::start(&url)).collect();

    // While the standby is frozen, no write is acknowledged, not even after the statement timeout,
    // which Postgres does not apply to the wait for a standby.
    standby.freeze(true);
    let once = builder_with_long_deadlines(&servers[0].url()).retry_policy(RetryPolicy::never());
    let once = once.connect_lazy().expect("a client");
    let opt_out = once.opt_in().record_opt_out(phone(1)).deadline(Duration::from_secs(1));
    let error = opt_out.await.expect_err("no acknowledgement");
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error:?}");
    standby.freeze(false);

    let clients = (0..4).map(|n| servers[n % 2].client());
    let writers = Writers::start(clients.collect()).await;
    writers.work(24).await;
    primary.kill();
    standby.promote().await;
    // As a virtual IP address or a load balancer would. The servers are not restarted.
    way.route_to(standby.address());
    writers.work(8).await;
    let acknowledged = writers.finish().await;
    acknowledged.verify(&servers[0].client()).await;
    assert_consistent(&mut standby.connect("postgres").await).await;
}

/// Waits until replication is synchronous: commits are acknowledged when the standby has flushed them.
async fn wait_for_replicas(primary: &PostgresServer) {
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'").await;
    primary.execute("SELECT pg_reload_conf()").await;
    let mut connection = primary.connect("postgres").await;
    let sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    while sqlx::query_scalar::<_, i64>(sync).fetch_one(&mut connection).await.expect("a count") == 0
    {
        sleep(Duration::from_millis(20)).await;
    }
}
