//! Checks: may this person be messaged? Each is decided by a read of the database
//! that began after the check arrived. If the read fails, the check fails: no
//! decision is made without it.

mod as_of;
mod coalescer;
mod decisions;
mod mirror;
mod people;
mod read;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{
    Check, CheckReason, Decision, IdentityConsent, IdentityId, MessageCategory, Sending, Verdict,
    decide,
};
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::operations::named;
use crate::runtime::off_worker;
use crate::store::{CheckRow, ConnectionPlaces, Store};
use crate::telemetry::metrics::Metrics;
use coalescer::Coalescer;
use decisions::Decisions;
pub use mirror::MirrorLimits;
use mirror::{Early, Held, Mirror};
use read::StoreReads;

/// Most people in one batch.
pub const MAX_BATCH: usize = 10_000;

/// Runs checks.
#[derive(Clone)]
pub struct Checker {
    store: Store,
    reads: StoreReads,
    coalescer: Coalescer<StoreReads>,
    mirror: Mirror,
    decisions: Arc<Decisions>,
    /// The reads of many people: some connections are left to single checks.
    batches: Arc<ConnectionPlaces>,
}

/// What a check asks.
#[derive(Clone, Copy, Debug)]
pub struct CheckQuery<'a> {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: &'a str,
    /// The person.
    pub recipient: &'a Recipient,
    /// Further ids of the person, each of which has to be allowed too.
    pub also: &'a [Recipient],
    /// What is about to be sent.
    pub sending: Sending<'a>,
    /// The time the check is about. None: now.
    pub as_of_time: Option<Time>,
}

impl<'a> CheckQuery<'a> {
    /// All ids of the person, in the order in which they are decided about.
    pub fn recipients(&self) -> impl Iterator<Item = &'a Recipient> + Clone + use<'a> {
        std::iter::once(self.recipient).chain(self.also)
    }
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckOutcome {
    /// Determines the decision, see [`CheckReason::decision`].
    pub reason: CheckReason,
    /// Which of the query's recipients the answer is of: the first that is denied, or the
    /// first of all.
    pub decided_by: usize,
    /// None if the person is not a contact.
    pub contact_id: Option<Uuid>,
    /// The identity that was decided about. None if nothing is known of it.
    pub identity_id: Option<IdentityId>,
    /// Of contacts that were not named by a phone number or user id: the identities that
    /// messages would go to.
    pub primary_keys: Vec<MatchKey>,
    /// The event that determined the reason, if there was one.
    pub event_id: Option<Uuid>,
    /// When the person made the statement of that event.
    pub consent_time: Option<Time>,
    /// The time after the read, at which an opt-in must not have expired, unless the query
    /// is about another.
    pub check_time: Time,
}

/// The outcome of a batch of checks.
#[derive(Clone, Debug)]
pub struct BatchOutcome {
    /// The reasons, index for index.
    pub reasons: Vec<CheckReason>,
    /// As that of one check.
    pub check_time: Time,
    /// See [`Checker::incarnation`]. None if it was not needed.
    pub incarnation: Option<[u8; 32]>,
}

impl Checker {
    /// A checker that reads from a store. A read that takes longer than `timeout` fails
    /// with UNAVAILABLE.
    pub fn new(store: Store, timeout: Duration, limits: MirrorLimits) -> Self {
        let decisions = Arc::new(Decisions::new(&Metrics::default()));
        let reads = StoreReads { store: store.clone(), timeout };
        let coalescer = Coalescer::new(reads.clone());
        let mirror = Mirror::new(store.clone(), limits);
        let batches = Arc::new(store.batch_places(timeout));
        Self { store, reads, coalescer, mirror, decisions, batches }
    }

    /// Measures decisions and reads.
    #[must_use]
    pub(crate) fn measured(self, metrics: &Metrics) -> Self {
        let decisions = Arc::new(Decisions::new(metrics));
        let (coalescer, mirror) = (self.coalescer.measured(metrics), self.mirror.measured(metrics));
        Self { coalescer, mirror, decisions, ..self }
    }

    /// Checks whether this may be sent to this person now.
    pub async fn check(&self, query: &CheckQuery<'_>) -> Result<CheckOutcome> {
        let outcome = self.answer(query).await?;
        // A question about the past decides about no message.
        if query.as_of_time.is_none() {
            self.decisions.count(query.sending.category, outcome.reason, 1);
        }
        Ok(outcome)
    }

    async fn answer(&self, query: &CheckQuery<'_>) -> Result<CheckOutcome> {
        let workspace_id = named(query.workspace_id)?;
        if let Some(time) = query.as_of_time {
            return off_worker(self.check_as_of(workspace_id, query, time)).await;
        }
        if let (Recipient::Key(key), []) = (query.recipient, query.also) {
            let row = self.read_key(workspace_id, key).await?;
            let now = self.store.now_for_expiry();
            return Ok(outcome(0, row.as_ref(), verdict(row.as_ref(), &query.sending, now), now));
        }
        let people = self.read_people(workspace_id, query.recipients()).await?;
        let now = self.store.now_for_expiry();
        let decided = query.recipients().enumerate().map(|(index, recipient)| {
            let row = people.row(recipient);
            outcome(index, row, verdict(row, &query.sending, now), now)
        });
        let primary_keys = query.recipients().filter_map(|person| people.primary_key(person));
        let primary_keys = primary_keys.cloned().collect();
        Ok(CheckOutcome { primary_keys, ..first_denied(decided)? })
    }

    /// Checks many people. What could not be read has its reason already.
    pub async fn check_batch(
        &self,
        workspace_id: &str,
        recipients: &[Result<Recipient, CheckReason>],
        sending: &Sending<'_>,
    ) -> Result<BatchOutcome> {
        let workspace_id = named(workspace_id)?;
        let (settled, incarnation) =
            self.settled(workspace_id, recipients, sending.category).await?;
        let open = recipients.iter().zip(&settled).filter(|(_, settled)| settled.is_none());
        let open = open.filter_map(|(recipient, _)| recipient.as_ref().ok());
        let people = self.read_people(workspace_id, open).await?;
        let now = self.store.now_for_expiry();
        let reason = |(recipient, settled): (&Result<Recipient, _>, &Option<_>)| match (
            recipient, settled,
        ) {
            (Err(reason), _) | (_, Some(reason)) => *reason,
            (Ok(recipient), None) => verdict(people.row(recipient), sending, now).reason,
        };
        let reasons: Vec<_> = recipients.iter().zip(&settled).map(reason).collect();
        self.decisions.count_all(sending.category, &reasons);
        Ok(BatchOutcome { reasons, check_time: now, incarnation })
    }

    /// What tells a workspace from an earlier one with its id.
    pub async fn incarnation(&self, workspace_id: &str) -> Result<[u8; 32]> {
        Ok(self.validity(named(workspace_id)?).await?.incarnation)
    }
}

impl Checker {
    /// The answers that memory has, where they depend on nothing but the row, and the incarnation of
    /// the workspace, if memory has it.
    async fn settled(
        &self,
        workspace_id: &str,
        recipients: &[Result<Recipient, CheckReason>],
        category: MessageCategory,
    ) -> Result<(Vec<Option<CheckReason>>, Option<[u8; 32]>)> {
        let look = |held: &Held| {
            let keys = recipients.iter().map(|one| one.as_ref().ok().and_then(Recipient::key));
            held.settled(keys, category)
        };
        let Some((held, validity, early)) = self.held_while(workspace_id, look).await? else {
            return Ok((vec![None; recipients.len()], None));
        };
        let valid = |early: Option<Early>| early?.valid(category, &validity);
        let settled = valid(early).or_else(|| valid(look(&held)));
        let settled = settled.unwrap_or_else(|| vec![None; recipients.len()]);
        self.mirror.used(settled.iter().flatten().count());
        Ok((settled, Some(validity.incarnation)))
    }
}

/// Of several decisions about a person the first denial, or the first of all.
fn first_denied(decided: impl Iterator<Item = CheckOutcome>) -> Result<CheckOutcome> {
    let mut first = None;
    for outcome in decided {
        if outcome.reason.decision() != Decision::Allow {
            return Ok(outcome);
        }
        first.get_or_insert(outcome);
    }
    first.ok_or_else(|| Error::internal("a check of nobody"))
}

fn outcome(decided_by: usize, row: Option<&CheckRow>, verdict: Verdict, now: Time) -> CheckOutcome {
    CheckOutcome {
        reason: verdict.reason,
        decided_by,
        contact_id: row.and_then(|row| row.contact_id),
        identity_id: row.map(|row| row.identity_id),
        primary_keys: Vec::new(),
        event_id: verdict.event,
        consent_time: verdict.time,
        check_time: now,
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
