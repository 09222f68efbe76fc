//! Opt-in checks: single ones and batches, beside a raw echo, Redis, and reads of the same rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contacts_proto::v1;
use contacts_sdk::{ContactsClient, MessageCategory};
use contacts_tests::percentile;

use super::Result;
use super::data::phone;
use super::direct::{self, CONNECTIONS};
use super::instance::{Database, Instance};
use super::options::Effort;
use super::processors::Cpu;
use super::redis::Redis;
use super::report::Report;
use super::series::Series;
use super::server::ServerProcess;

pub const CALLERS: u64 = 64;
/// A batch of which single look-ups are measured too.
const BATCH: u64 = 1000;

/// Single checks.
pub async fn singles(
    instance: &Instance,
    contacts: u64,
    effort: Effort,
    report: &mut Report,
) -> Result {
    let echo_server = ServerProcess::start_echo()?;
    let echo_client = ContactsClient::builder(echo_server.url()).connect().await?;
    let redis = Redis::start(contacts).await?;
    let (mut ours, mut median, mut slowest) = <(Series, Series, Series)>::default();
    let (mut echo, mut get, mut select) = <(Series, Series, Series)>::default();
    // Consent is read into memory once enough was asked for, while these go on.
    let loading = effort.run.mul_f64(1.0 + contacts as f64 / 250_000.0);
    call(&instance.client, contacts, loading).await?;
    call(&echo_client, contacts, effort.run / 2).await?;
    for _ in 0..effort.repetitions {
        let before = echo_server.cpu()?;
        // The same client and messages.
        let run = call(&echo_client, contacts, effort.run).await?;
        let server = (echo_server.cpu()? - before).as_secs_f64();
        echo.costed(run.count(), run.time, Cpu { server, database: 0.0 });

        let before = instance.cpu()?;
        let run = call(&instance.client, contacts, effort.run).await?;
        ours.costed(run.count(), run.time, instance.cpu()? - before);
        median.time(percentile(&run.times, 50));
        slowest.time(percentile(&run.times, 99));

        if let Some(redis) = &redis {
            get.measure(redis.get(contacts, CALLERS, effort.run)).await?;
        }
        select.measure(direct::selects(&instance.database, contacts, effort.run)).await?;
    }
    let job = format!("single check, {CALLERS} callers");
    let readers = match instance.database {
        Database::Sqlite(_) => format!("prepared select by primary key, {CONNECTIONS} threads"),
        Database::Postgres { .. } => {
            format!("prepared select by primary key, {CONNECTIONS} connections")
        }
    };
    let wanted = if instance.is_postgres() { 0.8 } else { 0.9 };
    report.ratio(&job, &ours, "echo of raw tonic, same client", &echo, Some(wanted));
    report.ratio(&job, &ours, &format!("Redis GET, {CALLERS} connections"), &get, None);
    report.ratio(&job, &ours, &readers, &select, None);
    report.value("… median", &median, "");
    report.value("… 99th percentile", &slowest, "");
    Ok(())
}

/// Checks in batches.
pub async fn batches(
    instance: &Instance,
    contacts: u64,
    effort: Effort,
    report: &mut Report,
) -> Result {
    let redis = Redis::start(contacts).await?;
    call(&instance.client, contacts, effort.run).await?;
    for size in [100, BATCH, 10_000] {
        let batches = numbers(size, contacts);
        let (mut ours, mut texts, mut mget, mut any) =
            <(Series, Series, Series, Series)>::default();
        for _ in 0..effort.repetitions {
            if let Some(redis) = &redis {
                mget.measure(redis.mget(&batches, effort.run)).await?;
            }
            let (before, started, mut checked) = (instance.cpu()?, Instant::now(), 0);
            for batch in batches.iter().cycle().take_while(|_| started.elapsed() < effort.run) {
                let check = instance.client.opt_in();
                let answer = check.check_batch(batch, MessageCategory::Marketing).await?;
                checked += answer.len() as u64;
            }
            ours.costed(checked, started.elapsed(), instance.cpu()? - before);
            if size == BATCH {
                any.measure(direct::batches(&instance.database, &batches, effort.run)).await?;
                texts.measure(as_texts(&instance.client, &batches, effort.run)).await?;
            }
        }
        let job = format!("checks in batches of {size}, one caller");
        let wanted = |ratio| (size == BATCH).then_some(ratio);
        report.ratio(&job, &ours, "Redis MGET", &mget, wanted(3.0));
        let what = match instance.is_postgres() {
            true => "prepared `= ANY`",
            false => "prepared select of each, one thread",
        };
        report.ratio(&job, &ours, what, &any, None);
        let job = format!("{job}, numbers as strings");
        report.ratio(&job, &texts, "Redis MGET", &mget, wanted(1.0));
    }
    Ok(())
}

/// The numbers of each batch: of other contacts in each, in random order, as campaigns ask for them.
/// The same again and again would be in the processor's caches.
fn numbers(size: u64, contacts: u64) -> Vec<Vec<String>> {
    let number = |index| phone(index * 7919 % contacts);
    let batch = |index| (index * size..(index + 1) * size).map(number).collect();
    (0..(contacts / size).clamp(1, 1000)).map(batch).collect()
}

/// The numbers as strings, which the SDK sends as integers. Returns how many.
async fn as_texts(client: &ContactsClient, batches: &[Vec<String>], run: Duration) -> Result<u64> {
    let (mut client, started, mut checked) = (client.raw_opt_in(), Instant::now(), 0);
    for numbers in batches.iter().cycle().take_while(|_| started.elapsed() < run) {
        let mut request = v1::BatchCheckOptInRequest {
            workspace_id: "default".to_owned(),
            phone_numbers: numbers.clone(),
            ..Default::default()
        };
        request.set_category(v1::MessageCategory::Marketing);
        checked += client.batch_check_opt_in(request).await?.into_inner().decisions.len() as u64;
    }
    Ok(checked)
}

pub struct Run {
    pub time: Duration,
    /// Of the calls, sorted.
    pub times: Vec<Duration>,
}

impl Run {
    pub fn count(&self) -> u64 {
        self.times.len() as u64
    }

    pub fn rate(&self) -> f64 {
        self.times.len() as f64 / self.time.as_secs_f64()
    }
}

/// Single checks, by callers each of whom waits for an answer before the next.
pub async fn call(client: &ContactsClient, contacts: u64, run: Duration) -> Result<Run> {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (opt_in, next) = (client.opt_in(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < run {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let begun = Instant::now();
                    let person = phone(index.wrapping_mul(7919) % contacts);
                    opt_in.check(person, MessageCategory::Marketing).await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, contacts_sdk::Error>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    times.sort_unstable();
    Ok(Run { time: started.elapsed(), times })
}
