//! The check path: may this person be messaged? Always answered from the
//! database's committed state as of some moment after the question arrived,
//! and with an error, never an answer, when the database cannot say.

mod coalescer;

use std::time::Duration;

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{CheckReason, Sending, decide};
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::{MatchKey, match_key_of};
use crate::operations::{named, read, workspaces};
use crate::store::{CheckRow, CheckRows, Store, decode_profile};
use coalescer::Coalescer;

/// Most numbers of one batch.
pub const MAX_BATCH: usize = 10_000;
/// How often a contact named by its id is looked up, should it change meanwhile.
const LOOKUPS: usize = 3;

/// Answers checks.
#[derive(Clone)]
pub struct Checker {
    store: Store,
    coalescer: Coalescer,
    timeout: Duration,
}

/// The answer to one check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckAnswer {
    /// Why, and with it whether.
    pub reason: CheckReason,
    /// None if the person is no contact.
    pub contact_id: Option<Uuid>,
    /// The event that decided.
    pub event_id: Option<Uuid>,
    /// When the person said so.
    pub consent_time: Option<Time>,
    /// What expiry was held against.
    pub check_time: Time,
}

impl Checker {
    /// Answers from this store. A read that takes longer than `timeout` fails with UNAVAILABLE.
    pub fn new(store: Store, timeout: Duration) -> Self {
        Self { coalescer: Coalescer::new(store.clone(), timeout), store, timeout }
    }

    /// May this person be sent this now?
    pub async fn check(
        &self,
        workspace_id: &str,
        person: &Recipient,
        sending: &Sending<'_>,
    ) -> Result<CheckAnswer> {
        let workspace_id = named(workspace_id)?;
        let row = match person {
            Recipient::Key(key) => self.coalescer.read(workspace_id, key.clone()).await?,
            Recipient::Id(_) => self.check_contact(workspace_id, person).await?,
        };
        let now = self.store.now();
        let reason = reason(row.as_ref(), sending, now);
        let stop = row.as_ref().and_then(|row| sending.platform_stop(&row.state));
        let (event_id, consent_time) = match (reason, stop, &row) {
            (CheckReason::PlatformOptedOut, Some(stop), _) => {
                (Some(stop.event_id), Some(stop.occurred_time))
            }
            // An erasure is nothing the person said.
            (CheckReason::NotAsked | CheckReason::UnknownContact, ..) => (None, None),
            (_, _, Some(row)) => {
                let known = row.state.get(sending.category);
                (known.event_id, known.occurred_time)
            }
            (_, _, None) => (None, None),
        };
        let contact_id = row.and_then(|row| row.contact_id);
        Ok(CheckAnswer { reason, contact_id, event_id, consent_time, check_time: now })
    }

    /// The same for many numbers, index for index, in one read of its own: a
    /// large batch would hold up the single checks that joined it.
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
        // In order: neighbours in the index are read together.
        let mut asked: Vec<MatchKey> = keys.iter().flatten().cloned().collect();
        asked.sort_unstable();
        asked.dedup();
        let rows = read_rows(&self.store, self.timeout, named(workspace_id)?, &asked).await?;
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

    /// What is known of a contact, by a key it has. The key may change hands in
    /// between (a number released, a contact merged): then once more.
    async fn check_contact(
        &self,
        workspace_id: &str,
        person: &Recipient,
    ) -> Result<Option<CheckRow>> {
        for _ in 0..LOOKUPS {
            let people = std::slice::from_ref(person);
            let found = read::find(&self.store, workspace_id, people).await?;
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

/// One read, with an end: a database that does not answer is not an answer.
async fn read_rows(
    store: &Store,
    timeout: Duration,
    workspace_id: &str,
    keys: &[MatchKey],
) -> Result<CheckRows> {
    tokio::time::timeout(timeout, store.check(workspace_id, keys))
        .await
        .map_err(Error::unavailable)??
        .ok_or_else(|| workspaces::missing(workspace_id))
}
