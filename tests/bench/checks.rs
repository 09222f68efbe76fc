//! Opt-in checks: single ones, compared with an echo, and batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contacts_sdk::{ContactsClient, MessageCategory};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::Result;
use super::data::phone;
use super::report::{Report, percentile};
use super::server::ServerProcess;

const CALLERS: u64 = 64;
const RUN: Duration = Duration::from_secs(5);

pub async fn measure(
    client: &ContactsClient,
    server: &ServerProcess,
    contacts: u64,
    report: &mut Report,
) -> Result {
    let health = HealthClient::new(Endpoint::new(server.url())?.connect().await?);
    // The same client, connection and server without a database lookup.
    let echo = run(move |_| {
        let mut health = health.clone();
        async move {
            health.check(HealthCheckRequest::default()).await?;
            Ok(())
        }
    })
    .await?;
    let opt_in = client.opt_in();
    let checks = run(move |index| {
        let opt_in = opt_in.clone();
        async move {
            let person = phone(index.wrapping_mul(7919) % contacts);
            opt_in.check(person, MessageCategory::Marketing).await?;
            Ok(())
        }
    })
    .await?;
    report.number(&format!("echo (health check), {CALLERS} callers, calls/s"), echo.rate, "");
    report.number(&format!("single check, {CALLERS} callers, checks/s"), checks.rate, "");
    report.text("… of the echo", format!("{:.2}", checks.rate / echo.rate), "≥ 0.5");
    report.time("… median", percentile(&checks.times, 50), "");
    report.time("… 99th percentile", percentile(&checks.times, 99), "");

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

struct Run {
    rate: f64,
    times: Vec<Duration>,
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
                Result::Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok(Run { rate, times })
}
