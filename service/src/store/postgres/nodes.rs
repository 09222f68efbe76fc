//! How many connections the calls to one node of a Citus cluster may hold.
//!
//! A node that does not answer holds the connections of the calls to its workspaces until their statements
//! time out. With a limit for each node, the others have connections left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{PoolRole, PostgresOptions, pool_size};
use crate::domain::error::{Error, Result};

/// How long it is remembered which node has a workspace. After a move, the limit of the old node is
/// used meanwhile, and nothing else.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Most workspaces that are remembered.
const MAX_REMEMBERED: usize = 100_000;

/// A place among the calls to a node.
pub(super) type Place = OwnedSemaphorePermit;

/// The nodes of a cluster.
pub(super) struct Nodes {
    /// The coordinator answers which node has a workspace. On a connection of its own, so that it
    /// does not wait for a node.
    lookups: PgPool,
    options: PostgresOptions,
    found: Mutex<HashMap<String, (Option<Node>, Instant)>>,
    places: Mutex<HashMap<(PoolRole, Node), Arc<Semaphore>>>,
}

/// The group of a node.
type Node = i32;

impl Nodes {
    pub(super) fn new(lookups: PgPool, options: &PostgresOptions) -> Self {
        let (found, places) = (Mutex::default(), Mutex::default());
        Self { lookups, options: options.clone(), found, places }
    }

    /// Takes a place among the calls to the node of a workspace, or waits for one as long as for a
    /// connection. None where there are no limits, because only one node has workspaces.
    pub(super) async fn enter(&self, role: PoolRole, workspace_id: &str) -> Result<Option<Place>> {
        let Some(node) = self.node(workspace_id).await? else { return Ok(None) };
        let (size, wait) = pool_size(&self.options, role);
        let places = {
            let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            // Half of the connections: with more, two nodes would leave none.
            let made = || Arc::new(Semaphore::new((size as usize / 2).max(1)));
            Arc::clone(all.entry((role, node)).or_insert_with(made))
        };
        let place = tokio::time::timeout(wait, places.acquire_owned()).await;
        place.map_err(Error::unavailable)?.map(Some).map_err(Error::internal)
    }

    pub(super) async fn close(&self) {
        self.lookups.close().await;
    }

    async fn node(&self, workspace_id: &str) -> Result<Option<Node>> {
        if let Some((node, since)) = self.lock().get(workspace_id)
            && since.elapsed() < REMEMBERED
        {
            return Ok(*node);
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
        let (node, nodes): (Option<Node>, i64) = found;
        let node = node.filter(|_| nodes > 1);
        let mut remembered = self.lock();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(workspace_id.to_owned(), (node, Instant::now()));
        Ok(node)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Option<Node>, Instant)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
