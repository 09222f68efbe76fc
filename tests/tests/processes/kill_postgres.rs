//! `kill -9` of the database server under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contacts_proto::v1;
use contacts_proto::v1::contact_service_client::ContactServiceClient;
use contacts_proto::v1::opt_in_service_client::OptInServiceClient;
use contacts_sdk::ErrorKind;
use contacts_tests::{PostgresServer, ServiceProcess, assert_consistent, phone, rpc_error};
use tokio::time::sleep;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use crate::writers::Writers;

const KILLS: usize = 2;
/// Deadline of a caller. Every call ends earlier, whatever happens to the database.
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_and_calls_recover() {
    let mut postgres = PostgresServer::start(&[]).await;
    let servers: Vec<_> = (0..2).map(|_| ServiceProcess::start(&postgres.url())).collect();
    let clients = (0..4).map(|n| servers[n % 2].client());
    let writers = Writers::start(clients.collect()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers = servers.iter().map(|server| {
        let (caller, stop) = (Caller::connect(server), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut refused = 0;
            while !stop.load(Ordering::SeqCst) {
                refused += caller.calls().await;
                sleep(Duration::from_millis(5)).await;
            }
            refused
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..KILLS {
        writers.work(8).await;
        postgres.kill();
        sleep(Duration::from_millis(700)).await;
        postgres.restart().await;
    }
    writers.work(8).await;
    let acknowledged = writers.finish().await;
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        let refused = caller.await.expect("a caller that did not panic");
        assert!(refused > 0, "no call noticed");
    }
    // Both servers recovered without a restart.
    for server in &servers {
        assert_eq!(Caller::connect(server).calls().await, 0);
    }
    acknowledged.verify(&servers[0].client()).await;
    assert_consistent(&mut postgres.connect("postgres").await).await;
}

/// Calls without retries.
#[derive(Clone)]
struct Caller {
    opt_in: OptInServiceClient<Channel>,
    contacts: ContactServiceClient<Channel>,
}

impl Caller {
    fn connect(server: &ServiceProcess) -> Self {
        let channel = Endpoint::from_shared(server.url()).expect("an address").connect_lazy();
        let opt_in = OptInServiceClient::new(channel.clone());
        Self { opt_in, contacts: ContactServiceClient::new(channel) }
    }

    /// Makes one call of each kind and returns the number of failures. Panics on errors other than
    /// unavailability.
    async fn calls(&self) -> usize {
        let Self { mut opt_in, mut contacts } = self.clone();
        let phone_number = phone(1);
        let check = v1::CheckOptInRequest {
            recipient: Some(v1::check_opt_in_request::Recipient::PhoneNumber(phone(1))),
            ..Default::default()
        };
        let batch = v1::BatchCheckOptInRequest {
            phone_numbers: vec![phone_number.clone()],
            ..Default::default()
        };
        let opt_out = v1::RecordOptOutRequest {
            recipient: Some(v1::record_opt_out_request::Recipient::PhoneNumber(phone_number)),
            ..Default::default()
        };
        // Concurrently, because a call that waits for a connection would delay the others.
        let (mut batches, mut changes, mut lists) =
            (opt_in.clone(), opt_in.clone(), contacts.clone());
        let (check, batch, opt_out, count, list) = futures::join!(
            opt_in.check_opt_in(builder_with_long_deadlines(check)),
            batches.batch_check_opt_in(builder_with_long_deadlines(batch)),
            changes.record_opt_out(builder_with_long_deadlines(opt_out)),
            contacts
                .count_contacts(builder_with_long_deadlines(v1::CountContactsRequest::default())),
            lists.list_contacts(builder_with_long_deadlines(v1::ListContactsRequest::default())),
        );
        let answers =
            [check.map(drop), batch.map(drop), opt_out.map(drop), count.map(drop), list.map(drop)];
        answers.iter().filter_map(|answer| answer.as_ref().err()).fold(0, |refused, status| {
            let error = rpc_error(status);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(error.retry_delay().is_some(), "{error:?}");
            refused + 1
        })
    }
}

fn builder_with_long_deadlines<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}
