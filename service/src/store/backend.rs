//! The seam between the store and its engines.
//!
//! Each topic has a reader and a writer trait, declared in the file of that
//! topic (`store/contacts.rs`) and implemented by each engine in the file that
//! holds its SQL (`store/sqlite/contacts.rs`, `store/postgres/contacts.rs`).
//! [`Reader`] and [`Writer`] gather them.
//!
//! A method works on many rows at once, because a round trip costs more than a
//! row. Slices may have any length: engines split them into statements.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    ApiTokenReader, ApiTokenWriter, ConsentChangeReader, ConsentChangeWriter, ConsentReader,
    ConsentWriter, ContactReader, ContactWriter, DefinitionReader, DefinitionWriter,
    DirectoryReader, DuplicateReader, LedgerReader, LedgerWriter, PoolState, ReceiptReader,
    ReceiptWriter, ResponseReader, ResponseWriter, SuppressionReader, SuppressionWriter, Validity,
    WaitingWrites, WebhookReader, WebhookWriter, WorkspaceReader, WorkspaceWriter,
};
use crate::domain::error::Result;

/// A database engine with its connection pools.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// Begins a write transaction. `workspace_id` is the workspace it is about, if that is known: each
    /// node of a cluster has a limit of connections.
    async fn begin(&self, workspace_id: Option<&str>) -> Result<Box<dyn Writer>>;
    /// Takes a read-only connection from the pool for this purpose, in the same way.
    async fn reader(
        &self,
        purpose: ReadPurpose,
        workspace_id: Option<&str>,
    ) -> Result<Box<dyn Reader>>;
    /// Opens all connections for checks, and keeps them.
    async fn connect_checks(&self) -> Result<()>;
    /// See [`Store::validity`](super::Store::validity).
    async fn validity(&self, workspace_id: &str) -> Result<Option<Validity>>;
    /// See [`Store::validates_in_place`](super::Store::validates_in_place).
    fn validates_in_place(&self) -> bool;
    /// The states of the pools, always in the same order.
    fn pools(&self) -> [PoolState; 5];
    /// How many write transactions one caller should run in parallel. More of
    /// them gain nothing.
    fn parallel_writes(&self) -> usize;
    /// How long a write waits for a connection.
    fn write_timeout(&self) -> Duration;
    /// From how many rows on a transaction of long work gains nothing by more of them.
    fn most_rows(&self) -> usize;
    /// Called after each transaction of long work, which wrote this many rows, maybe while nobody else
    /// writes: does what would hold up others if it were left to a transaction of theirs.
    async fn tidy(&self, rows: usize, is_alone: bool) -> Result<()>;
    /// Overwrites what erasures left in unused parts of the database files. Does
    /// nothing on engines that do this themselves, nor where writes would have to
    /// wait for it noticeably, unless they `may_wait`.
    async fn vacuum(&self, may_wait: bool) -> Result<()>;
    /// Name and version of the database engine, such as `SQLite 3.50.4`.
    async fn engine_version(&self) -> Result<String>;
    /// Closes all connections.
    async fn close(&self);
}

/// What a read is for. Each purpose has its own connections, so that neither streams
/// nor counts starve single calls, nor any of them checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadPurpose {
    /// A consent check. Fails after a short wait instead of queueing.
    Check,
    /// One call that reads rows by their keys.
    Unary,
    /// One call that may read many rows: a list, a search, a count. Ends soon after its
    /// caller is gone.
    Scan,
    /// One page of a stream. Ends soon after its caller is gone.
    Stream,
    /// Several reads of one state of the database. Shares the connections of
    /// [`Scan`](Self::Scan).
    Snapshot,
}

/// Reads from one connection.
///
/// Except in a snapshot, each call sees what is committed when it runs. In a
/// write transaction each call also sees the transaction's own changes.
#[async_trait]
pub trait Reader:
    WorkspaceReader
    + DefinitionReader
    + ContactReader
    + DirectoryReader
    + DuplicateReader
    + ConsentReader
    + ConsentChangeReader
    + LedgerReader
    + SuppressionReader
    + ReceiptReader
    + ResponseReader
    + WebhookReader
    + ApiTokenReader
    + Send
{
    /// Ends a snapshot and returns the connection to its pool. Dropping the
    /// reader also ends the snapshot, but may cost the connection.
    async fn close(self: Box<Self>);
}

/// A write transaction. Dropping it discards its changes.
#[async_trait]
pub trait Writer:
    Reader
    + WorkspaceWriter
    + DefinitionWriter
    + ContactWriter
    + ConsentWriter
    + ConsentChangeWriter
    + LedgerWriter
    + SuppressionWriter
    + ReceiptWriter
    + ResponseWriter
    + WebhookWriter
    + ApiTokenWriter
{
    /// How long others may have waited for it, if it began this long ago.
    fn held(&self, since_begin: Duration) -> Duration {
        since_begin
    }
    /// Makes this transaction fail with a write conflict as soon as one of these waits for it: on SQLite,
    /// where one writes at a time.
    async fn give_way_to(&mut self, _first: &WaitingWrites) -> Result<()> {
        Ok(())
    }
    /// Whether it fails for that with its next statement.
    fn is_in_the_way(&self) -> bool {
        false
    }
    /// Fails if the database began this transaction, and would take no change in it.
    async fn ensure_writable(&mut self) -> Result<()> {
        Ok(())
    }
    /// Makes the changes durable.
    async fn commit(self: Box<Self>) -> Result<()>;
    /// Discards the changes.
    async fn rollback(self: Box<Self>);
}
