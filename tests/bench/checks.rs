//! Opt-in checks: single ones, compared with an echo, and batches.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contacts_sdk::{ContactsClient, MessageCategory};

use super::Result;
use super::data::phone;
use super::redis::Redis;
use super::report::{Report, percentile};
use super::server::ServerProcess;

const CALLERS: u64 = 64;
/// How long each measurement takes.
pub const RUN: Duration = Duration::from_secs(5);

pub async fn measure(
    client: &ContactsClient,
    server: &ServerProcess,
    contacts: u64,
    report: &mut Report,
) -> Result {
    let echo_server = ServerProcess::start_echo()?;
    let echo_client = ContactsClient::builder(echo_server.url()).connect().await?;
    // The same client and messages.
    let echo = singles(&echo_client, &echo_server, contacts).await?;
    drop(echo_server);
    let checks = singles(client, server, contacts).await?;
    report.number(&format!("echo of raw tonic, {CALLERS} callers, calls/s"), echo.rate, "");
    report.number(&format!("single check, {CALLERS} callers, checks/s"), checks.rate, "");
    report.text("… of the echo", format!("{:.2}", checks.rate / echo.rate), "≥ 0.9");
    report.micros("… processor time of the server a check", checks.cpu);
    report.micros("… of the echo", echo.cpu);
    report.time("… median", percentile(&checks.times, 50), "");
    report.time("… 99th percentile", percentile(&checks.times, 99), "");

    if let Some(redis) = Redis::start(contacts).await? {
        let rate = redis.mget(contacts, 1000, RUN / 2).await?;
        report.number("Redis MGET of 1000, one caller, keys/s", rate, "");
    }
    for size in [100, 1000, 10_000] {
        let numbers: Vec<_> = (0..size).map(|index| phone(index * 7919 % contacts)).collect();
        let started = Instant::now();
        let mut checked = 0;
        while started.elapsed() < RUN / 2 {
            let answer = client.opt_in().check_batch(&numbers, MessageCategory::Marketing).await?;
            checked += answer.len() as u64;
        }
        let seconds = started.elapsed().as_secs_f64();
        report.rate(
            &format!("checks in batches of {size}, one caller, checks/s"),
            checked,
            seconds,
            "",
        );
    }
    Ok(())
}

/// Single checks, by callers each of whom waits for an answer before the next.
pub async fn singles(
    client: &ContactsClient,
    server: &ServerProcess,
    contacts: u64,
) -> Result<Run> {
    let (opt_in, before) = (client.opt_in(), server.cpu()?);
    let run = run(move |index| {
        let opt_in = opt_in.clone();
        async move {
            let person = phone(index.wrapping_mul(7919) % contacts);
            opt_in.check(person, MessageCategory::Marketing).await?;
            Ok(())
        }
    })
    .await?;
    let cpu = (server.cpu()? - before).div_f64(run.times.len().max(1) as f64);
    Ok(Run { cpu, ..run })
}

pub struct Run {
    /// Calls a second.
    pub rate: f64,
    /// Processor time of the server, a call.
    cpu: Duration,
    /// Sorted.
    pub times: Vec<Duration>,
}

async fn run<F, C>(call: F) -> Result<Run>
where
    F: Fn(u64) -> C + Send + Sync + 'static,
    C: Future<Output = Result> + Send,
{
    let call = Arc::new(call);
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (call, next) = (Arc::clone(&call), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < RUN {
                    let begun = Instant::now();
                    call(next.fetch_add(1, Ordering::Relaxed)).await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok(Run { rate, cpu: Duration::ZERO, times })
}
