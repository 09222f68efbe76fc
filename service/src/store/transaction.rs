//! Write transactions and the operations that run in them.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use super::{ConsentChange, KeyLock, LongWork, Store, Workspace, Writer};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::ids::IdGenerator;
use crate::domain::keyring::{KeyId, Keyring};
use crate::domain::ledger::Salt;
use crate::domain::phone::MatchKey;

/// A change of the database that happens in one transaction, as a whole or not
/// at all.
pub trait Operation: Send + Sync + 'static {
    /// The result for the caller.
    type Output: Send + 'static;

    /// Whether [`prepare`](Self::prepare) has anything to do.
    fn needs_preparation(&self) -> bool {
        false
    }

    /// Does what has to be done before the change: long work, in transactions of its own, so that
    /// others need not wait for all of it. When it fails, a part of it may have been done.
    fn prepare<'a>(&'a self, _store: &'a Store) -> impl Future<Output = Result<()>> + Send + 'a {
        async { Ok(()) }
    }

    /// Makes the change. Runs again in a new transaction after a write conflict,
    /// so it must not have side effects outside of the transaction.
    fn run<'a>(
        &'a self,
        tx: &'a mut Transaction,
    ) -> impl Future<Output = Result<Self::Output>> + Send + 'a;

    /// What is said of it if it is long work: it may convert, sort or hash so much at a time that
    /// it would hold a worker of the runtime, and it waits for its turn.
    fn bulk(&self) -> Option<Bulk<'_>> {
        None
    }

    /// Whether it records that somebody objects. No other write keeps it waiting for a connection. Sent again after the response was erased
    /// with the person, an objection is recorded again instead of refused.
    fn is_objection(&self) -> bool {
        false
    }
}

/// What is said of an operation that is long work.
#[derive(Clone, Copy, Debug)]
pub struct Bulk<'a> {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: &'a str,
    /// If it is one of many transactions, which: their number of rows depends on how long those
    /// before took.
    pub rows: Option<(LongWork, usize)>,
    /// What it does if it is given up for another write.
    pub given_up: GivenUp,
}

/// What long work does whose transaction was given up for another write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// It runs again, to its end.
    RunsAgain,
    /// It fails with a write conflict: its caller goes on with fewer rows.
    IsDivided,
    /// It is not given up: it is what is left of one that was.
    Never,
}

/// An open write transaction with everything an [`Operation`] needs.
pub struct Transaction {
    /// Reads and writes the database.
    pub db: Box<dyn Writer>,
    /// When the transaction began.
    pub now: Time,
    /// Responses stored before this time count as expired.
    pub responses_since: Time,
    /// As [`Store::kept_since`] has it.
    earliest: Time,
    /// Whether words and evidence are left out of what is recorded: the request was answered
    /// before, and its person erased since.
    pub without_words: bool,
    ids: Arc<IdGenerator>,
    keyring: Arc<Keyring>,
}

impl Transaction {
    pub(super) fn new(
        db: Box<dyn Writer>,
        (now, earliest): (Time, Time),
        response_retention: TimeDelta,
        ids: Arc<IdGenerator>,
        keyring: Arc<Keyring>,
    ) -> Self {
        let responses_since = earliest - response_retention;
        Self { db, now, responses_since, earliest, without_words: false, ids, keyring }
    }

    /// The time before which what is kept for this long is deleted. As
    /// [`Store::kept_since`], it is not the machine's clock alone.
    pub fn kept_since(&self, retention: TimeDelta) -> Time {
        self.earliest - retention
    }

    /// Makes an id for something new.
    pub fn new_id(&self) -> Uuid {
        self.ids.next(self.now)
    }

    /// Returns random bytes for a key or a salt.
    ///
    /// # Errors
    /// When the operating system has none.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N]> {
        random()
    }

    /// The keys that non-contacts are hashed with.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    /// Says which identities' consent this transaction changed. Servers that keep consent in
    /// memory rely on that: nothing changes consent without a revision of its own.
    pub(super) async fn announce_consent(&mut self) -> Result<()> {
        let changed = self.db.take_changed_consent();
        let Some((revision, stamp)) = changed.revision else {
            return match changed.keys.is_empty() {
                true => Ok(()),
                false => Err(Error::internal("consent was changed without a new revision")),
            };
        };
        let tagger = self.keyring.tagger(&changed.workspace_id);
        let mut tags: Vec<_> = changed.keys.iter().map(|key| tagger.tag(key.as_str())).collect();
        tags.sort_unstable();
        tags.dedup();
        let key_version = tagger.key_version();
        let change = ConsentChange { revision, stamp, change_time: self.now, key_version, tags };
        self.db.add_consent_change(&changed.workspace_id, &change).await
    }

    /// Locks the workspace's suppression keys until the transaction ends.
    ///
    /// # Errors
    /// When the keyring lacks one of them: rows under that key would be missed.
    pub async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        lock: KeyLock,
    ) -> Result<()> {
        let current = self.keyring.current();
        let keys = self.db.lock_suppression_keys(workspace, current, lock).await?;
        require_keys(&self.keyring, &keys)
    }

    /// Locks them exclusively, and those that these hashes are under, which the workspace may not have yet.
    ///
    /// # Errors
    /// When the keyring lacks one of the workspace's.
    pub async fn lock_keys_of(
        &mut self,
        workspace: &Workspace,
        hashed_keys: &[MatchKey],
    ) -> Result<()> {
        self.lock_suppression_keys(workspace, KeyLock::Exclusive).await?;
        let keys: BTreeSet<_> =
            hashed_keys.iter().filter_map(|key| self.keyring.key_of(key)).collect();
        for key in keys {
            self.db.lock_suppression_keys(workspace, key, KeyLock::Exclusive).await?;
        }
        Ok(())
    }
}

/// Returns random bytes for a key or a salt.
///
/// # Errors
/// When the operating system has none.
#[expect(clippy::disallowed_methods, reason = "the one place that makes keys and salts")]
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// Returns salts for the entries of a ledger, with one call for all of them.
///
/// # Errors
/// When the operating system has no random bytes.
#[expect(clippy::disallowed_methods, reason = "the one place that makes keys and salts")]
pub(crate) fn random_salts(count: usize) -> Result<Vec<Salt>> {
    let mut salts = vec![Salt::default(); count];
    getrandom::fill(salts.as_flattened_mut()).map_err(Error::internal)?;
    Ok(salts)
}

/// The keyring lacks a suppression key that the database uses. Suppressions under
/// this key would not be found.
#[derive(Debug, thiserror::Error)]
#[error(
    "the key file lacks version {0} of the key, or has another one under this number: start with \
     the key file that the other servers of this database use"
)]
struct MissingKey(u32);

/// Fails unless the keyring has all registered keys.
pub(crate) fn require_keys(keyring: &Keyring, registered: &[KeyId]) -> Result<()> {
    match keyring.missing(registered) {
        Some(key) => Err(Error::unavailable(MissingKey(key.version))),
        None => Ok(()),
    }
}
