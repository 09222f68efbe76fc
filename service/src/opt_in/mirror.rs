//! Consent in memory, so that a check reads of the database only whether that is still valid.
//!
//! An answer from memory is as good as one from the database: the workspace's consent revision is
//! read after the check arrived, and what the revisions since changed is forgotten first. No clock
//! and no notification is trusted. Identities that are not in memory are read from the database, so
//! what is forgotten or was never there costs time, and nothing else. Only contacts are kept.

mod load;
mod point;
mod table;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;

pub(super) use self::point::Early;
use self::point::Point;
use self::table::{Kept, Table};
use crate::domain::consent::MessageCategory;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{CheckRow, CheckRows, ConsentChange, Store, Validity};
use crate::telemetry::metrics::{MIRROR_BYTES, MIRROR_CHECKS, Metrics};

/// Most revisions that are caught up with. After more, everything is read again.
const MAX_CATCH_UP: usize = 1000;
/// How long a workspace that could not be kept is left alone.
const PAUSE: Duration = Duration::from_secs(60);

/// How much is kept, and when.
#[derive(Clone, Copy, Debug)]
pub struct MirrorLimits {
    /// Memory, in bytes. 0: nothing is kept.
    pub bytes: usize,
    /// How many people of a workspace are checked before its consent is read into memory.
    pub after_checks: u64,
}

/// The workspaces in memory.
#[derive(Clone)]
pub(super) struct Mirror {
    store: Store,
    limits: MirrorLimits,
    workspaces: Arc<Mutex<HashMap<String, Arc<Held>>>>,
    /// Counts uses, to find the workspace whose last is the longest ago.
    uses: Arc<AtomicU64>,
    /// How many people were checked of memory.
    used: Counter,
}

/// A workspace, in memory or not.
pub(super) struct Held {
    workspace_id: String,
    state: Mutex<State>,
    /// Held while the changes of the last revisions are read, so that one caller reads them for all.
    catching_up: tokio::sync::Mutex<()>,
    last_use: AtomicU64,
    bytes: AtomicUsize,
}

enum State {
    /// Checks are counted; none before this time.
    Absent {
        checked: u64,
        not_before: Option<Instant>,
    },
    /// Being read.
    Loading,
    Kept(Content),
}

/// What is kept of a workspace.
struct Content {
    /// Nothing in the table was changed up to here after it was read.
    at: Point,
    table: Table,
}

impl Content {
    /// Forgets what the changes, which are read from this revision on, changed. False if one of
    /// them is missing, made with another key, or of another history.
    fn apply(&mut self, changes: &[ConsentChange]) -> bool {
        let rest = match changes.split_first() {
            Some((known, rest)) if known.revision == self.at.revision => {
                if known.stamp != self.at.stamp {
                    return false;
                }
                rest
            }
            // A workspace begins without a change, and has one history from there on.
            _ if self.at.revision == 0 => changes,
            _ => return false,
        };
        for change in rest {
            if change.revision != self.at.revision + 1
                || change.key_version != self.table.key_version()
            {
                return false;
            }
            change.tags.iter().for_each(|tag| self.table.remove(*tag));
            (self.at.revision, self.at.stamp) = (change.revision, change.stamp);
        }
        true
    }
}

/// What to do with a reading of the validity.
enum Fit {
    /// What is kept is valid.
    Valid,
    /// The changes after this revision are missing.
    Behind(i64),
    /// Nothing that is kept can be used.
    Gone,
}

impl Mirror {
    pub(super) fn new(store: Store, limits: MirrorLimits) -> Self {
        let (workspaces, uses) = (Arc::default(), Arc::default());
        Self { store, limits, workspaces, uses, used: Counter::noop() }
    }

    /// Measures what is kept, and how much it is used.
    pub(super) fn measured(self, metrics: &Metrics) -> Self {
        let bytes = metrics.gauge(&MIRROR_BYTES, &[]);
        let workspaces = Arc::clone(&self.workspaces);
        metrics.sample(move || bytes.set(total(&lock(&workspaces)) as f64));
        Self { used: metrics.counter(&MIRROR_CHECKS, &[]), ..self }
    }

    /// Counts people that were checked of memory.
    pub(super) fn used(&self, checks: usize) {
        self.used.increment(checks as u64);
    }

    /// The workspace, if it is in memory.
    pub(super) fn held(&self, workspace_id: &str) -> Option<Arc<Held>> {
        if self.limits.bytes == 0 {
            return None;
        }
        let held = Arc::clone(lock(&self.workspaces).get(workspace_id)?);
        let is_kept = matches!(*lock(&held.state), State::Kept(_));
        is_kept.then(|| {
            held.last_use.store(self.uses.fetch_add(1, Relaxed), Relaxed);
            held
        })
    }

    /// Counts checks of a workspace that exists and is not in memory. When there were enough, it
    /// is read.
    pub(super) fn count(&self, workspace_id: &str, checks: usize) {
        if self.limits.bytes == 0 {
            return;
        }
        let held = {
            let mut workspaces = lock(&self.workspaces);
            match workspaces.get(workspace_id) {
                Some(held) => Arc::clone(held),
                None => {
                    let held = Arc::new(Held::new(workspace_id));
                    workspaces.insert(workspace_id.to_owned(), Arc::clone(&held));
                    held
                }
            }
        };
        let mut state = lock(&held.state);
        let State::Absent { checked, not_before } = &mut *state else { return };
        *checked += checks as u64;
        let is_due = not_before.is_none_or(|time| time <= Instant::now());
        if *checked >= self.limits.after_checks && is_due {
            *state = State::Loading;
            drop(state);
            tokio::spawn(self.clone().load(held));
        }
    }

    /// Brings what is kept up to this validity, which was read after the check arrived. False if
    /// nothing is kept then.
    pub(super) async fn bring_up(&self, held: &Held, validity: &Validity) -> Result<bool> {
        match held.fit(validity) {
            Fit::Valid => return Ok(true),
            Fit::Gone => return Ok(false),
            Fit::Behind(_) => {}
        }
        let _one = held.catching_up.lock().await;
        loop {
            let after = match held.fit(validity) {
                Fit::Valid => return Ok(true),
                Fit::Gone => return Ok(false),
                Fit::Behind(after) => after,
            };
            let mut changes =
                self.store.consent_changes(&held.workspace_id, after, MAX_CATCH_UP).await?;
            changes.retain(|change| change.revision <= validity.revision);
            held.apply(after, &changes);
        }
    }

    /// Forgets the workspace whose last use is the longest ago, but this one. False if there is none.
    fn evict(&self, but: &Held) -> bool {
        let workspaces = lock(&self.workspaces);
        let others = workspaces.values().filter(|held| !std::ptr::eq(&***held, but));
        // What is being read would be put there all the same, and read a second time beside that.
        let kept = others.filter(|held| matches!(*lock(&held.state), State::Kept(_)));
        let oldest = kept.min_by_key(|held| held.last_use.load(Relaxed));
        oldest.is_some_and(|held| {
            held.forget(&mut lock(&held.state), None);
            true
        })
    }

    /// Makes room for what this workspace takes. False if there is none.
    fn fits(&self, held: &Held) -> bool {
        while total(&lock(&self.workspaces)) > self.limits.bytes {
            if !self.evict(held) {
                return false;
            }
        }
        true
    }

    /// Keeps rows that were read as of this validity, if that is what memory is as of.
    pub(super) fn keep<'r>(
        &self,
        held: &Held,
        rows: impl Iterator<Item = (&'r MatchKey, &'r CheckRow)>,
        as_of: &Validity,
    ) {
        if held.keep(rows, as_of) && !self.fits(held) {
            held.forget(&mut lock(&held.state), Some(Instant::now() + PAUSE));
        }
    }
}

impl Held {
    fn new(workspace_id: &str) -> Self {
        Self {
            workspace_id: workspace_id.to_owned(),
            state: Mutex::new(State::Absent { checked: 0, not_before: None }),
            catching_up: tokio::sync::Mutex::default(),
            last_use: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// The revision below which no later reading of the validity can be, unless the database was
    /// replaced by an older copy.
    pub(super) fn floor(&self) -> i64 {
        match &*lock(&self.state) {
            State::Kept(content) => content.at.revision,
            _ => i64::MIN,
        }
    }

    /// Forgets everything if a validity that was read after [`floor`](Self::floor) is below it.
    pub(super) fn refuse_older(&self, floor: i64, validity: &Validity) {
        if validity.revision < floor {
            let mut state = lock(&self.state);
            let is_same = |content: &Content| content.at.incarnation == validity.incarnation;
            if matches!(&*state, State::Kept(content) if is_same(content)) {
                self.forget(&mut state, None);
            }
        }
    }

    /// Reads of memory, which [`bring_up`](Mirror::bring_up) has brought up to this validity. None
    /// if it was forgotten meanwhile.
    pub(super) fn rows(
        &self,
        keys: &[MatchKey],
        validity: &Validity,
    ) -> Result<Option<(CheckRows, Vec<MatchKey>)>> {
        let state = lock(&self.state);
        let Some(content) = state.valid(validity) else { return Ok(None) };
        let (mut rows, mut missing) = (CheckRows::with_capacity(keys.len()), Vec::new());
        for key in keys {
            match content.table.row(key, validity)? {
                Some(row) => drop(rows.insert(key.clone(), row)),
                None => missing.push(key.clone()),
            }
        }
        Ok(Some((rows, missing)))
    }

    /// The row of one identity, in the same way. The inner None: it has to be read.
    pub(super) fn row(
        &self,
        key: &MatchKey,
        validity: &Validity,
    ) -> Result<Option<Option<CheckRow>>> {
        let state = lock(&self.state);
        let Some(content) = state.valid(validity) else { return Ok(None) };
        content.table.row(key, validity).map(Some)
    }

    /// The answers of memory that depend on nothing but rows, as it is now. None if there is
    /// nothing.
    pub(super) fn settled<'k>(
        &self,
        keys: impl Iterator<Item = Option<&'k MatchKey>>,
        category: MessageCategory,
    ) -> Option<Early> {
        let state = lock(&self.state);
        let State::Kept(Content { at, table }) = &*state else { return None };
        Some(Early::new(*at, table.settled(keys, category)))
    }

    /// See [`Mirror::keep`]. Returns whether that took memory.
    fn keep<'r>(
        &self,
        rows: impl Iterator<Item = (&'r MatchKey, &'r CheckRow)>,
        as_of: &Validity,
    ) -> bool {
        let mut state = lock(&self.state);
        let State::Kept(content) = &mut *state else { return false };
        // What is older may have been changed by a revision that is already caught up with, and
        // what is newer may be of another history.
        if !content.at.is_at(as_of) {
            return false;
        }
        for (key, row) in rows {
            let CheckRow { identity_id, is_former, consent, .. } = row;
            if let Some(contact_id) = row.contact_id {
                let (identity_id, is_former) = (*identity_id, *is_former);
                content.table.insert(&Kept { key, contact_id, identity_id, is_former, consent });
            }
        }
        let bytes = content.table.bytes();
        bytes > self.bytes.swap(bytes, Relaxed)
    }

    fn fit(&self, validity: &Validity) -> Fit {
        let mut state = lock(&self.state);
        let State::Kept(content) = &*state else { return Fit::Gone };
        if !content.at.is_of(validity) {
            self.forget(&mut state, None);
            return Fit::Gone;
        }
        match content.at.revision.cmp(&validity.revision) {
            Ordering::Less => Fit::Behind(content.at.revision),
            Ordering::Equal => Fit::Valid,
            // Another check was later; or the database was replaced by an older copy since.
            Ordering::Greater => Fit::Gone,
        }
    }

    /// Forgets what the changes that were read from a revision on changed, or everything.
    fn apply(&self, after: i64, changes: &[ConsentChange]) {
        let mut state = lock(&self.state);
        let State::Kept(content) = &mut *state else { return };
        if content.at.revision != after {
            return;
        }
        let went_on = content.apply(changes) && content.at.revision > after;
        if !went_on || content.table.is_sparse() {
            self.forget(&mut state, None);
        }
    }

    fn measure(&self, content: &Content) {
        self.bytes.store(content.table.bytes(), Relaxed);
    }

    fn forget(&self, state: &mut State, not_before: Option<Instant>) {
        *state = State::Absent { checked: 0, not_before };
        self.bytes.store(0, Relaxed);
    }
}

impl State {
    /// What is kept, if it is that of this validity.
    fn valid(&self, validity: &Validity) -> Option<&Content> {
        match self {
            Self::Kept(content) if content.at.is_at(validity) => Some(content),
            _ => None,
        }
    }
}

fn total(workspaces: &HashMap<String, Arc<Held>>) -> usize {
    workspaces.values().map(|held| held.bytes.load(Relaxed)).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
