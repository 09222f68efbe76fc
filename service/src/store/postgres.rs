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
mod receipts;
mod responses;
mod row_security;
mod schema;
mod session;
mod suppression;
mod terms;
mod usage;
mod values;
mod webhooks;
mod workspaces;

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

pub use self::connection::PostgresOptions;
use self::connection::{DisconnectTracker, PoolRole, Watch, pool};
use self::row_security::RowSecurity;
pub use self::row_security::set_row_level_security;
pub use self::schema::{distribute, migrate};
use self::session::PostgresSession;
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
    let policies = schema::verify(&connect, options.acquire_timeout).await?;
    let disconnects = Arc::default();
    let make = |role| pool(connect.clone(), &options, role, &disconnects, policies);
    let backend = PostgresBackend {
        checks: make(PoolRole::Check),
        unary: make(PoolRole::Unary),
        scan: make(PoolRole::Scan),
        stream: make(PoolRole::Stream),
        writers: make(PoolRole::Write),
        options,
        disconnects,
        policies,
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
    options: PostgresOptions,
    disconnects: Arc<DisconnectTracker>,
    policies: Option<RowSecurity>,
}

impl PostgresBackend {
    fn watch(&self, role: PoolRole) -> Watch {
        Watch::new(&self.options, role, &self.disconnects)
    }
}

#[async_trait]
impl Backend for PostgresBackend {
    async fn begin(&self) -> Result<Box<dyn Writer>> {
        let connection = self.writers.acquire().await.map_err(Error::unavailable)?;
        let watch = self.watch(PoolRole::Write);
        Ok(Box::new(PostgresSession::write(connection, watch, self.policies).await?))
    }

    async fn reader(&self, purpose: ReadPurpose) -> Result<Box<dyn Reader>> {
        let (pool, role) = match purpose {
            ReadPurpose::Check => (&self.checks, PoolRole::Check),
            ReadPurpose::Unary => (&self.unary, PoolRole::Unary),
            ReadPurpose::Scan | ReadPurpose::Snapshot => (&self.scan, PoolRole::Scan),
            ReadPurpose::Stream => (&self.stream, PoolRole::Stream),
        };
        let connection = pool.acquire().await.map_err(Error::unavailable)?;
        let watch = self.watch(role);
        Ok(Box::new(match purpose {
            ReadPurpose::Snapshot => {
                PostgresSession::snapshot(connection, watch, self.policies).await?
            }
            _ => PostgresSession::autocommit(connection, watch, self.policies),
        }))
    }

    async fn connect_checks(&self) -> Result<()> {
        connect_all(&self.checks).await.map_err(Error::unavailable)
    }

    async fn validity(&self, workspace_id: &str) -> Result<Option<Validity>> {
        self.reader(ReadPurpose::Check).await?.validity(workspace_id).await
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

    fn most_rows(&self) -> usize {
        5000
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
    }
}
