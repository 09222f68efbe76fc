//! A Citus cluster whose workers die, hang and change. Only where there is one, see `tests/run citus`.
//! What the others notice is printed, for docs/scaling.md: `--success-output final` shows it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use contacts_sdk::{CheckReason, ContactsClient, ErrorKind, MessageCategory, RetryPolicy};
use contacts_tests::{
    Backend, CitusWorker, ServiceProcess, TestDatabase, assert_consistent,
    builder_with_long_deadlines, percentile, phone, service,
};
use futures::future::join_all;
use sqlx::{PgConnection, Row};
use tokio::time::{sleep, timeout};

use crate::sample::{answers, fill};
use crate::writers::Writers;

/// A test that waits longer has failed.
const LONG: Duration = Duration::from_secs(90);
/// Deadline of a caller.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a worker is gone: longer than a caller waits.
const GONE: Duration = Duration::from_secs(12);
/// How long calls are measured before that and after it.
const CALM: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_is_distributed_by_one_of_two_and_none_stays_behind() {
    let Some(database) = TestDatabase::undistributed().await else { return };
    let mut server = ServiceProcess::start(&database.url());
    fill::fill(&server.client()).await.expect("filled");
    let before = answers::answers(&server.client()).await;
    server.stop();

    let migrate = || {
        let mut command = service();
        command.args(["migrate", "--citus", "--database-url", &database.url()]);
        command.spawn().expect("the program")
    };
    for mut migration in [migrate(), migrate()] {
        assert!(migration.wait().expect("its end").success());
    }
    let mut connection = database.connect().await;
    let sizes = "SELECT logicalrelid::text, pg_relation_size(logicalrelid) FROM pg_dist_partition";
    let sizes = sqlx::query(sizes).fetch_all(&mut connection).await.expect("tables");
    assert!(sizes.len() > 10, "only {} tables are distributed", sizes.len());
    for table in sizes {
        assert_eq!(table.get::<i64, _>(1), 0, "rows of {} stay", table.get::<String, _>(0));
    }
    let server = ServiceProcess::start(&database.url());
    assert_eq!(answers::answers(&server.client()).await, before);
    drop(server);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_move_under_writes_without_a_failure() {
    if CitusWorker::all().await.is_none() {
        return;
    }
    let database = TestDatabase::create(Backend::Postgres).await;
    let servers: Vec<_> = (0..2).map(|_| ServiceProcess::start(&database.url())).collect();
    let clients = (0..4).map(|n| servers[n % 2].client());
    let writers = Writers::start(clients.collect()).await;
    let mut connection = database.connect().await;
    for _ in 0..2 {
        writers.work(8).await;
        let before = node_of(&mut connection, "default").await;
        let moved = sqlx::query(
            "SELECT citus_move_shard_placement(
                 get_shard_id_for_distribution_column('workspace', 'default'),
                 here.nodename, here.nodeport, there.nodename, there.nodeport)
             FROM pg_dist_node AS here, pg_dist_node AS there
             WHERE here.nodeport = $1 AND there.nodeport <> $1 AND there.shouldhaveshards",
        );
        moved.bind(i32::from(before)).execute(&mut connection).await.expect("moved");
        assert_ne!(node_of(&mut connection, "default").await, before);
    }
    writers.work(8).await;
    let acknowledged = writers.finish().await;
    assert_eq!(acknowledged.unknown(), 0, "writes failed");
    acknowledged.verify(&servers[0].client()).await;
    assert_consistent(&mut connection).await;
    drop(servers);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_worker_fails_only_its_workspaces() {
    worker_fails_only_its_workspaces(Fault::Kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_worker_fails_only_its_workspaces() {
    worker_fails_only_its_workspaces(Fault::Freeze).await;
}

#[derive(PartialEq, Eq)]
enum Fault {
    Kill,
    Freeze,
}

async fn worker_fails_only_its_workspaces(fault: Fault) {
    let Some(mut workers) = CitusWorker::all().await else { return };
    let mut worker = workers.pop().expect("a worker");
    let database = TestDatabase::create(Backend::Postgres).await;
    let url = database.url();
    // A busy machine may be slow; calls fail only if connections stay away.
    let patient = ["--postgres-check-acquire-timeout", "5s", "--postgres-acquire-timeout", "8s"];
    let arguments = ["--database-url", &url, "--migrate"];
    let mut server = ServiceProcess::launch_with(&[&arguments[..], &patient].concat());
    server.wait_until_ready();
    let client = builder_with_long_deadlines(&server.url())
        .deadline(DEADLINE)
        .check_deadline(DEADLINE)
        .retry_policy(RetryPolicy::never())
        .connect_lazy()
        .expect("a client");
    let (its, others) = workspaces(&client, &database, worker.port()).await;

    let stop = Arc::new(AtomicBool::new(false));
    // Several of each, which could take all connections.
    let call = |ids: &[String]| -> Vec<Caller> {
        let each = ids.iter().flat_map(|id| (0..4).map(move |number| (id, number)));
        each.map(|(id, number)| Caller::start(client.with_workspace(id), number, &stop)).collect()
    };
    let (sick, well) = (call(&its), call(&others));
    all_work(sick.iter().chain(&well)).await;
    let began = Instant::now();
    sleep(CALM).await;
    let lost = Instant::now();
    match fault {
        Fault::Kill => worker.kill(),
        Fault::Freeze => worker.freeze(true),
    }
    sleep(GONE).await;
    all_work(well.iter()).await;
    let back = Instant::now();
    match fault {
        Fault::Kill => worker.restart().await,
        Fault::Freeze => worker.freeze(false),
    }
    all_work(sick.iter().chain(&well)).await;
    sleep(CALM).await;
    stop.store(true, Ordering::SeqCst);

    let mut checks = Vec::new();
    for caller in well {
        let mut seen = caller.ended().await;
        checks.append(&mut seen.checks);
        seen.verify_without_failures(&client).await;
    }
    for (when, from, to) in
        [("before", began, lost), ("meanwhile", lost, back), ("after", back, Instant::now())]
    {
        print_percentiles(when, &checks, from..to);
    }
    for caller in sick {
        let seen = caller.ended().await;
        assert!(!seen.failures.is_empty(), "nobody noticed");
        let others = seen.failures.iter().find(|kind| **kind != ErrorKind::Unavailable);
        assert_eq!(others, None, "calls to the worker failed in another way");
        seen.verify(&client).await;
    }
    drop(server);
    database.remove().await;
}

/// Makes workspaces: two on the worker with this port, and two on others.
async fn workspaces(
    client: &ContactsClient,
    database: &TestDatabase,
    port: u16,
) -> (Vec<String>, Vec<String>) {
    let mut connection = database.connect().await;
    let mut found: HashMap<bool, Vec<String>> = HashMap::new();
    for id in (0..).map(|number| format!("w{number}")) {
        client.workspaces().create(&id).await.expect("a workspace");
        let is_there = node_of(&mut connection, &id).await == port;
        found.entry(is_there).or_default().push(id);
        if [true, false].iter().all(|side| found.get(side).is_some_and(|ids| ids.len() >= 2)) {
            break;
        }
    }
    let mut some = |side| found.remove(&side).unwrap_or_default().into_iter().take(2).collect();
    (some(true), some(false))
}

/// The port of the node that has a workspace.
async fn node_of(connection: &mut PgConnection, workspace_id: &str) -> u16 {
    let port: i32 = sqlx::query_scalar(
        "SELECT n.nodeport FROM pg_dist_placement AS p JOIN pg_dist_node AS n USING (groupid)
         WHERE p.shardid = get_shard_id_for_distribution_column('workspace', $1::text)",
    )
    .bind(workspace_id)
    .fetch_one(connection)
    .await
    .expect("a node");
    u16::try_from(port).expect("a port")
}

/// Checks and opts out, in one workspace.
struct Caller {
    /// How often all of its calls succeeded.
    rounds: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Seen>,
}

struct Seen {
    workspace_id: String,
    opted_out: Vec<String>,
    failures: Vec<ErrorKind>,
    /// When each check that was answered began, and how long it took.
    checks: Vec<(Instant, Duration)>,
}

impl Caller {
    fn start(client: ContactsClient, number: usize, stop: &Arc<AtomicBool>) -> Self {
        let rounds = Arc::new(AtomicUsize::new(0));
        let (done, stop) = (Arc::clone(&rounds), Arc::clone(stop));
        let task = tokio::spawn(async move {
            let workspace_id = client.workspace().to_owned();
            let (opted_out, failures, checks) = Default::default();
            let mut seen = Seen { workspace_id, opted_out, failures, checks };
            for round in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let who = phone(number * 100_000 + round);
                let opt_in = client.opt_in();
                let began = Instant::now();
                let check = opt_in.check(&who, MessageCategory::Marketing).await.map(drop);
                if check.is_ok() {
                    seen.checks.push((began, began.elapsed()));
                }
                let change = opt_in.record_opt_out(&who).await.map(drop);
                match &change {
                    Ok(()) if check.is_ok() => drop(done.fetch_add(1, Ordering::SeqCst)),
                    _ => {}
                }
                if change.is_ok() {
                    seen.opted_out.push(who);
                }
                let errors = [check, change].into_iter().filter_map(Result::err);
                seen.failures.extend(errors.map(|error| error.kind()));
                sleep(Duration::from_millis(50)).await;
            }
            seen
        });
        Self { rounds, task }
    }

    async fn ended(self) -> Seen {
        timeout(LONG, self.task).await.expect("its end").expect("a caller that did not panic")
    }
}

/// Waits until each has succeeded several times more.
async fn all_work(callers: impl Iterator<Item = &Caller>) {
    let each = callers.map(|caller| async {
        let more = caller.rounds.load(Ordering::SeqCst) + 3;
        while caller.rounds.load(Ordering::SeqCst) < more {
            sleep(Duration::from_millis(20)).await;
        }
    });
    timeout(LONG, join_all(each)).await.expect("they work");
}

/// Prints how long the checks of others took that began in this time, and the slowest second of it.
#[expect(clippy::print_stdout, reason = "a figure for who reads the test's output")]
fn print_percentiles(when: &str, checks: &[(Instant, Duration)], time: Range<Instant>) {
    let of = |from: Instant, to: Instant| {
        let within = checks.iter().filter(|(began, _)| (from..to).contains(began));
        let mut times: Vec<_> = within.map(|(_, took)| *took).collect();
        times.sort_unstable();
        times
    };
    let all = of(time.start, time.end);
    let seconds = (time.end - time.start).as_secs().max(1);
    let second = |n| time.start + Duration::from_secs(n);
    let slowest = (0..seconds).map(|n| percentile(&of(second(n), second(n + 1)), 99)).max();
    println!(
        "checks of others {when}: {} in {seconds} s, median {:?}, 99th percentile {:?}, in the slowest second {slowest:?}",
        all.len(),
        percentile(&all, 50),
        percentile(&all, 99),
    );
}

impl Seen {
    async fn verify_without_failures(&self, client: &ContactsClient) {
        assert_eq!(self.failures, [], "calls to another worker failed");
        self.verify(client).await;
    }

    /// No acknowledged opt-out is lost.
    async fn verify(&self, client: &ContactsClient) {
        let client = client.with_workspace(&self.workspace_id);
        let answers = client.opt_in().check_batch(&self.opted_out, MessageCategory::Marketing);
        for answer in answers.await.expect("answers").iter() {
            assert_eq!(answer.reason, CheckReason::OptedOut, "an opt-out was lost");
        }
    }
}
