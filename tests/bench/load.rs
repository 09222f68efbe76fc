//! Checks and opt-outs beside everything else: bulk work, a noisy workspace, more calls than fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contacts_sdk::{
    ContactsClient, ImportOptions, MessageCategory, NewContact, OnConflict, RetryPolicy,
};
use contacts_tests::percentile;
use futures::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::Result;
use super::checks::{CALLERS, call};
use super::data::{self, TENTH};
use super::instance::Instance;
use super::processors::Processors;
use super::report::Lines;
use super::series::grouped;

const MARKETING: MessageCategory = MessageCategory::Marketing;
/// Calls a second, each on its own whatever became of the ones before.
const PACED_CHECKS: u64 = 500;
const PACED_OPT_OUTS: u64 = 20;
/// A check that is answered later is worth nothing.
const DEADLINE: Duration = Duration::from_secs(1);
/// The numbers of contacts that further imports begin with: nobody has them yet.
const IMPORTED_ALONE: u64 = 20_000_000;
const IMPORTED_BESIDE: u64 = 40_000_000;
const QUIET: &str = "quiet";
const QUIET_CONTACTS: u64 = 1000;
/// Connections of those who send more than fits.
const CONNECTIONS: usize = 8;

pub async fn measure(
    instance: &Instance,
    contacts: u64,
    run: Duration,
    report: &mut Lines,
) -> Result {
    let Instance { client, server, .. } = instance;
    let url = server.url();
    // The first calls of a new server are not measured.
    paced(client, contacts, run / 5).await?;

    let idle = paced(client, contacts, run).await?;
    let peak = call(client, contacts, run).await?;
    report.time(&name("check", PACED_CHECKS), percentile(&idle.checks, 99), "");
    report.time(&name("opt-out", PACED_OPT_OUTS), percentile(&idle.opt_outs, 99), "");
    let rate = format!("{}/s", grouped(peak.rate()));
    report.text(&format!("checks of {CALLERS} callers"), rate, "");
    report.time("… 99th percentile", percentile(&peak.times, 99), "");

    let load = Load::start(&url, IMPORTED_ALONE, false);
    let imported = paced(client, contacts, run).await?;
    let done = load.stop()?;
    let what = "under an import alone";
    report.ratio(&format!("opt-out, {what}"), &imported.opt_outs, &idle.opt_outs, "≤ 3, ≤ 250 ms");
    report.time("… slowest", percentile(&imported.opt_outs, 100), "");
    report.text("… done meanwhile", done, "");

    let load = Load::start(&url, contacts, true);
    let processors = Processors::now(server)?;
    let loaded = paced(client, contacts, run).await?;
    let used = processors.since(server)?;
    let shared = call(client, contacts, run).await?;
    let done = load.stop()?;
    let what = "under an import, 4 streams of all, 4 counts";
    report.ratio(&format!("check, {what}"), &loaded.checks, &idle.checks, "≤ 5");
    report.ratio(&format!("opt-out, {what}"), &loaded.opt_outs, &idle.opt_outs, "≤ 5");
    report.time("… slowest", percentile(&loaded.opt_outs, 100), "");
    report.text("… failed", format!("{}", loaded.failed), "0");
    report.text("… processors of server, client, others", used, "");
    report.ratio(&format!("checks of 64 callers, {what}"), &shared.times, &peak.times, "≤ 5");
    let found =
        format!("{:.0} % ({:.0} checks/s)", 100.0 * shared.rate() / peak.rate(), shared.rate());
    report.text("… throughput, of that without", found, "≥ 35 %");
    report.text("… done meanwhile", done, "");

    noisy_neighbour(instance, contacts, run, report).await?;
    overload(instance, contacts, run, peak.rate(), report).await
}

fn name(call: &str, rate: u64) -> String {
    format!("{call}, {rate}/s, 99th percentile")
}

/// A workspace beside one in which everything happens.
async fn noisy_neighbour(
    instance: &Instance,
    contacts: u64,
    run: Duration,
    report: &mut Lines,
) -> Result {
    let Instance { client, server, .. } = instance;
    client.workspaces().create(QUIET).await?;
    let quiet = client.with_workspace(QUIET);
    let people = (0..QUIET_CONTACTS).map(|n| NewContact::new().phone(data::phone(n)));
    quiet.contacts().batch_upsert(people).await?;
    let alone = paced(&quiet, QUIET_CONTACTS, run).await?;
    let load = Load::start(&server.url(), IMPORTED_BESIDE, true);
    // Both take as long.
    let noise = apart(&server.url(), async move |noisy| call(&noisy, contacts, run).await);
    let beside = paced(&quiet, QUIET_CONTACTS, run).await?;
    join(noise)?;
    load.stop()?;
    let what = "of a quiet workspace, beside all that and 64 callers in another";
    report.ratio(&format!("check {what}"), &beside.checks, &alone.checks, "≤ 3");
    report.ratio(&format!("opt-out {what}"), &beside.opt_outs, &alone.opt_outs, "≤ 3");
    report.text("… failed", format!("{}", beside.failed), "0");
    Ok(())
}

/// Twice as many checks as the server can answer.
async fn overload(
    instance: &Instance,
    contacts: u64,
    run: Duration,
    peak: f64,
    report: &mut Lines,
) -> Result {
    let clients = (0..CONNECTIONS).map(|_| {
        let builder = ContactsClient::builder(instance.server.url()).check_deadline(DEADLINE);
        builder.retry_policy(RetryPolicy::never()).connect_lazy()
    });
    let clients: Vec<_> = clients.collect::<std::result::Result<_, _>>()?;
    let answered = Arc::new(AtomicU64::new(0));
    let (started, mut sent) = (Instant::now(), 0);
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut calls = JoinSet::new();
    while started.elapsed() < run {
        ticks.tick().await;
        let due = (started.elapsed().as_secs_f64() * 2.0 * peak) as u64;
        while sent < due {
            let check = clients[sent as usize % CONNECTIONS].opt_in();
            let check = check.check(data::phone(sent * 7919 % contacts), MARKETING);
            let answered = Arc::clone(&answered);
            calls.spawn(async move {
                if check.await.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
            sent += 1;
        }
        while calls.try_join_next().is_some() {}
    }
    let seconds = started.elapsed().as_secs_f64();
    let good = answered.load(Ordering::Relaxed) as f64 / seconds;
    calls.shutdown().await;
    let found = format!("{:.0} % ({good:.0} checks/s)", 100.0 * good / peak);
    let what = format!("checks answered within 1 s when {:.0}/s are sent", sent as f64 / seconds);
    report.text(&format!("{what}, of the 64 callers'"), found, "≥ 80 %");
    // Nothing is left of it.
    let started = Instant::now();
    instance.client.opt_in().check(data::phone(0), MARKETING).await?;
    report.time("… a check right after", started.elapsed(), "");
    Ok(())
}

/// Times, sorted.
struct Paced {
    checks: Vec<Duration>,
    opt_outs: Vec<Duration>,
    failed: usize,
}

/// Checks and opt-outs at a steady pace.
async fn paced(client: &ContactsClient, contacts: u64, time: Duration) -> Result<Paced> {
    let opt_in = client.opt_in();
    let (checks, opt_outs) = tokio::join!(
        at_pace(PACED_CHECKS, time, |n| {
            let check = opt_in.check(data::phone(n * 7919 % contacts), MARKETING);
            async move { check.await.is_ok() }
        }),
        at_pace(PACED_OPT_OUTS, time, |n| {
            let opt_out = opt_in.record_opt_out(data::phone(n * 6007 % contacts));
            async move { opt_out.await.is_ok() }
        }),
    );
    let failed = checks.1 + opt_outs.1;
    Ok(Paced { checks: checks.0, opt_outs: opt_outs.0, failed })
}

/// Sorted times of the calls that were answered, and how many were not.
async fn at_pace<F: Future<Output = bool> + Send + 'static>(
    rate: u64,
    time: Duration,
    call: impl Fn(u64) -> F,
) -> (Vec<Duration>, usize) {
    let mut ticks = interval(Duration::from_secs(1) / rate as u32);
    let mut calls = JoinSet::new();
    let (started, mut sent) = (Instant::now(), 0);
    while started.elapsed() < time {
        // From when it is due, so that a delay of this program counts too.
        let due = ticks.tick().await.into_std();
        let call = call(sent);
        calls.spawn(async move { (call.await, due.elapsed()) });
        sent += 1;
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(Ok((is_answered, time))) = calls.join_next().await {
        match is_answered {
            true => times.push(time),
            false => failed += 1,
        }
    }
    times.sort_unstable();
    (times, failed)
}

/// An import, and if `is_all`, four streams of all contacts and four counts, one after the other, from
/// threads of their own.
struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<String>>,
}

impl Load {
    fn start(url: &str, first: u64, is_all: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let load = async move |client| load(client, first, is_all, stopped).await;
        Self { stop, thread: apart(url, load) }
    }

    /// Ends it, and says what was done.
    fn stop(self) -> Result<String> {
        self.stop.store(true, Ordering::SeqCst);
        join(self.thread)
    }
}

/// Runs another client, with threads and connections of its own, so that it has nothing in common with
/// this one but the server and the machine.
fn apart<T: Send + 'static>(
    url: &str,
    run: impl AsyncFnOnce(ContactsClient) -> Result<T> + Send + 'static,
) -> JoinHandle<Result<T>> {
    let client = ContactsClient::builder(url);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new()?;
        // Connects within the runtime.
        runtime.block_on(async { run(client.connect_lazy()?).await })
    })
}

fn join<T>(client: JoinHandle<Result<T>>) -> Result<T> {
    client.join().map_err(|_| "another client panicked")?
}

async fn load(
    client: ContactsClient,
    first: u64,
    is_all: bool,
    stop: Arc<AtomicBool>,
) -> Result<String> {
    let started = Instant::now();
    let (streamed, counted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks: JoinSet<Result> = JoinSet::new();
    for _ in 0..if is_all { 4 } else { 0 } {
        let (contacts, sum, stopped) =
            (client.contacts(), Arc::clone(&streamed), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                let mut batches = contacts.segment().batch_size(1000).batches();
                while !stopped.load(Ordering::SeqCst) {
                    let Some(batch) = batches.next().await else { break };
                    sum.fetch_add(batch?.len() as u64, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        let (contacts, sum, stopped) = (client.contacts(), Arc::clone(&counted), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                contacts.count().filter(TENTH).await?;
                sum.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    let options = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
    let rows = futures::stream::iter(data::rows_from(first)).take_while({
        let stop = Arc::clone(&stop);
        move |_| futures::future::ready(!stop.load(Ordering::SeqCst))
    });
    let imported = client.contacts().import(options).send_stream(rows).await?.rows;
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let rate = |count: u64| count as f64 / started.elapsed().as_secs_f64();
    Ok(format!(
        "{:.0} rows/s imported, {:.0} contacts/s streamed, {:.1} counts/s",
        rate(imported),
        rate(streamed.load(Ordering::Relaxed)),
        rate(counted.load(Ordering::Relaxed)),
    ))
}
