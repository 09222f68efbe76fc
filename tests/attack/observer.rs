//! A well-behaved client beside an attack, on a thread of its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contacts_sdk::{ContactsClient, MessageCategory, NewContact, RetryPolicy};
use contacts_tests::percentile;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::Result;

const INTERVAL: Duration = Duration::from_millis(50);
/// Calls that take longer have failed.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a newcomer tries to be served after an attack.
const PATIENCE: Duration = Duration::from_secs(90);
const MARKETING: MessageCategory = MessageCategory::Marketing;
/// Nobody whom an attack is about.
const PERSON: &str = "15557770000";

/// A client that calls the server every 50 ms.
pub struct Observer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Observations>,
}

/// What a client saw of each kind of call.
pub struct Observations {
    pub health: Track,
    /// Checks of a phone number.
    pub check: Track,
    /// Checks of a contact, which need a second look-up.
    pub check_by_id: Track,
    pub opt_out: Track,
}

/// Calls of one kind.
pub struct Track {
    /// The longest time from one answer to the next, the beginning and the end included.
    pub longest_gap: Duration,
    /// Times of the calls that were answered, and of those that never were. Sorted.
    times: Vec<Duration>,
    pub failed: usize,
}

impl Observer {
    /// Connects, and calls the server from now on.
    pub fn start(url: String) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let callers =
                    Callers::connect(&url).await.expect("a server that is not yet attacked");
                ready.send(()).expect("a program that waits");
                callers.watch(&stopped).await
            })
        });
        is_ready.recv()?;
        Ok(Self { stop, thread })
    }

    /// What was seen until now.
    pub fn stop(self) -> Result<Observations> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| "the client panicked".into())
    }
}

struct Callers {
    health: HealthClient<Channel>,
    client: ContactsClient,
    contact_id: String,
}

impl Callers {
    async fn connect(url: &str) -> Result<Self> {
        let health = HealthClient::new(Endpoint::new(url.to_owned())?.connect().await?);
        let client = client(url)?;
        let person = NewContact::new().phone(PERSON);
        let contact_id = client.contacts().create(person).await?.contact_id.to_string();
        Ok(Self { health, client, contact_id })
    }

    async fn watch(self, stop: &AtomicBool) -> Observations {
        let opt_in = self.client.opt_in();
        let (health, check, check_by_id, opt_out) = tokio::join!(
            track(stop, || {
                let mut health = self.health.clone();
                async move { health.check(HealthCheckRequest::default()).await.is_ok() }
            }),
            track(stop, || {
                let check = opt_in.check(PERSON, MARKETING);
                async move { check.await.is_ok() }
            }),
            track(stop, || {
                let check = opt_in.check(contact(&self.contact_id), MARKETING);
                async move { check.await.is_ok() }
            }),
            track(stop, || {
                let record = opt_in.record_opt_out(PERSON);
                async move { record.await.is_ok() }
            }),
        );
        Observations { health, check, check_by_id, opt_out }
    }
}

fn contact(id: &str) -> contacts_sdk::Recipient {
    contacts_sdk::Recipient::ContactId(id.to_owned())
}

fn client(url: &str) -> Result<ContactsClient> {
    let builder = ContactsClient::builder(url).deadline(DEADLINE).check_deadline(DEADLINE);
    Ok(builder.retry_policy(RetryPolicy::never()).connect_lazy()?)
}

/// Makes a call every 50 ms, whether or not those before were answered.
async fn track<F: Future<Output = bool>>(stop: &AtomicBool, call: impl Fn() -> F) -> Track {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut calls = FuturesUnordered::new();
    let (mut last, mut longest_gap) = (Instant::now(), Duration::ZERO);
    let (mut times, mut failed) = (Vec::new(), 0);
    while !stop.load(Ordering::SeqCst) {
        tokio::select! {
            _ = ticks.tick() => {
                let (begun, call) = (Instant::now(), call());
                calls.push(async move { (begun, timeout(DEADLINE, call).await == Ok(true)) });
            }
            Some((begun, is_answered)) = calls.next() => match is_answered {
                true => {
                    longest_gap = longest_gap.max(last.elapsed());
                    last = Instant::now();
                    times.push(begun.elapsed());
                }
                false => failed += 1,
            }
        }
    }
    longest_gap = longest_gap.max(last.elapsed());
    times.sort_unstable();
    Track { longest_gap, times, failed }
}

impl Track {
    /// A percentile of the times.
    pub fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.times, percent)
    }
}

/// The time until somebody with a new connection is served: health, a check, an opt-out and a list. None if
/// that does not happen.
pub async fn newcomer(url: &str) -> Option<Duration> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if timeout(DEADLINE, serve(url)).await.is_ok_and(|served| served.is_ok()) {
            return Some(started.elapsed());
        }
        sleep(INTERVAL / 5).await;
    }
    None
}

async fn serve(url: &str) -> Result {
    let mut health = HealthClient::new(Endpoint::new(url.to_owned())?.connect().await?);
    health.check(HealthCheckRequest::default()).await?;
    let client = client(url)?;
    client.opt_in().check(PERSON, MARKETING).await?;
    client.opt_in().record_opt_out(PERSON).await?;
    client.contacts().list().page_size(1).await?;
    Ok(())
}
