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
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio_util::task::TaskTracker;

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
pub use self::directory::{
    ContactPage, DirectoryReader, Order, OrderBy, PAGE_BYTES, PageCursor, Selection,
};
pub use self::duplicates::{DuplicateCandidate, DuplicateKey, DuplicateReader};
pub use self::ledger::{DetailClaim, LedgerReader, LedgerWriter, ListedUnder, Listing, Subjects};
pub(crate) use self::log_redaction::loggable;
use self::measured::Measured;
pub(crate) use self::measured::PoolState;
use self::pace::Pace;
pub use self::pace::{LongWork, WaitingWrites};
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
pub use self::transaction::{Bulk, GivenUp, Operation, Transaction};
pub(crate) use self::transaction::{random, random_salts};
pub use self::webhooks::{WebhookReader, WebhookRecord, WebhookWriter};
pub(crate) use self::workspaces::all_workspace_ids;
pub use self::workspaces::{Lock, Purged, Workspace, WorkspaceReader, WorkspaceWriter};
use self::write::WriteQueue;
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids::IdGenerator;
use crate::domain::keyring::Keyring;
use crate::operations::DEFAULT_WORKSPACE;
use crate::runtime::SideRuntime;
use crate::telemetry::call;
use crate::telemetry::metrics::{CLOCK_JUMPS, Metrics};

/// How long responses are stored unless the settings say otherwise.
pub const RESPONSE_RETENTION: TimeDelta = TimeDelta::hours(24);

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

fn connections(backend: &dyn Backend, purpose: &str) -> u32 {
    let pool = backend.pools().into_iter().find(|pool| pool.purpose == purpose);
    pool.map_or(1, |pool| pool.max)
}

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
    queue: Arc<WriteQueue>,
    purging: Purging,
    scans: TaskTracker,
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
        let pace = Arc::new(Pace::new(backend.most_rows(), backend.parallel_writes() == 1));
        let queue = Arc::new(WriteQueue::new(&*backend));
        let backend = Measured::new(backend, &Metrics::default());
        let (response_retention, writes) = (RESPONSE_RETENTION, TaskTracker::new());
        let runtime = SideRuntime::changes().map_err(Error::internal)?;
        Ok(Self {
            backend,
            clock,
            ids,
            keyring,
            response_retention,
            writes,
            pace,
            queue,
            purging: Purging::default(),
            scans: TaskTracker::new(),
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

    /// Counts those who read page after page, each by a token.
    pub(crate) fn scans(&self) -> &TaskTracker {
        &self.scans
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

    /// Returns a reader for one check.
    pub async fn read_check(&self, workspace_id: &str) -> Result<Box<dyn Reader>> {
        self.backend.reader(ReadPurpose::Check, Some(workspace_id)).await
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
