//! Checks: may this person be messaged? Each is decided by a read of the database
//! that began after the check arrived. If the read fails, the check fails: no
//! decision is made without it.

mod coalescer;
mod read;

use std::time::Duration;

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{
    Check, CheckReason, IdentityConsent, IdentityId, Sending, Verdict, decide,
};
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
    timeout: Duration,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckOutcome {
    /// Determines the decision, see [`CheckReason::decision`].
    pub reason: CheckReason,
    /// None if the person is not a contact.
    pub contact_id: Option<Uuid>,
    /// The identity that was decided about. None if nothing is known of it.
    pub identity_id: Option<IdentityId>,
    /// Of a contact that was named by its id: the identity that a message would go to.
    pub primary_key: Option<MatchKey>,
    /// The event that determined the reason, if there was one.
    pub event_id: Option<Uuid>,
    /// When the person made the statement of that event.
    pub consent_time: Option<Time>,
    /// The time after the read, at which an opt-in must not have expired.
    pub check_time: Time,
}

impl Checker {
    /// A checker that reads from a store. A read that takes longer than `timeout` fails
    /// with UNAVAILABLE.
    pub fn new(store: Store, timeout: Duration) -> Self {
        Self { coalescer: Coalescer::new(store.clone(), timeout), store, timeout }
    }

    /// Checks whether this may be sent to this person now.
    pub async fn check(
        &self,
        workspace_id: &str,
        recipient: &Recipient,
        sending: &Sending<'_>,
    ) -> Result<CheckOutcome> {
        let workspace_id = named(workspace_id)?;
        let (primary_key, row) = match recipient {
            Recipient::Key(key) => (None, self.coalescer.read(workspace_id, key.clone()).await?),
            Recipient::Id(_) | Recipient::ExternalId(_) => {
                self.check_contact(workspace_id, recipient).await?
            }
        };
        let now = self.store.now();
        let verdict = verdict(row.as_ref(), sending, now);
        Ok(CheckOutcome {
            reason: verdict.reason,
            contact_id: row.as_ref().and_then(|row| row.contact_id),
            identity_id: row.map(|row| row.identity_id),
            primary_key,
            event_id: verdict.event,
            consent_time: verdict.time,
            check_time: now,
        })
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
        let rows = read_rows(&self.store, self.timeout, named(workspace_id)?, &sorted).await?;
        let now = self.store.now();
        let reasons = keys
            .iter()
            .map(|key| match key {
                Some(key) => verdict(rows.get(key), sending, now).reason,
                None => CheckReason::InvalidPhoneNumber,
            })
            .collect();
        Ok((reasons, now))
    }

    /// Reads the consent of the identity of a contact that a message would go to. If
    /// another contact got it in between (a number released, a contact merged), it reads
    /// again.
    async fn check_contact(
        &self,
        workspace_id: &str,
        recipient: &Recipient,
    ) -> Result<(Option<MatchKey>, Option<CheckRow>)> {
        for _ in 0..LOOKUPS {
            let recipients = std::slice::from_ref(recipient);
            let found = operations::read::find(&self.store, workspace_id, recipients).await?;
            let Some(contact) = found.into_iter().flatten().next() else {
                return Ok((None, None));
            };
            let keys = decode_profile(&contact)?.profile.match_keys();
            let Some(key) = keys.into_iter().next() else { return Ok((None, None)) };
            let row = self.coalescer.read(workspace_id, key.clone()).await?;
            if row.as_ref().is_some_and(|row| row.contact_id == Some(contact.contact_id)) {
                return Ok((Some(key), row));
            }
        }
        Err(Error::new(Reason::WriteConflict, "the contact is being changed; retry"))
    }
}

/// Decides by the row of an identity; without a row nothing is known of it.
fn verdict(row: Option<&CheckRow>, sending: &Sending<'_>, now: Time) -> Verdict {
    let check = Check {
        is_contact: row.is_some_and(|row| row.contact_id.is_some()),
        is_former: row.is_some_and(|row| row.is_former),
        category: sending.category,
        sender: sending.sender_phone_number_id,
        max_age: row.and_then(|row| row.max_ages[sending.category as usize]),
        now,
    };
    match row {
        Some(row) => decide(&row.consent, &check),
        None => decide(&IdentityConsent::default(), &check),
    }
}
