//! Where contacts are kept. The only part that knows SQL.
//!
//! [`Backend`] and [`Session`] are the seam: SQLite and Postgres implement them
//! in the same shape and order. What happens in a transaction is not decided
//! here but in [`operations`](crate::operations), once for both.

mod log_redaction;
mod platform;
pub mod postgres;
mod record;
mod session;
pub mod sqlite;
mod types;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
pub use log_redaction::loggable;
pub use record::{
    decode_profile, encode_profile, parse_id, record_id, timestamp, wire_contact, wire_summary,
};
pub use session::*;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
pub use types::*;
use uuid::Uuid;

use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids::IdMaker;
use crate::domain::keyring::{KeyId, Keyring};
use crate::domain::ledger::Head;
use crate::domain::phone::MatchKey;
use crate::domain::search;

/// Longest name key, in bytes: it has to fit into a page token.
const MAX_SORT_KEY: usize = 200;

/// What lists are ordered by, made of the words of a name. Who has none comes
/// last.
pub fn sort_key(words: String) -> String {
    let mut key = words;
    if key.is_empty() {
        key.push_str(search::IN_NO_NAME);
    }
    key.truncate(key.floor_char_boundary(MAX_SORT_KEY));
    key
}

/// The end of a workspace's ledger, as stored. Without events there is no hash.
fn head(workspace_id: &str, length: i64, hash: &[u8]) -> Result<Head> {
    match length {
        0 => Ok(Head::empty(workspace_id)),
        _ => {
            let hash = hash.try_into();
            let hash = hash.map_err(|_| Error::internal("a workspace's ledger hash is not one"))?;
            Ok(Head { length, hash })
        }
    }
}

/// How long answers are kept at least, for changes that are sent again.
pub const RESPONSE_RETENTION: TimeDelta = TimeDelta::hours(24);

/// How often a write that met another one is tried again.
const WRITE_ATTEMPTS: u32 = 5;

/// The time, as a value that tests can replace.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The contacts database.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    clock: Clock,
    ids: Arc<IdMaker>,
    keyring: Arc<Keyring>,
    response_retention: TimeDelta,
    writes: TaskTracker,
}

/// The key file lacks a key that rows of the database are under. Whoever those
/// rows are about would not be found.
#[derive(Debug, thiserror::Error)]
#[error(
    "the key file lacks version {0} of the key, or has another one under this number: start with \
     the key file that the other servers of this database use"
)]
pub struct MissingKey(u32);

/// A change, in one transaction: it happens as a whole or not at all.
pub trait Operation: Send + Sync + 'static {
    /// What the caller learns.
    type Output: Send + 'static;

    /// Makes the change. May run again from the start, in a new transaction,
    /// when it met another write.
    fn run<'a>(
        &'a self,
        tx: &'a mut Transaction,
    ) -> impl Future<Output = Result<Self::Output>> + Send + 'a;
}

/// An open transaction, and what an operation may use besides it.
pub struct Transaction {
    /// The database.
    pub session: Box<dyn Session>,
    /// When the transaction began.
    pub now: Time,
    /// Answers from before this are not given again.
    pub responses_since: Time,
    ids: Arc<IdMaker>,
    keyring: Arc<Keyring>,
}

impl Transaction {
    /// A new id.
    pub fn new_id(&self) -> Uuid {
        self.ids.next(self.now)
    }

    /// Under what people are kept who may not be named.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    /// Holds the workspace's suppression keys; an error if one is not known
    /// here, and what was written under it would be overlooked.
    pub async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        hold: KeyLock,
    ) -> Result<()> {
        let current = self.keyring.current();
        let keys = self.session.lock_suppression_keys(workspace, current, hold).await?;
        require_keys(&self.keyring, &keys)
    }
}

fn require_keys(keyring: &Keyring, registered: &[KeyId]) -> Result<()> {
    match keyring.missing(registered) {
        Some(key) => Err(Error::unavailable(MissingKey(key.version))),
        None => Ok(()),
    }
}

impl Store {
    /// A store over an open backend.
    ///
    /// # Errors
    /// When the database was used with keys that are not in the keyring.
    pub async fn new(
        backend: Arc<dyn Backend>,
        clock: Clock,
        ids: IdMaker,
        keyring: Keyring,
    ) -> Result<Self> {
        require_keys(&keyring, &backend.suppression_keys().await?)?;
        let (ids, keyring) = (Arc::new(ids), Arc::new(keyring));
        let (response_retention, writes) = (RESPONSE_RETENTION, TaskTracker::new());
        Ok(Self { backend, clock, ids, keyring, response_retention, writes })
    }

    /// Keeps answers for another time than [`RESPONSE_RETENTION`].
    #[must_use]
    pub fn with_response_retention(self, response_retention: TimeDelta) -> Self {
        Self { response_retention, ..self }
    }

    /// How long answers are kept.
    pub fn response_retention(&self) -> TimeDelta {
        self.response_retention
    }

    /// Under what people are kept who may not be named.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The time, cut to what is stored.
    pub fn now(&self) -> Time {
        (self.clock)().trunc_subsecs(6)
    }

    /// Runs a change to its end, even when the caller goes away: a handler that
    /// is cancelled in the middle of a transaction would leave its connection
    /// in one.
    pub async fn write<O: Operation>(&self, operation: O) -> Result<O::Output> {
        let store = self.clone();
        let change = async move { store.write_with_retries(&operation).await };
        self.writes
            .spawn(change.in_current_span())
            .await
            .unwrap_or_else(|e| Err(Error::internal(e)))
    }

    async fn write_with_retries<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        let mut attempt = 1;
        loop {
            match self.write_once(operation).await {
                Err(error)
                    if error.reason() == Reason::WriteConflict && attempt < WRITE_ATTEMPTS =>
                {
                    tokio::time::sleep(Duration::from_millis(5) * attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn write_once<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        let session = self.backend.begin().await?;
        let (ids, keyring) = (Arc::clone(&self.ids), Arc::clone(&self.keyring));
        let now = self.now();
        let responses_since = now - self.response_retention;
        let mut tx = Transaction { session, now, responses_since, ids, keyring };
        match operation.run(&mut tx).await {
            Ok(output) => tx.session.commit().await.map(|()| output),
            Err(error) => {
                tx.session.rollback().await;
                Err(error)
            }
        }
    }

    /// A session for reading. Each of its calls sees what is committed then.
    pub async fn read(&self) -> Result<Box<dyn Session>> {
        self.backend.reader(ReadPurpose::Unary).await
    }

    /// The same for the pages of streams, which must not starve other reads.
    pub async fn read_stream(&self) -> Result<Box<dyn Session>> {
        self.backend.reader(ReadPurpose::Stream).await
    }

    /// A session that reads one state of the database, until it is rolled back.
    pub async fn read_snapshot(&self) -> Result<Box<dyn Session>> {
        self.backend.reader(ReadPurpose::Snapshot).await
    }

    /// What is known of the consent of these people: the committed state as of
    /// some moment within this call. None if there is no such workspace.
    pub async fn check(&self, workspace_id: &str, keys: &[MatchKey]) -> Result<Option<CheckRows>> {
        let Some(mut rows) = self.backend.check(workspace_id, keys).await? else {
            return Ok(None);
        };
        if rows.len() < keys.len() {
            self.check_non_contacts(workspace_id, keys, &mut rows).await?;
        }
        Ok(Some(rows))
    }

    /// The same for those of them who are no contacts. They are not allowed
    /// anyhow; this tells whether they objected.
    async fn check_non_contacts(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
        rows: &mut CheckRows,
    ) -> Result<()> {
        let mut named = HashMap::new();
        for key in keys.iter().filter(|key| !rows.contains_key(key)) {
            // By name again: they may have become contacts since.
            named.insert(key.clone(), key);
            let hashed = self.keyring.hashed_all(workspace_id, key);
            named.extend(hashed.map(|hashed| (hashed, key)));
        }
        let mut asked: Vec<_> = named.keys().cloned().collect();
        // In order: neighbours in the index are read together.
        asked.sort_unstable();
        let (found, registered) = self.backend.check_suppressed(workspace_id, &asked).await?;
        require_keys(&self.keyring, &registered)?;
        for (found_under, row) in found {
            let Some(key) = named.get(&found_under) else { continue };
            // One person may be there under several versions.
            let known = rows.entry((*key).clone()).or_insert_with(|| row.clone());
            known.state = std::mem::take(&mut known.state).stricter(row.state);
            known.contact_id = known.contact_id.or(row.contact_id);
        }
        Ok(())
    }

    /// How many changes the database makes at the same time.
    pub fn parallel_writes(&self) -> usize {
        self.backend.parallel_writes()
    }

    /// Overwrites what erasures left in unused parts of the database's files.
    ///
    /// # Errors
    /// When the database cannot be written now; then nothing is lost.
    pub async fn vacuum(&self) -> Result<()> {
        self.backend.vacuum().await
    }

    /// Name and version of the database engine, such as `SQLite 3.50.4`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn engine_version(&self) -> Result<String> {
        self.backend.engine_version().await
    }

    /// Waits for changes under way, then closes the database.
    pub async fn close(&self) {
        self.writes.close();
        self.writes.wait().await;
        self.backend.close().await;
    }
}
