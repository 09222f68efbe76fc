//! The nodes of a Citus cluster: how many connections the calls to one may hold, and whether it answers.
//!
//! A node that does not answer holds the connections of the calls to its workspaces until their statements
//! time out. With a limit for each node, the others have connections left.
//!
//! To end such a statement does not help: the process of the coordinator then waits for the node until it
//! answers again, and the coordinator has only so many. So the node is asked once a statement of a call
//! takes long, and as long as it does not answer, its calls fail without a statement.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::connection::{PoolRole, PostgresOptions, pool_size};
use crate::domain::error::{Error, Result};

/// How long it is remembered which node has a workspace. After a move, the limit of the old node is
/// used meanwhile, and nothing else.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Most workspaces that are remembered.
const MAX_REMEMBERED: usize = 100_000;

/// How long a statement runs before its node is asked whether it answers, and how long that may take. Together
/// no more than a statement of a check may run.
const SLOW: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(1);

/// How long a question waits for an answer at most. Citus gives up before, after `citus.node_connection_timeout`.
const LONGEST: Duration = Duration::from_secs(60);

/// The number of a node's group.
type Group = i32;

/// The nodes of a cluster.
pub(super) struct Nodes {
    /// The coordinator answers which node has a workspace. On a connection of its own, so that it
    /// does not wait for a node.
    lookups: PgPool,
    /// To ask a node whether it answers.
    connect: PgConnectOptions,
    options: PostgresOptions,
    found: Mutex<HashMap<String, (Option<Group>, Instant)>>,
    nodes: Mutex<HashMap<Group, Arc<Node>>>,
}

/// A place among the calls to a node. It is free again when this is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    pub(super) visit: Visit,
}

/// A call to a node.
#[derive(Clone)]
pub(super) struct Visit {
    node: Arc<Node>,
    group: Group,
    connect: PgConnectOptions,
}

impl Nodes {
    pub(super) fn new(
        lookups: PgPool,
        connect: PgConnectOptions,
        options: &PostgresOptions,
    ) -> Self {
        let (found, nodes) = (Mutex::default(), Mutex::default());
        Self { lookups, connect, options: options.clone(), found, nodes }
    }

    /// Takes a place among the calls to the node of a workspace, or waits for one as long as for a
    /// connection. None where there are no limits, because only one node has workspaces.
    ///
    /// # Errors
    /// When there is no place, and at once when the node does not answer.
    pub(super) async fn enter(&self, role: PoolRole, workspace_id: &str) -> Result<Option<Place>> {
        let Some(group) = self.group(workspace_id).await? else { return Ok(None) };
        let node = Arc::clone(lock(&self.nodes).entry(group).or_default());
        let (size, wait) = pool_size(&self.options, role);
        let places = {
            let mut all = lock(&node.places);
            // Half of the connections: with more, two nodes would leave none.
            let made = || Arc::new(Semaphore::new((size as usize / 2).max(1)));
            Arc::clone(all.entry(role).or_insert_with(made))
        };
        let place = tokio::select! {
            biased;
            () = node.is_silent() => return Err(no_answer()),
            place = timeout(wait, places.acquire_owned()) => place,
        };
        let permit = place.map_err(Error::unavailable)?.map_err(Error::internal)?;
        let visit = Visit { node, group, connect: self.connect.clone() };
        Ok(Some(Place { _permit: permit, visit }))
    }

    pub(super) async fn close(&self) {
        self.lookups.close().await;
    }

    async fn group(&self, workspace_id: &str) -> Result<Option<Group>> {
        if let Some((group, since)) = lock(&self.found).get(workspace_id)
            && since.elapsed() < REMEMBERED
        {
            return Ok(*group);
        }
        let query = sqlx::query_as(
            "SELECT (SELECT p.groupid FROM pg_dist_placement AS p
                     WHERE p.shardid = get_shard_id_for_distribution_column('workspace', $1::text)
                     LIMIT 1),
                 (SELECT count(DISTINCT groupid) FROM pg_dist_node
                  WHERE noderole = 'primary' AND shouldhaveshards)",
        );
        let mut connection = self.lookups.acquire().await.map_err(Error::unavailable)?;
        let found = query.bind(workspace_id).fetch_one(&mut *connection).await?;
        let (group, nodes): (Option<Group>, i64) = found;
        let group = group.filter(|_| nodes > 1);
        let mut remembered = lock(&self.found);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(workspace_id.to_owned(), (group, Instant::now()));
        Ok(group)
    }
}

impl Visit {
    /// Waits until a statement of this call has no hope of an answer.
    pub(super) async fn is_hopeless(&self) -> Error {
        self.node.is_found_silent(|| drop(tokio::spawn(self.clone().ask()))).await;
        no_answer()
    }

    /// Asks the node until it answers.
    async fn ask(self) {
        // If there is no connection, the coordinator is to blame.
        while let Ok(Ok(mut connection)) = timeout(LONGEST, self.connect.connect()).await {
            // Connects to the node, and so waits for no lock. Its address may have changed.
            let query = sqlx::query(
                "SELECT citus_check_connection_to_node(nodename, nodeport) FROM pg_dist_node
                 WHERE groupid = $1 AND noderole = 'primary'",
            );
            if self.node.hear(query.bind(self.group).fetch_optional(&mut connection)).await {
                break;
            }
        }
        self.node.is_heard();
    }
}

/// What is known of a node.
#[derive(Default)]
struct Node {
    places: Mutex<HashMap<PoolRole, Arc<Semaphore>>>,
    /// Whether it does not answer.
    silent: watch::Sender<bool>,
    /// Whether it is being asked.
    asked: AtomicBool,
}

impl Node {
    /// Waits until the node is known not to answer.
    async fn is_silent(&self) {
        // The sender is alive.
        let _ = self.silent.subscribe().wait_for(|silent| *silent).await;
    }

    /// The same; has it asked when that takes long.
    async fn is_found_silent(&self, ask: impl Fn()) {
        while timeout(SLOW, self.is_silent()).await.is_err() {
            if !self.asked.swap(true, Ordering::Relaxed) {
                ask();
            }
        }
    }

    /// Waits for an answer of the node, and notes when there is none soon. An error is one, too: it is what
    /// calls get, at once. Returns whether it came soon.
    async fn hear<T>(&self, answer: impl Future<Output = T>) -> bool {
        let mut answer = pin!(answer);
        if timeout(ANSWER, &mut answer).await.is_ok() {
            return true;
        }
        if !self.silent.send_replace(true) {
            tracing::warn!("a node of the cluster does not answer: calls to its workspaces fail");
        }
        let _ = timeout(LONGEST, answer).await;
        false
    }

    /// Notes that it answers, as far as is known.
    fn is_heard(&self) {
        if self.silent.send_replace(false) {
            tracing::info!("the node of the cluster answers again");
        }
        self.asked.store(false, Ordering::Relaxed);
    }
}

fn no_answer() -> Error {
    Error::unavailable(io::Error::new(io::ErrorKind::TimedOut, "the node does not answer"))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn node_is_silent_from_when_it_does_not_answer_until_it_does() {
        let node = Arc::new(Node::default());
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        let asked = Arc::clone(&node);
        let asking = tokio::spawn(async move {
            assert!(!asked.hear(answered).await);
            assert!(asked.hear(ready(())).await);
            asked.is_heard();
        });
        timeout(2 * ANSWER, node.is_silent()).await.expect("silent");
        assert!(timeout(Duration::from_secs(9), node.is_found_silent(|| {})).await.is_ok());
        answer.send(()).expect("it waits");
        asking.await.expect("asked");
        assert!(timeout(Duration::from_secs(9), node.is_silent()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_statement_of_a_node_that_answers_goes_on() {
        let (node, questions) = (Arc::new(Node::default()), AtomicUsize::new(0));
        let ask = || {
            questions.fetch_add(1, Ordering::Relaxed);
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                assert!(node.hear(ready(())).await);
                node.is_heard();
            });
        };
        assert!(timeout(20 * SLOW, node.is_found_silent(ask)).await.is_err());
        assert!(questions.into_inner() > 10, "asked again and again");
    }

    #[tokio::test(start_paused = true)]
    async fn question_that_is_never_answered_ends() {
        let node = Node::default();
        assert!(!node.hear(pending::<()>()).await);
        // Another one follows, and meanwhile:
        assert!(timeout(SLOW, node.is_silent()).await.is_ok());
    }
}
