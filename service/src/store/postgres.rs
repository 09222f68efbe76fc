//! Postgres, for a database server that several processes share; with Citus, for
//! more than one machine.
//!
//! Every statement names its workspace, and every key begins with it, so that Citus
//! sends the statement to the one node that has the workspace. Nothing depends on a
//! sequence, a trigger, a notification or an advisory lock, which work on one
//! machine only.

mod api_tokens;
mod connection;
mod consent;
mod consent_changes;
mod contact_row;
mod contacts;
mod copy;
mod definitions;
mod directory;
mod duplicates;
mod external_ids;
mod filter;
mod insert_contacts;
mod ledger;
mod nodes;
mod receipts;
mod responses;
mod row_security;
mod schema;
mod session;
mod statistics;
mod suppression;
mod terms;
mod usage;
mod values;
mod webhooks;
mod workspaces;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

pub use self::connection::PostgresOptions;
use self::connection::{DisconnectTracker, PoolRole, Watch, options_of, pool};
use self::nodes::{Nodes, Place};
use self::row_security::RowSecurity;
pub use self::row_security::set_row_level_security;
use self::schema::Verified;
pub use self::schema::{Migrated, migrate};
use self::session::PostgresSession;
use self::statistics::Growth;
use super::common::connect_all;
use super::{Backend, Clock, PoolState, ReadPurpose, Reader, Store, Validity, Writer, measured};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids::IdGenerator;
use crate::domain::keyring::Keyring;

/// Opens a database that [`migrate`] has prepared.
///
/// # Errors
/// When it cannot be reached, its schema is not the one of this version, or it uses
/// suppression keys that are not in the keyring.
pub async fn open(
    url: &str,
    options: PostgresOptions,
    clock: Clock,
    keyring: Keyring,
) -> Result<Store> {
    let connect = connect_options(url)?;
    let Verified { policies, is_distributed } =
        schema::verify(&connect, options.acquire_timeout).await?;
    let disconnects = Arc::new(DisconnectTracker::new(is_distributed));
    let make = |role| pool(connect.clone(), &options, role, &disconnects, policies);
    let backend = PostgresBackend {
        checks: make(PoolRole::Check),
        unary: make(PoolRole::Unary),
        scan: make(PoolRole::Scan),
        stream: make(PoolRole::Stream),
        writers: make(PoolRole::Write),
        nodes: is_distributed.then(|| {
            let question = options_of(connect.clone(), &options, PoolRole::Question);
            Nodes::new(make(PoolRole::Placement), question, &options)
        }),
        options,
        disconnects,
        policies,
        growth: Growth::default(),
    };
    // Several processes make ids, so the sequences of two ids may be equal. Their
    // random parts differ, and Postgres orders contacts by the whole id.
    Store::new(Arc::new(backend), clock, IdGenerator::after(0), keyring).await
}

fn connect_options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        let message = "the database URL has to be postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        Error::invalid(Reason::InvalidArgument, "database_url", message).caused_by(error)
    })?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("contacts-service"),
    })
}

struct PostgresBackend {
    checks: PgPool,
    unary: PgPool,
    scan: PgPool,
    stream: PgPool,
    writers: PgPool,
    /// Of a Citus cluster.
    nodes: Option<Nodes>,
    options: PostgresOptions,
    disconnects: Arc<DisconnectTracker>,
    policies: Option<RowSecurity>,
    growth: Growth,
}

impl PostgresBackend {
    /// Takes a place among the calls to the node of a workspace, where nodes have limits.
    async fn enter(&self, role: PoolRole, workspace_id: Option<&str>) -> Result<Option<Place>> {
        match (&self.nodes, workspace_id) {
            (Some(nodes), Some(id)) => nodes.enter(role, id).await,
            _ => Ok(None),
        }
    }

    fn watch(&self, role: PoolRole, place: Option<&Place>) -> Watch {
        let visit = place.map(|place| place.visit.clone());
        Watch::new(&self.options, role, &self.disconnects, visit)
    }
}

#[async_trait]
impl Backend for PostgresBackend {
    async fn begin(&self, workspace_id: Option<&str>) -> Result<Box<dyn Writer>> {
        let place = self.enter(PoolRole::Write, workspace_id).await?;
        let connection = self.writers.acquire().await.map_err(Error::unavailable)?;
        let watch = self.watch(PoolRole::Write, place.as_ref());
        let mut session = PostgresSession::write(connection, watch, self.policies).await?;
        session.place = place;
        session.is_distributed = self.nodes.is_some();
        Ok(Box::new(session))
    }

    async fn reader(
        &self,
        purpose: ReadPurpose,
        workspace_id: Option<&str>,
    ) -> Result<Box<dyn Reader>> {
        let (pool, role) = match purpose {
            ReadPurpose::Check => (&self.checks, PoolRole::Check),
            ReadPurpose::Unary => (&self.unary, PoolRole::Unary),
            ReadPurpose::Scan | ReadPurpose::Snapshot => (&self.scan, PoolRole::Scan),
            ReadPurpose::Stream => (&self.stream, PoolRole::Stream),
        };
        let place = self.enter(role, workspace_id).await?;
        let connection = pool.acquire().await.map_err(Error::unavailable)?;
        let watch = self.watch(role, place.as_ref());
        let mut session = match purpose {
            ReadPurpose::Snapshot => {
                PostgresSession::snapshot(connection, watch, self.policies).await?
            }
            _ => PostgresSession::autocommit(connection, watch, self.policies),
        };
        session.place = place;
        Ok(Box::new(session))
    }

    async fn connect_checks(&self) -> Result<()> {
        connect_all(&self.checks).await.map_err(Error::unavailable)
    }

    async fn validity(&self, workspace_id: &str) -> Result<Option<Validity>> {
        self.reader(ReadPurpose::Check, Some(workspace_id)).await?.validity(workspace_id).await
    }

    fn validates_in_place(&self) -> bool {
        false
    }

    fn pools(&self) -> [PoolState; 5] {
        [
            PoolState::of(measured::CHECK, &self.checks),
            PoolState::of(measured::UNARY, &self.unary),
            PoolState::of(measured::SCAN, &self.scan),
            PoolState::of(measured::STREAM, &self.stream),
            PoolState::of(measured::WRITE, &self.writers),
        ]
    }

    fn parallel_writes(&self) -> usize {
        2
    }

    fn write_timeout(&self) -> Duration {
        self.options.acquire_timeout
    }

    fn most_rows(&self) -> usize {
        5000
    }

    async fn tidy(&self, rows: usize, _is_alone: bool) -> Result<()> {
        match self.nodes {
            // The workers have statistics of their own.
            Some(_) => Ok(()),
            None => self.growth.add(rows, &self.writers).await,
        }
    }

    async fn vacuum(&self, _may_wait: bool) -> Result<()> {
        // Left to autovacuum.
        Ok(())
    }

    async fn engine_version(&self) -> Result<String> {
        let mut connection = self.unary.acquire().await.map_err(Error::unavailable)?;
        let version = sqlx::query_scalar("SELECT current_setting('server_version')");
        let version: String = version.fetch_one(&mut *connection).await?;
        Ok(format!("Postgres {version}"))
    }

    async fn close(&self) {
        for pool in [&self.checks, &self.stream, &self.scan, &self.unary, &self.writers] {
            pool.close().await;
        }
        if let Some(nodes) = &self.nodes {
            nodes.close().await;
        }
    }
}
