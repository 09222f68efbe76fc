//! How a server stops, whatever its clients do, and what it reports of itself.

use std::time::{Duration, Instant};

use contacts_proto::v1;
use contacts_sdk::{MessageCategory, NewContact};
use contacts_tests::{
    Backend, PostgresServer, Proxy, ServiceProcess, TestDatabase, Wire, message, phone,
};
use prost::Message;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// A test that waits longer has failed.
const LONG: Duration = Duration::from_secs(90);
const OPT_IN: &str = "whatatalk.contacts.v1.OptInService";

async fn health(url: &str, service: &str) -> Result<ServingStatus, Code> {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
    let channel = endpoint.connect().await.map_err(|_| Code::Unavailable)?;
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(channel).check(request).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

/// Waits until the health service reports this of all services, and of liveness that it serves.
async fn wait_for(url: &str, status: ServingStatus) {
    let all = async {
        for service in ["", OPT_IN] {
            while health(url, service).await != Ok(status) {
                sleep(Duration::from_millis(100)).await;
            }
        }
    };
    timeout(LONG, all).await.expect("the status");
    assert_eq!(health(url, "liveness").await, Ok(ServingStatus::Serving));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_works_on_while_it_reports_that_it_stops() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let url = database.settings_url();
    let mut server =
        ServiceProcess::launch_with(&["--database-url", &url, "--shutdown-delay", "10m"]);
    server.wait_until_ready();
    let client = server.client();
    wait_for(&server.url(), ServingStatus::Serving).await;
    server.terminate();
    wait_for(&server.url(), ServingStatus::NotServing).await;
    // On the old connection and on a new one.
    client.contacts().create(NewContact::new().phone(phone(1))).await.expect("a contact");
    assert_eq!(server.client().contacts().count().await.expect("a count"), 1);
    server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_peers_do_not_delay_the_end() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let url = database.settings_url();
    let mut server = ServiceProcess::launch_with(&[
        "--database-url",
        &url,
        "--shutdown-delay",
        "1s",
        "--shutdown-grace",
        "2s",
    ]);
    server.wait_until_ready();
    let filler = "x".repeat(199);
    let rows = (0..1000).map(|n| NewContact::new().phone(phone(n)).first_name(&filler));
    server.client().contacts().batch_upsert(rows.collect::<Vec<_>>()).await.expect("rows");

    // Peers that neither read nor write nor close: half a request, streams that stall.
    let proxy = Proxy::to(server.address()).await;
    let mut open = Vec::new();
    for method in [
        "ContactService/StreamContacts",
        "OptInService/CheckOptInStream",
        "OptInService/CheckOptIn",
    ] {
        let wire = Wire::connect_with_windows(proxy.address(), 1000, 65_535).await;
        let mut call = wire.open(method, &[]).await;
        let is_stream = method.ends_with("StreamContacts");
        let request = message(&v1::CheckOptInRequest::default().encode_to_vec());
        let request = if is_stream { request } else { request.slice(..3) };
        call.request.send_data(request, is_stream).expect("sent");
        open.push((wire, call));
    }
    sleep(Duration::from_millis(300)).await;
    proxy.pause();
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_knows_the_database() {
    let mut postgres = PostgresServer::start(&[]).await;
    let server = ServiceProcess::start(&postgres.url());
    wait_for(&server.url(), ServingStatus::Serving).await;
    postgres.kill();
    wait_for(&server.url(), ServingStatus::NotServing).await;
    postgres.restart().await;
    wait_for(&server.url(), ServingStatus::Serving).await;
    let check = server.client().opt_in().check(phone(1), MessageCategory::Marketing).await;
    assert!(!check.expect("an answer").is_allowed());
}
