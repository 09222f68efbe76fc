//! A connection, in a transaction or not. The topics are implemented in the files
//! that hold their SQL.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{Execute, Executor, PgConnection, Postgres, Row};

use super::connection::Watch;
use super::nodes::Place;
use super::row_security::{Reach, RowSecurity};
use super::usage::UsageChanges;
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::{ChangedConsent, Reader, Writer};

/// Rows bound in one statement.
pub(super) const ROWS: usize = 1000;

/// Implements the topics of readers and writers. Only one in a write transaction
/// is handed out as a [`Writer`].
pub(super) struct PostgresSession {
    connection: PoolConnection<Postgres>,
    watch: Watch,
    /// Where a node has a limit of connections, the place among them.
    pub(super) place: Option<Place>,
    /// Whether the tables are those of a Citus cluster.
    pub(super) is_distributed: bool,
    mode: Mode,
    /// `BEGIN`, where it is sent together with what the transaction reaches.
    pub(super) unsent_begin: Option<&'static str>,
    /// Where the database has policies, what they show.
    pub(super) reach: Option<Reach>,
    /// Keys whose consent rows this transaction has read and locked.
    pub(super) locked_consent: HashSet<MatchKey>,
    /// What this transaction did to consent.
    pub(super) changed_consent: ChangedConsent,
    /// How this transaction changes the numbers of contacts that use definitions.
    pub(super) usage: UsageChanges,
    /// How long it waited for the workspace's row.
    pub(super) waited: Duration,
    /// Since when it has that.
    pub(super) locked_workspace: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Each statement sees what is committed when it runs.
    Autocommit,
    /// All statements see one state of the database.
    Snapshot,
    /// A write transaction. It locks the rows that it reads.
    Write,
}

impl PostgresSession {
    /// Reads outside of a transaction. With policies, in one that the pool ends.
    pub(super) fn autocommit(
        connection: PoolConnection<Postgres>,
        watch: Watch,
        policies: Option<RowSecurity>,
    ) -> Self {
        Self {
            connection,
            watch,
            place: None,
            is_distributed: false,
            mode: Mode::Autocommit,
            unsent_begin: policies.map(|_| "BEGIN READ ONLY"),
            reach: policies.map(Reach::new),
            locked_consent: HashSet::new(),
            changed_consent: ChangedConsent::default(),
            usage: UsageChanges::default(),
            waited: Duration::ZERO,
            locked_workspace: None,
        }
    }

    /// Begins a snapshot.
    pub(super) async fn snapshot(
        connection: PoolConnection<Postgres>,
        watch: Watch,
        policies: Option<RowSecurity>,
    ) -> Result<Self> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Self::autocommit(connection, watch, policies).begin(Mode::Snapshot, begin).await
    }

    /// Begins a write transaction.
    pub(super) async fn write(
        connection: PoolConnection<Postgres>,
        watch: Watch,
        policies: Option<RowSecurity>,
    ) -> Result<Self> {
        Self::autocommit(connection, watch, policies).begin(Mode::Write, "BEGIN").await
    }

    async fn begin(mut self, mode: Mode, statement: &'static str) -> Result<Self> {
        self.mode = mode;
        match self.reach {
            Some(_) => self.unsent_begin = Some(statement),
            None => self.send(statement).await?,
        }
        Ok(self)
    }

    /// Ends the transaction, if there is one.
    async fn end(&mut self, statement: &'static str) -> Result<()> {
        if self.is_open() {
            self.send(statement).await?;
        }
        self.mode = Mode::Autocommit;
        Ok(())
    }

    /// Whether a transaction that is to be ended here may have begun.
    fn is_open(&self) -> bool {
        match self.mode {
            Mode::Autocommit => false,
            // With policies, what ends every read ends a snapshot.
            Mode::Snapshot => self.reach.is_none(),
            Mode::Write => self.unsent_begin.is_none(),
        }
    }

    async fn roll_back(mut self: Box<Self>) {
        if let Err(error) = self.end("ROLLBACK").await {
            tracing::warn!(error.reason = ?error.reason(), "rollback failed");
        }
    }

    /// Whether reads lock their rows.
    pub(super) fn locks_rows(&self) -> bool {
        self.mode == Mode::Write
    }

    pub(super) async fn fetch_all<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Vec<PgRow>> {
        self.ensure_reach()?;
        self.watch.over(self.connection.fetch_all(query)).await
    }

    /// Decodes each row when it arrives, while the database sends the next ones. `take` keeps what it wants.
    pub(super) async fn fetch_each<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
        mut take: impl FnMut(&PgRow) -> Result<()>,
    ) -> Result<()> {
        self.ensure_reach()?;
        let mut rows = self.connection.fetch(query);
        let decoding = async {
            let mut damaged = None;
            while let Some(row) = rows.try_next().await? {
                // Not the connection's fault, which is used on once it has read all rows.
                damaged = damaged.or(take(&row).err());
            }
            Ok::<_, sqlx::Error>(damaged.map_or(Ok(()), Err))
        };
        self.watch.over(decoding).await?
    }

    pub(super) async fn fetch_one<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<PgRow> {
        self.ensure_reach()?;
        self.watch.over(self.connection.fetch_one(query)).await
    }

    pub(super) async fn fetch_optional<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Option<PgRow>> {
        self.ensure_reach()?;
        self.watch.over(self.connection.fetch_optional(query)).await
    }

    /// Returns how many rows the statement changed.
    pub(super) async fn execute<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<u64> {
        self.ensure_reach()?;
        Ok(self.watch.over(self.connection.execute(query)).await?.rows_affected())
    }

    /// Runs a statement that reaches no table.
    pub(super) async fn send<'q>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<()> {
        self.watch.over(self.connection.execute(query)).await.map(drop)
    }

    fn ensure_reach(&self) -> Result<()> {
        self.reach.as_ref().map_or(Ok(()), Reach::ensure_known)
    }

    /// Runs a statement that has to change this number of rows. Another number
    /// means that another transaction changed them since they were read.
    pub(super) async fn execute_exactly<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
        rows: usize,
    ) -> Result<()> {
        expect_rows(self.execute(query).await?, rows)
    }

    /// The connection itself, for statements that may run longer than the watch
    /// allows.
    pub(super) fn unwatched(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// The connection and its watch, for several round trips in a row.
    pub(super) fn parts(&mut self) -> (&mut PgConnection, &Watch) {
        (&mut self.connection, &self.watch)
    }
}

/// Fails with a write conflict unless the numbers of rows are equal.
pub(super) fn expect_rows(found: u64, expected: usize) -> Result<()> {
    if found == expected as u64 { Ok(()) } else { Err(Error::write_conflict()) }
}

/// The database takes no changes.
#[derive(Debug, thiserror::Error)]
#[error("the database is read only")]
struct ReadOnly;

impl Drop for PostgresSession {
    /// Closes a connection that may still be in a transaction. The driver's own
    /// transactions would return it to the pool if their future is dropped between
    /// `BEGIN` and the note that it succeeded.
    fn drop(&mut self) {
        if self.is_open() {
            self.connection.close_on_drop();
        } else if let Some(place) = self.place.take() {
            // Before the next call to the node begins, so that the connections that wait for it, here or
            // in the pool, are never more than it has places.
            let returned = self.connection.return_to_pool();
            tokio::spawn(async move {
                returned.await;
                drop(place);
            });
        }
    }
}

#[async_trait]
impl Reader for PostgresSession {
    async fn close(self: Box<Self>) {
        self.roll_back().await;
    }
}

#[async_trait]
impl Writer for PostgresSession {
    fn held(&self, since_begin: Duration) -> Duration {
        // All others of the workspace wait for the row of it; for those that it locked before, only
        // who is about the same people.
        let before = since_begin.saturating_sub(self.waited) / 2;
        self.locked_workspace.map_or(before, |locked| before.max(locked.elapsed()))
    }

    async fn ensure_writable(&mut self) -> Result<()> {
        // Of a standby, and of a server that an operator set to read only.
        let query = sqlx::query("SELECT current_setting('transaction_read_only')::bool");
        match self.fetch_one(query).await?.get(0) {
            true => Err(Error::unavailable(ReadOnly)),
            false => Ok(()),
        }
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        // After a failed statement, Postgres answers COMMIT by rolling back, without
        // an error.
        if self.watch.saw_failure() {
            return Err(Error::internal("a failed transaction was to be committed"));
        }
        self.write_usage().await?;
        self.end("COMMIT").await
    }

    async fn rollback(self: Box<Self>) {
        self.roll_back().await;
    }
}
