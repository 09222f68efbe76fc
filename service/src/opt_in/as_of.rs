//! Checks as of a time in the past.

use super::{CheckOutcome, CheckQuery, Checker, first_denied, outcome, verdict};
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::operations::as_of;

impl Checker {
    /// What a check at this time would have answered, from what had been recorded by then.
    pub(super) async fn check_as_of(
        &self,
        workspace_id: &str,
        query: &CheckQuery<'_>,
        time: Time,
    ) -> Result<CheckOutcome> {
        if time > self.store.now() {
            let message = "as_of_time is in the future; leave it out to check now";
            return Err(Error::invalid(Reason::InvalidTime, "as_of_time", message));
        }
        let recipients: Vec<_> = query.recipients().collect();
        let past = as_of::people(&self.store, workspace_id, &recipients, time).await?;
        let now = self.store.now();
        let decided = past.rows.iter().enumerate().flat_map(|(index, rows)| {
            let nothing = rows.is_empty().then_some(None);
            let rows = rows.iter().map(Some).chain(nothing);
            rows.map(move |row| outcome(index, row, verdict(row, &query.sending, time), now))
        });
        Ok(CheckOutcome { primary_keys: past.primary_keys, ..first_denied(decided)? })
    }
}
