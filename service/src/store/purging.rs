//! Who purges which deleted workspace.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The row keys of the deleted workspaces that somebody is about, so that nobody else is: who begins
/// counts what there was.
#[derive(Clone, Debug, Default)]
pub(super) struct Purging(Arc<Mutex<HashSet<i64>>>);

impl Purging {
    /// Takes on a workspace. None if somebody else has.
    pub(super) fn begin(&self, row_key: i64) -> Option<Purge> {
        self.lock().insert(row_key).then(|| Purge { purging: self.clone(), row_key })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody else purges this workspace until it is dropped.
pub(crate) struct Purge {
    purging: Purging,
    row_key: i64,
}

impl Drop for Purge {
    fn drop(&mut self) {
        self.purging.lock().remove(&self.row_key);
    }
}
