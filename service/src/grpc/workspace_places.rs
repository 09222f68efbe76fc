//! How many bulk calls one workspace may have at a time: not all that the server
//! takes, so that others have room beside a busy one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::error::{Error, Reason, Result};
use crate::operations::named;

/// The bulk calls under way, by workspace.
#[derive(Clone)]
pub(super) struct WorkspacePlaces {
    max: usize,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

impl WorkspacePlaces {
    pub(super) fn new(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    /// Takes a place for a call of this workspace, without waiting.
    pub(super) fn enter(&self, workspace_id: &str) -> Result<WorkspacePlace> {
        let workspace_id = named(workspace_id)?.to_owned();
        let mut taken = self.lock();
        let count = taken.entry(workspace_id.clone()).or_default();
        if *count >= self.max {
            let message = "the workspace has as many streams, batches and other calls about many \
                           people as it may; retry later";
            return Err(Error::new(Reason::Overloaded, message));
        }
        *count += 1;
        drop(taken);
        Ok(WorkspacePlace { places: self.clone(), workspace_id })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a call, given back when this is dropped.
pub(super) struct WorkspacePlace {
    places: WorkspacePlaces,
    workspace_id: String,
}

impl WorkspacePlace {
    /// Whether it is a place of this workspace.
    pub(super) fn is_of(&self, workspace_id: &str) -> bool {
        named(workspace_id).is_ok_and(|named| named == self.workspace_id)
    }
}

impl Drop for WorkspacePlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.places.lock().entry(self.workspace_id.clone()) {
            *count.get_mut() -= 1;
            // Workspaces come and go.
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_leaves_room_for_others() {
        let places = WorkspacePlaces::new(2);
        let enter = |id| places.enter(id).map_err(|error| error.reason());
        let first = enter("").expect("free");
        assert!(first.is_of("default") && first.is_of("") && !first.is_of("acme"));
        let second = enter("default").expect("free");
        assert_eq!(enter("default").err(), Some(Reason::Overloaded));
        drop(enter("acme").expect("another workspace"));
        drop(first);
        let third = enter("").expect("free again");
        assert_eq!(enter("").err(), Some(Reason::Overloaded));
        drop((second, third));
        assert!(places.lock().is_empty());
        assert_eq!(enter("No Id").err(), Some(Reason::WorkspaceNotFound));
    }
}
