//! Checks: may this person be messaged? Each is decided by a read of the database
//! that began after the check arrived. If the read fails, the check fails: no
//! decision is made without it.

mod coalescer;
mod read;

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{CheckReason, Sending, decide};
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::{MatchKey, match_key_of};
use crate::operations::{self, named};
use crate::store::{CheckRow, Store, decode_profile};
use coalescer::Coalescer;
use read::read_rows;

/// Most numbers in one batch.
const MAX_BATCH: usize = 10_000;

/// How often a contact is looked up by its id while others keep changing it.
const LOOKUPS: usize = 3;

/// Runs checks.
#[derive(Clone)]
pub struct Checker {
    store: Store,
    coalescer: Coalescer,
}

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckOutcome {
    /// Determines the decision, see [`CheckReason::decision`].
    pub reason: CheckReason,
    /// None if the person is not a contact.
    pub contact_id: Option<Uuid>,
    /// The event that determined the reason, if there was one.
    pub event_id: Option<Uuid>,
    /// When the person made the statement of that event.
    pub consent_time: Option<Time>,
    /// The time after the read, at which an opt-in must not have expired.
    pub check_time: Time,
}

impl Checker {
    /// A checker that reads from a store.
    pub fn new(store: Store) -> Self {
        Self { coalescer: Coalescer::new(store.clone()), store }
    }

    /// Checks whether this may be sent to this person now.
    pub async fn check(
        &self,
        workspace_id: &str,
        recipient: &Recipient,
        sending: &Sending<'_>,
    ) -> Result<CheckOutcome> {
        let workspace_id = named(workspace_id)?;
        let row = match recipient {
            Recipient::Key(key) => self.coalescer.read(workspace_id, key.clone()).await?,
            Recipient::Id(_) => self.check_contact(workspace_id, recipient).await?,
        };
        let now = self.store.now();
        let reason = reason(row.as_ref(), sending, now);
        let stop = row.as_ref().and_then(|row| sending.platform_stop(&row.state));
        let (event_id, consent_time) = match (reason, stop, &row) {
            (CheckReason::PlatformOptedOut, Some(stop), _) => {
                (Some(stop.event_id), Some(stop.occurred_time))
            }
            // The event of an erasure is no statement of the person.
            (CheckReason::NotAsked | CheckReason::UnknownContact, ..) => (None, None),
            (_, _, Some(row)) => {
                let known = row.state.get(sending.category);
                (known.event_id, known.occurred_time)
            }
            (_, _, None) => (None, None),
        };
        let contact_id = row.and_then(|row| row.contact_id);
        Ok(CheckOutcome { reason, contact_id, event_id, consent_time, check_time: now })
    }

    /// Checks many numbers and returns their reasons, index for index, with the time
    /// of the check. The batch is read apart from single checks, which it would
    /// delay.
    pub async fn check_batch(
        &self,
        workspace_id: &str,
        phone_numbers: &[String],
        sending: &Sending<'_>,
    ) -> Result<(Vec<CheckReason>, Time)> {
        if phone_numbers.len() > MAX_BATCH {
            return Err(Error::limit("phone_numbers", MAX_BATCH, phone_numbers.len()));
        }
        let keys: Vec<_> = phone_numbers.iter().map(|number| match_key_of(number).ok()).collect();
        // Sorted, so that keys next to each other in the index are read together.
        let mut sorted: Vec<MatchKey> = keys.iter().flatten().cloned().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let rows = read_rows(&self.store, named(workspace_id)?, &sorted).await?;
        let now = self.store.now();
        let reasons = keys
            .iter()
            .map(|key| match key {
                Some(key) => reason(rows.get(key), sending, now),
                None => CheckReason::InvalidPhoneNumber,
            })
            .collect();
        Ok((reasons, now))
    }

    /// Reads the consent of a contact, by one of its keys. If another contact got
    /// the key in between (a number released, a contact merged), it reads again.
    async fn check_contact(
        &self,
        workspace_id: &str,
        recipient: &Recipient,
    ) -> Result<Option<CheckRow>> {
        for _ in 0..LOOKUPS {
            let recipients = std::slice::from_ref(recipient);
            let found = operations::read::find(&self.store, workspace_id, recipients).await?;
            let Some(contact) = found.into_iter().flatten().next() else { return Ok(None) };
            let keys = decode_profile(&contact)?.profile.match_keys();
            let Some(key) = keys.into_iter().next() else { return Ok(None) };
            let row = self.coalescer.read(workspace_id, key).await?;
            if row.as_ref().is_some_and(|row| row.contact_id == Some(contact.contact_id)) {
                return Ok(row);
            }
        }
        Err(Error::new(Reason::WriteConflict, "the contact is being changed; retry"))
    }
}

fn reason(row: Option<&CheckRow>, sending: &Sending<'_>, now: Time) -> CheckReason {
    let is_contact = row.is_some_and(|row| row.contact_id.is_some());
    decide(row.map(|row| &row.state), is_contact, sending, now)
}
