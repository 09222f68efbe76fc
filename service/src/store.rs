//! The contacts database. The only module that knows SQL.
//!
//! [`Store`] hands out a [`Reader`] for reads and runs an [`Operation`] with a
//! [`Writer`] for changes. SQLite and Postgres implement both, topic by topic
//! (see `backend.rs`). What a transaction does is decided in
//! [`operations`](crate::operations), once for every engine.

mod api_tokens;
mod backend;
mod check;
mod clock;
mod common;
mod connection_places;
mod consent;
mod consent_changes;
mod contacts;
mod definitions;
mod directory;
mod duplicates;
mod ledger;
mod log_redaction;
mod measured;
mod pace;
mod policy;
pub mod postgres;
mod purging;
mod receipts;
mod record;
mod responses;
pub mod sqlite;
mod suppression;
mod transaction;
mod turns;
mod webhooks;
mod workspaces;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub use self::api_tokens::{ApiTokenReader, ApiTokenWriter};
pub(crate) use self::backend::{Backend, ReadPurpose};
pub use self::backend::{Reader, Writer};
pub use self::clock::Clock;
pub use self::common::{ledger_pack, sort_key};
pub(crate) use self::connection_places::ConnectionPlaces;
pub use self::consent::{
    CheckRow, CheckRows, Checked, ConsentPlace, ConsentReader, ConsentRow, ConsentWriter,
    StoredConsent,
};
pub use self::consent_changes::{
    ChangedConsent, ConsentChange, ConsentChangeReader, ConsentChangeWriter, Validity,
};
pub use self::contacts::{ContactColumns, ContactReader, ContactRow, ContactWriter};
pub use self::definitions::{Counted, DefinitionReader, DefinitionWriter};
pub use self::directory::{DirectoryReader, Order, OrderBy, PageCursor, Selection};
pub use self::duplicates::{DuplicateCandidate, DuplicateKey, DuplicateReader};
pub use self::ledger::{LedgerReader, LedgerWriter, ListedUnder, Listing, Subjects};
pub(crate) use self::log_redaction::loggable;
use self::measured::Measured;
pub(crate) use self::measured::PoolState;
pub use self::pace::LongWork;
use self::pace::{LONGEST_WAIT, Other, Pace};
pub(crate) use self::policy::{policy_of, wire_policy};
pub(crate) use self::purging::Purge;
use self::purging::Purging;
pub use self::receipts::{Receipt, ReceiptReader, ReceiptWriter};
pub use self::record::decode_profile;
pub(crate) use self::record::{
    encode_consents, encode_profile, encode_profile_into, parse_id, record_id, timestamp,
    wire_contact, wire_summary,
};
pub use self::responses::{
    NewStoredResponse, ResponseReader, ResponseWriter, StoredResponse, StoredResponseInfo,
};
pub use self::suppression::{KeyLock, SuppressionReader, SuppressionWriter};
pub(crate) use self::transaction::require_keys;
pub use self::transaction::{Bulk, Operation, Transaction};
pub(crate) use self::transaction::{random, random_salts};
use self::turns::{Turn, Turns};
pub use self::webhooks::{WebhookReader, WebhookRecord, WebhookWriter};
pub(crate) use self::workspaces::all_workspace_ids;
pub use self::workspaces::{Lock, Purged, Workspace, WorkspaceReader, WorkspaceWriter};
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids::IdGenerator;
use crate::domain::keyring::Keyring;
use crate::operations::{DEFAULT_WORKSPACE, named};
use crate::runtime::{SideRuntime, off_worker};
use crate::telemetry::call;
use crate::telemetry::metrics::{CLOCK_JUMPS, Metrics};

/// How long responses are stored unless the settings say otherwise.
pub const RESPONSE_RETENTION: TimeDelta = TimeDelta::hours(24);

/// How often a write runs, at most, when it conflicts with others.
const WRITE_ATTEMPTS: u32 = 5;
/// The pause after the first conflict. It grows with each attempt.
const CONFLICT_PAUSE: Duration = Duration::from_millis(5);

/// A transaction that changes nothing.
struct Probe;

impl Operation for Probe {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> Result<()> {
        tx.db.is_listed(DEFAULT_WORKSPACE).await?;
        tx.db.ensure_writable().await
    }
}

/// How long a store that opens asks workspaces which keys they use.
const KEY_SEARCH: Duration = Duration::from_secs(5);

/// Fails if a workspace uses suppression keys that are not in the keyring. What cannot be asked now
/// is left out: who uses a key asks again.
async fn require_used_keys(backend: &dyn Backend, keyring: &Keyring) -> Result<()> {
    let began = Instant::now();
    // Those for checks are waited for too shortly for a start on a busy machine.
    let mut db = backend.reader(ReadPurpose::Unary, None).await?;
    for id in &all_workspace_ids(&mut *db).await? {
        if began.elapsed() > KEY_SEARCH {
            tracing::warn!("the suppression keys of some workspaces are verified later");
            return Ok(());
        }
        match db.suppression_keys(id).await {
            Ok(registered) => require_keys(keyring, &registered)?,
            Err(error) if error.reason() == Reason::DatabaseUnavailable => {
                tracing::warn!(workspace.id = id, "a workspace cannot be read now");
                db = backend.reader(ReadPurpose::Unary, None).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Most connections that write.
fn writers(backend: &dyn Backend) -> u32 {
    connections(backend, measured::WRITE)
}

fn connections(backend: &dyn Backend, purpose: &str) -> u32 {
    let pool = backend.pools().into_iter().find(|pool| pool.purpose == purpose);
    pool.map_or(1, |pool| pool.max)
}

/// The turns of a workspace's long work: more transactions at a time gain nothing, and the others have
/// at least half of the connections.
fn turns(backend: &dyn Backend) -> Turns<String> {
    let half = usize::try_from(writers(backend).div_ceil(2)).unwrap_or(1);
    Turns::new(backend.parallel_writes(), half, LONGEST_WAIT, "long work")
}

/// The turns of a connection's changes where only one writes at a time. Where several do, the wait is
/// short, and whoever waits for a database node that hangs must not keep the client's other changes.
fn turns_of_callers(backend: &dyn Backend) -> Turns<Option<SocketAddr>> {
    // Not one: between two of a connection long work would come, each time.
    let each = if writers(backend) == 1 { 8 } else { usize::MAX };
    Turns::new(each, usize::MAX, backend.write_timeout(), "changes")
}

/// The caller went away before it was the turn of its change.
#[derive(Debug, thiserror::Error)]
#[error("nobody waits for it")]
struct Abandoned;

/// The contacts database.
#[derive(Clone)]
pub struct Store {
    backend: Measured,
    clock: Clock,
    ids: Arc<IdGenerator>,
    keyring: Arc<Keyring>,
    response_retention: TimeDelta,
    writes: TaskTracker,
    pace: Arc<Pace>,
    /// Of long work, by workspace.
    turns: Arc<Turns<String>>,
    /// Of objections, by the connection that they came from.
    objections: Arc<Turns<Option<SocketAddr>>>,
    /// Of other changes, in the same way.
    changes: Arc<Turns<Option<SocketAddr>>>,
    places: Arc<ConnectionPlaces>,
    purging: Purging,
    /// Where writes run, whoever asks for them.
    runtime: SideRuntime,
}

impl Store {
    /// Makes a store from an open backend.
    ///
    /// # Errors
    /// When the database uses suppression keys that are not in the keyring.
    pub(crate) async fn new(
        backend: Arc<dyn Backend>,
        clock: Clock,
        ids: IdGenerator,
        keyring: Keyring,
    ) -> Result<Self> {
        require_used_keys(&*backend, &keyring).await?;
        let (ids, keyring) = (Arc::new(ids), Arc::new(keyring));
        let (pace, turns) = (Arc::new(Pace::new(backend.most_rows())), Arc::new(turns(&*backend)));
        let objections = Arc::new(turns_of_callers(&*backend));
        let changes = Arc::new(turns_of_callers(&*backend));
        let backend = Measured::new(backend, &Metrics::default());
        let (response_retention, writes) = (RESPONSE_RETENTION, TaskTracker::new());
        let places = ConnectionPlaces::of_writes(writers(&**backend), backend.write_timeout());
        let places = Arc::new(places);
        let runtime = SideRuntime::changes().map_err(Error::internal)?;
        Ok(Self {
            backend,
            clock,
            ids,
            keyring,
            response_retention,
            writes,
            pace,
            turns,
            objections,
            changes,
            places,
            purging: Purging::default(),
            runtime,
        })
    }

    /// Replaces [`RESPONSE_RETENTION`].
    #[must_use]
    pub fn with_response_retention(self, response_retention: TimeDelta) -> Self {
        Self { response_retention, ..self }
    }

    /// Measures how the database is used.
    #[must_use]
    pub(crate) fn measured(self, metrics: &Metrics) -> Self {
        let jumps = metrics.counter(&CLOCK_JUMPS, &[]);
        let clock = self.clock.clone();
        metrics.sample(move || jumps.absolute(clock.jumps()));
        let backend = Measured::new(Arc::clone(&self.backend), metrics);
        Self { backend, ..self }
    }

    /// Tells the time.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// How long responses are stored.
    pub fn response_retention(&self) -> TimeDelta {
        self.response_retention
    }

    /// The keys that non-contacts are hashed with.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The current time, in the precision that is stored.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The current time to judge by whether something has expired. It does not go back
    /// when the machine's clock is set back.
    pub fn now_for_expiry(&self) -> Time {
        self.clock.latest()
    }

    /// The time before which what is kept for this long is deleted. A clock that is
    /// ahead deletes nothing.
    pub fn kept_since(&self, retention: TimeDelta) -> Time {
        self.clock.earliest() - retention
    }

    /// Runs an operation in a write transaction and commits it. Runs it again if
    /// it conflicts with another one.
    ///
    /// Once it has begun, the operation finishes even if the caller is dropped: cancelling it in
    /// the middle would cost its connection.
    pub async fn write<O: Operation>(&self, operation: O) -> Result<O::Output> {
        let other = operation.bulk().is_none().then(|| self.pace.other());
        self.write_beside(operation, other).await
    }

    /// The same as this write of others, until its end.
    async fn write_beside<O: Operation>(
        &self,
        operation: O,
        other: Option<Other>,
    ) -> Result<O::Output> {
        let store = self.clone();
        let is_bulk = operation.bulk().is_some();
        // What nobody waits for any more is not begun.
        let caller = CancellationToken::new();
        let _caller = caller.clone().drop_guard();
        let write = call::outliving(async move {
            let _other = other;
            store.write_with_retries(&operation, &caller).await
        });
        let runtime = self.runtime.handle();
        let written = match is_bulk {
            true => self.writes.spawn_on(off_worker(write).in_current_span(), &runtime),
            false => self.writes.spawn_on(write.in_current_span(), &runtime),
        };
        written.await.unwrap_or_else(|error| Err(Error::internal(error)))
    }

    async fn write_with_retries<O: Operation>(
        &self,
        operation: &O,
        caller: &CancellationToken,
    ) -> Result<O::Output> {
        if operation.needs_preparation() {
            operation.prepare(self).await?;
        }
        let mut attempt = 1;
        loop {
            match self.write_once(operation, caller).await {
                Err(error)
                    if error.reason() == Reason::WriteConflict && attempt < WRITE_ATTEMPTS =>
                {
                    tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn write_once<O: Operation>(
        &self,
        operation: &O,
        caller: &CancellationToken,
    ) -> Result<O::Output> {
        let bulk = operation.bulk();
        let turn = caller.run_until_cancelled(self.turn(operation)).await;
        let _turn = turn.ok_or_else(|| Error::unavailable(Abandoned))??;
        let db = self.begin().await?;
        let began = Instant::now();
        let (ids, keyring) = (Arc::clone(&self.ids), Arc::clone(&self.keyring));
        let times = (self.now(), self.clock.earliest());
        let mut tx = Transaction::new(db, times, self.response_retention, ids, keyring);
        let ran = async {
            let output = operation.run(&mut tx).await?;
            tx.announce_consent().await?;
            Ok(output)
        };
        match ran.await {
            Ok(output) => {
                let held = tx.db.held(began.elapsed());
                let committing = Instant::now();
                tx.db.commit().await?;
                if let Some((work, rows)) = bulk.and_then(|bulk| bulk.rows) {
                    self.pace.wrote(work, rows, held + committing.elapsed());
                    if let Err(error) = self.backend.tidy(rows).await {
                        // What was written is committed.
                        tracing::warn!(error.reason = ?error.reason(), "tidying up failed");
                    }
                }
                Ok(output)
            }
            Err(error) => {
                tx.db.rollback().await;
                Err(error)
            }
        }
    }

    /// Waits until it is this operation's turn to get a connection.
    async fn turn(
        &self,
        operation: &impl Operation,
    ) -> Result<(Turn, Option<OwnedSemaphorePermit>)> {
        let connection = call::current().and_then(|call| call.peer());
        let turn = match operation.bulk() {
            Some(bulk) => self.turns.enter(named(bulk.workspace_id)?).await?,
            None if operation.is_objection() => self.objections.enter(&connection).await?,
            None => self.changes.enter(&connection).await?,
        };
        let place = match operation.is_objection() {
            true => None,
            false => Some(self.places.enter().await?),
        };
        Ok((turn, place))
    }

    async fn begin(&self) -> Result<Box<dyn Writer>> {
        let call = call::current();
        self.backend.begin(call.as_ref().and_then(|call| call.workspace_id())).await
    }

    async fn reader(&self, purpose: ReadPurpose) -> Result<Box<dyn Reader>> {
        let call = call::current();
        self.backend.reader(purpose, call.as_ref().and_then(|call| call.workspace_id())).await
    }

    /// Returns a reader for one call.
    pub async fn read(&self) -> Result<Box<dyn Reader>> {
        self.reader(ReadPurpose::Unary).await
    }

    /// The same where no call says which workspace it is about.
    pub async fn read_of(&self, workspace_id: &str) -> Result<Box<dyn Reader>> {
        self.backend.reader(ReadPurpose::Unary, Some(workspace_id)).await
    }

    /// Returns a reader for one call that may read many rows.
    pub async fn read_scan(&self) -> Result<Box<dyn Reader>> {
        self.reader(ReadPurpose::Scan).await
    }

    /// Returns a reader for one page of a stream.
    pub async fn read_stream(&self) -> Result<Box<dyn Reader>> {
        self.reader(ReadPurpose::Stream).await
    }

    /// Returns a reader that sees one state of the database until it is closed.
    pub async fn read_snapshot(&self) -> Result<Box<dyn Reader>> {
        self.reader(ReadPurpose::Snapshot).await
    }

    /// Opens all connections for checks, which then need no more files or sockets.
    ///
    /// # Errors
    /// When the database cannot be reached, or has no room for them.
    pub async fn connect_checks(&self) -> Result<()> {
        self.backend.connect_checks().await
    }

    /// Succeeds if a check can read and a change can write now.
    ///
    /// # Errors
    /// When the database cannot be reached, or takes no writes.
    pub async fn probe(&self) -> Result<()> {
        let mut reader = self.backend.reader(ReadPurpose::Check, None).await?;
        reader.is_listed(DEFAULT_WORKSPACE).await?;
        drop(reader);
        // Nobody's: long work need not give way to it.
        self.write_beside(Probe, None).await
    }

    /// How many rows the next transaction of long work may write, so that nobody else waits long.
    pub fn rows_of(&self, work: LongWork) -> usize {
        self.pace.rows(work, Instant::now())
    }

    /// Takes on a deleted workspace, see [`Purging`].
    pub(crate) fn begin_purge(&self, row_key: i64) -> Option<Purge> {
        self.purging.begin(row_key)
    }

    /// The places of batches of checks, each waited for as long as this.
    pub(crate) fn batch_places(&self, longest_wait: Duration) -> ConnectionPlaces {
        ConnectionPlaces::of_batches(connections(&**self.backend, measured::CHECK), longest_wait)
    }

    /// How many writes one caller should run in parallel.
    pub fn parallel_writes(&self) -> usize {
        self.backend.parallel_writes()
    }

    /// Overwrites what erasures left in unused parts of the database files. Large files
    /// only if writes `may_wait`: for some seconds per million contacts.
    ///
    /// # Errors
    /// When the database cannot be written now. The next call does it.
    pub async fn vacuum(&self, may_wait: bool) -> Result<()> {
        self.backend.vacuum(may_wait).await
    }

    /// Name and version of the database engine, such as `SQLite 3.50.4`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn engine_version(&self) -> Result<String> {
        self.backend.engine_version().await
    }

    /// Waits for running writes, then closes the database.
    pub async fn close(&self) {
        self.writes.close();
        self.writes.wait().await;
        self.backend.close().await;
    }
}
