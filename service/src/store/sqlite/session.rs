//! A connection, in a transaction or not. The topics are implemented in the files
//! that hold their SQL.

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Execute, Executor, QueryBuilder, Sqlite, SqliteConnection, Transaction};

use crate::domain::error::Result;
use crate::store::{Reader, Writer};

/// Rows bound in one statement. SQLite allows 32,766 values.
pub(super) const ROWS: usize = 500;

/// Implements the topics of readers and writers. Only one in a write transaction
/// is handed out as a [`Writer`].
pub(super) enum SqliteSession {
    Autocommit(PoolConnection<Sqlite>),
    Transaction(Transaction<'static, Sqlite>),
}

impl SqliteSession {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Autocommit(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }

    pub(super) async fn fetch_all<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<Vec<SqliteRow>> {
        Ok(self.connection().fetch_all(query).await?)
    }

    pub(super) async fn fetch_one<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<SqliteRow> {
        Ok(self.connection().fetch_one(query).await?)
    }

    pub(super) async fn fetch_optional<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<Option<SqliteRow>> {
        Ok(self.connection().fetch_optional(query).await?)
    }

    /// Returns how many rows the statement changed.
    pub(super) async fn execute<'q>(
        &mut self,
        query: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<u64> {
        Ok(self.connection().execute(query).await?.rows_affected())
    }

    /// Runs statements one after the other. SQLite runs on its own thread, so the
    /// next statement is built while it works on the one before.
    pub(super) async fn execute_all(
        &mut self,
        mut statements: impl Iterator<Item = QueryBuilder<Sqlite>>,
    ) -> Result<()> {
        let db = self.connection();
        let mut next = statements.next();
        while let Some(mut statement) = next.take() {
            let (done, ()) = futures::join!(statement.build().execute(&mut *db), async {
                next = statements.next();
            });
            done?;
        }
        Ok(())
    }

    async fn roll_back(self) {
        if let Self::Transaction(transaction) = self
            && let Err(error) = transaction.rollback().await
        {
            let kind = error.as_database_error().map(|e| e.kind());
            tracing::warn!(error.kind = ?kind, "rollback failed");
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
    async fn commit(self: Box<Self>) -> Result<()> {
        match *self {
            Self::Transaction(transaction) => Ok(transaction.commit().await?),
            Self::Autocommit(_) => Ok(()),
        }
    }

    async fn rollback(self: Box<Self>) {
        self.roll_back().await;
    }
}
