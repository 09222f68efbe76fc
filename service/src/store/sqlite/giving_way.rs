//! Long work that gives way to objections, on real files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::session::SqliteSession;
use super::{SqliteOptions, backend_for_tests, store_for_tests};
use crate::domain::error::{Reason, Result};
use crate::store::pace::Pace;
use crate::store::{Backend, Bulk, GivenUp, Operation, Transaction, Writer};

/// A test that waits longer has failed.
const LONG: Duration = Duration::from_secs(60);
pub(super) const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                       SELECT count(*) FROM n";
const ENDLESS_WRITE: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
     INSERT INTO of_this_connection SELECT i FROM n";
/// Many times the instructions after which a statement that is to end does.
pub(super) const LENGTHY: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
     SELECT max(i) FROM n";

#[tokio::test]
async fn a_statement_ends_when_an_objection_waits_and_the_next_transaction_does_not() {
    let (_directory, backend) = backend_for_tests(&SqliteOptions::default()).await;
    let pace = Arc::new(Pace::new(1000, true));
    let begin = async || {
        let writer = backend.writer.acquire().await.expect("the writer");
        let session = SqliteSession::autocommit(writer, Arc::clone(&backend.file));
        session.begin("BEGIN IMMEDIATE").await.expect("a transaction")
    };

    let mut first = begin().await;
    first.execute("CREATE TEMP TABLE of_this_connection (i)").await.expect("a table");
    Box::new(first).commit().await.expect("a commit");
    for statement in [ENDLESS, ENDLESS_WRITE] {
        let mut long = begin().await;
        long.give_way_to(pace.first(None)).await.expect("a handler");
        long.fetch_one(LENGTHY).await.expect("nobody waits");
        let objecting = Arc::clone(&pace);
        let (interrupted, objection) = tokio::join!(long.execute(statement), async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            objecting.other(true)
        });
        // Also if it went away meanwhile.
        drop(objection);
        assert_eq!(interrupted.expect_err("no end").reason(), Reason::WriteConflict);
        assert!(long.is_in_the_way());
        let next = long.fetch_one("SELECT 1").await.map(drop);
        assert_eq!(next.expect_err("given up").reason(), Reason::WriteConflict);
        Box::new(long).rollback().await;
        // A connection opened anew would have none, nor anything in its cache.
        let mut same = begin().await;
        let count = "SELECT count(*) FROM of_this_connection WHERE i > 0";
        let row = same.fetch_one(count).await.expect("the same connection");
        assert_eq!(sqlx::Row::get::<i64, _>(&row, 0), 0, "what it wrote is gone");
        Box::new(same).commit().await.expect("a commit");
    }

    let objection = pace.other(true);
    let mut short = begin().await;
    short.fetch_one(LENGTHY).await.expect("it does not give way to itself");
    Box::new(short).commit().await.expect("a commit");
    let mut dropped = begin().await;
    dropped.give_way_to(pace.first(None)).await.expect("a handler");
    drop(dropped);
    let mut short = begin().await;
    short.fetch_one(LENGTHY).await.expect("nor to one that was dropped");
    Box::new(short).rollback().await;
    drop(objection);
    backend.close().await;
}

/// Works until somebody waits, or until its second time.
#[derive(Clone)]
struct Work {
    began: Arc<Semaphore>,
    times: Arc<AtomicUsize>,
    given_up: GivenUp,
}

impl Operation for Work {
    /// How often it ran.
    type Output = usize;

    fn bulk(&self) -> Option<Bulk<'_>> {
        Some(Bulk { workspace_id: "", rows: None, given_up: self.given_up })
    }

    async fn run(&self, tx: &mut Transaction) -> Result<usize> {
        let time = 1 + self.times.fetch_add(1, Ordering::SeqCst);
        self.began.add_permits(1);
        let statements = if time == 1 { usize::MAX } else { 100 };
        for _ in 0..statements {
            tx.db.is_listed("nobody").await?;
        }
        Ok(time)
    }
}

/// An objection that tells how often the work had run before it.
struct Objection(Arc<AtomicUsize>);

impl Operation for Objection {
    type Output = usize;

    fn is_objection(&self) -> bool {
        true
    }

    async fn run(&self, tx: &mut Transaction) -> Result<usize> {
        tx.db.is_listed("nobody").await?;
        Ok(self.0.load(Ordering::SeqCst))
    }
}

/// Else it would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_objection_goes_before_long_work_that_runs() {
    let (_directory, store) = store_for_tests().await;
    for given_up in [GivenUp::RunsAgain, GivenUp::IsDivided] {
        let (began, times) = (Arc::new(Semaphore::new(0)), Arc::default());
        let work = Work { began: Arc::clone(&began), times: Arc::clone(&times), given_up };
        let objection = Objection(Arc::clone(&times));
        let (done, objected) =
            tokio::join!(tokio::time::timeout(LONG, store.write(work.clone())), async {
                began.acquire().await.expect("it begins").forget();
                tokio::time::timeout(LONG, store.write(objection)).await
            });
        assert_eq!(objected.expect("in time").expect("recorded"), 1);
        let done = done.expect("in time").map_err(|error| error.reason());
        match given_up {
            GivenUp::RunsAgain => assert_eq!(done, Ok(2)),
            _ => assert_eq!(done, Err(Reason::WriteConflict)),
        }
    }
    store.close().await;
}
