//! A connection, in a transaction or not. The topics are implemented in the files
//! that hold their SQL.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::ffi;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Execute, Executor, Sqlite, SqliteConnection};

use super::fail_point::FailPoint;
use super::in_place::has_no_transaction;
use super::interrupt::{GivesWay, Interrupt};
use super::watch::FileWatch;
use crate::domain::error::{Error, Result};
use crate::store::{ChangedConsent, Reader, WaitingWrites, Writer};

/// Rows bound in one statement. SQLite allows 32,766 values.
pub(super) const ROWS: usize = 500;

/// Implements the topics of readers and writers. Only one in a write transaction
/// is handed out as a [`Writer`].
///
/// Transactions are statements here, not those of the driver, which counts them: after
/// SQLite rolled one back by itself, as on a full disk, the driver's count stays wrong
/// and its connection refuses every transaction that follows.
pub(super) struct SqliteSession {
    connection: PoolConnection<Sqlite>,
    file: Arc<FileWatch>,
    in_transaction: bool,
    /// Whether a statement failed. SQLite may have ended the transaction then, and what
    /// follows would be outside of it.
    failed: bool,
    /// What this transaction did to consent.
    pub(super) changed_consent: ChangedConsent,
    fail_point: FailPoint,
    /// Ends what runs when this session is dropped.
    _interrupt: Option<Interrupt>,
    gives_way: Option<GivesWay>,
}

impl SqliteSession {
    /// Reads outside of a transaction.
    pub(super) fn autocommit(connection: PoolConnection<Sqlite>, file: Arc<FileWatch>) -> Self {
        let (changed_consent, fail_point) = Default::default();
        Self {
            connection,
            file,
            in_transaction: false,
            failed: false,
            changed_consent,
            fail_point,
            _interrupt: None,
            gives_way: None,
        }
    }

    /// Reads outside of a transaction, and stops when it is dropped.
    pub(super) async fn interruptible(
        mut connection: PoolConnection<Sqlite>,
        file: Arc<FileWatch>,
    ) -> Result<Self> {
        let interrupt = Interrupt::of(&mut connection).await?;
        let mut session = Self::autocommit(connection, file);
        session._interrupt = Some(interrupt);
        Ok(session)
    }

    /// Begins a transaction with this statement.
    pub(super) async fn begin(mut self, statement: &'static str) -> Result<Self> {
        // Before the statement: it may have succeeded when its future is dropped.
        self.in_transaction = true;
        self.execute(statement).await?;
        Ok(self)
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Has to be called before each statement, and [`note`](Self::note) after it.
    pub(super) async fn prepare(&mut self) -> Result<()> {
        self.give_way()?;
        let ready = self.fail_point.before(&mut self.connection, self.file.path()).await;
        self.failed |= ready.is_err();
        Ok(ready?)
    }

    fn give_way(&mut self) -> Result<()> {
        match self.is_in_the_way() {
            true => {
                self.failed = true;
                Err(Error::write_conflict())
            }
            false => Ok(()),
        }
    }

    pub(super) fn note<T, E>(&mut self, result: std::result::Result<T, E>) -> Result<T>
    where
        Error: From<E>,
    {
        let result = self.fail_point.after(result.map_err(Error::from));
        self.failed |= result.is_err();
        if result.is_err() {
            // Perhaps it was interrupted.
            self.give_way()?;
        }
        result
    }

    pub(super) async fn fetch_all<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<Vec<SqliteRow>> {
        self.prepare().await?;
        let result = self.connection.fetch_all(query).await;
        self.note(result)
    }

    pub(super) async fn fetch_one<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<SqliteRow> {
        self.prepare().await?;
        let result = self.connection.fetch_one(query).await;
        self.note(result)
    }

    /// Returns None if a value is larger than this session may read.
    pub(super) async fn fetch_unless_too_large<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<Option<SqliteRow>> {
        self.prepare().await?;
        let result = match self.connection.fetch_one(query).await {
            Err(error) if is_too_large(&error) => Ok(None),
            result => result.map(Some),
        };
        self.note(result)
    }

    pub(super) async fn fetch_optional<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<Option<SqliteRow>> {
        self.prepare().await?;
        let result = self.connection.fetch_optional(query).await;
        self.note(result)
    }

    /// Returns how many rows the statement changed.
    pub(super) async fn execute<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<u64> {
        self.prepare().await?;
        let result = self.connection.execute(query).await;
        Ok(self.note(result)?.rows_affected())
    }

    /// Ends the transaction, if there is one.
    async fn end(&mut self, statement: &'static str) -> Result<()> {
        self.gives_way = None;
        if self.in_transaction {
            self.execute(statement).await?;
            self.in_transaction = false;
        }
        Ok(())
    }

    async fn roll_back(mut self) {
        // SQLite ends the transaction of a statement that writes and is interrupted.
        if self.is_in_the_way() && has_no_transaction(&mut self.connection).await {
            self.in_transaction = false;
        }
        if let Err(error) = self.end("ROLLBACK").await {
            // Dropped in a transaction, the connection is closed.
            tracing::warn!(error.reason = ?error.reason(), "rollback failed");
        }
    }
}

impl Drop for SqliteSession {
    /// Closes a connection that may still be in a transaction, which ends it. The pool
    /// opens another one.
    fn drop(&mut self) {
        if self.in_transaction {
            self.connection.close_on_drop();
        }
    }
}

#[async_trait]
impl Reader for SqliteSession {
    async fn close(self: Box<Self>) {
        self.roll_back().await;
    }
}

#[async_trait]
impl Writer for SqliteSession {
    async fn give_way_to(&mut self, first: &WaitingWrites) -> Result<()> {
        self.gives_way = Some(GivesWay::to(first, &mut self.connection).await?);
        Ok(())
    }

    fn is_in_the_way(&self) -> bool {
        self.gives_way.as_ref().is_some_and(GivesWay::is_wanted)
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.failed {
            self.roll_back().await;
            return Err(Error::internal("a failed transaction was to be committed"));
        }
        if let Err(error) = self.end("COMMIT").await {
            self.roll_back().await;
            return Err(error);
        }
        // Nobody would find in the file what was written to one that was removed.
        self.file.check()
    }

    async fn rollback(self: Box<Self>) {
        self.roll_back().await;
    }
}

fn is_too_large(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == ffi::SQLITE_TOOBIG.to_string())
}
