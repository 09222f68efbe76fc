//! Whether events are listed for those whom they are about.

use std::ops::Range;

use super::{Audit, StateMismatch};
use crate::domain::error::Result;
use crate::store::ListedUnder;

/// Looked up in one statement, about.
const BATCH: usize = 5000;

/// Events that have to be listed, each under one of several subjects.
pub(super) struct Wanted<T> {
    asked: Vec<(ListedUnder, i64)>,
    groups: Vec<(Range<usize>, T)>,
}

impl<T> Default for Wanted<T> {
    fn default() -> Self {
        Self { asked: Vec::new(), groups: Vec::new() }
    }
}

impl<T> Wanted<T> {
    /// Wants the event at a position to be under one of these. `what` is returned if it is not.
    pub(super) fn add(
        &mut self,
        under: impl IntoIterator<Item = ListedUnder>,
        position: i64,
        what: T,
    ) {
        let start = self.asked.len();
        self.asked.extend(under.into_iter().map(|under| (under, position)));
        self.groups.push((start..self.asked.len(), what));
    }
}

impl Audit<'_> {
    /// Returns what belongs to the events that are not listed.
    pub(super) async fn unlisted<T>(&mut self, wanted: Wanted<T>) -> Result<Vec<T>> {
        let mut is_listed = Vec::with_capacity(wanted.asked.len());
        for chunk in wanted.asked.chunks(BATCH) {
            is_listed.extend(self.db.are_listed(self.workspace, chunk).await?);
        }
        let groups = wanted.groups.into_iter();
        let unlisted = groups.filter(|(range, _)| !is_listed[range.clone()].contains(&true));
        Ok(unlisted.map(|(_, what)| what).collect())
    }

    /// The same, and reports each.
    pub(super) async fn report_unlisted(&mut self, wanted: Wanted<StateMismatch>) -> Result<()> {
        for mismatch in self.unlisted(wanted).await? {
            self.found.add(mismatch);
        }
        Ok(())
    }
}
