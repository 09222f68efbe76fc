use std::time::SystemTime;

use crate::convert::FromProto;

/// The answer to a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// The message may be sent.
    Allow,
    /// The message must not be sent.
    Deny,
    /// One that this version of the crate does not know, or none (0). Treat it as `Deny`.
    Unknown(i32),
}

/// Why a check was answered as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckReason {
    /// Allowed: the person agreed to this category.
    OptedIn,
    /// Denied: nothing is recorded for this category.
    NotAsked,
    /// Denied: the person objected.
    OptedOut,
    /// Denied: the person stopped marketing from this sender on WhatsApp; without a sender, from
    /// any. Asking the person again does not help: only they can lift it, there.
    PlatformOptedOut,
    /// Denied: the opt-in was given until a time that has passed.
    Expired,
    /// Denied: no such contact.
    UnknownContact,
    /// Denied: not a phone number. Only in batches; a single check fails instead.
    InvalidPhoneNumber,
    /// One that this version of the crate does not know, or none (0).
    Unknown(i32),
}

/// Whether one person may be messaged, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckResult {
    /// The answer. Ask [`is_allowed`](Self::is_allowed).
    pub decision: Decision,
    /// Why.
    pub reason: CheckReason,
    /// The contact; none if the person is not one.
    pub contact_id: Option<String>,
    /// The ledger entry that decided, if there is one.
    pub event_id: Option<String>,
    /// When the person agreed, objected or stopped.
    pub consent_time: Option<SystemTime>,
    /// The server's time of the answer.
    pub check_time: Option<SystemTime>,
}

impl CheckResult {
    /// Makes an answer that allows, for fakes in tests.
    pub fn allow() -> Self {
        Self::new(Decision::Allow, CheckReason::OptedIn)
    }

    /// Makes an answer that denies, for fakes in tests.
    pub fn deny(reason: CheckReason) -> Self {
        Self::new(Decision::Deny, reason)
    }

    fn new(decision: Decision, reason: CheckReason) -> Self {
        Self {
            decision,
            reason,
            contact_id: None,
            event_id: None,
            consent_time: None,
            check_time: None,
        }
    }

    /// Whether the message may be sent: true for [`Decision::Allow`] and nothing else.
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}

/// The answers to a batch of checks, index for index.
///
/// There are as many answers as numbers were asked about; the call fails otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCheckResult {
    pub(crate) decisions: Vec<i32>,
    pub(crate) reasons: Vec<i32>,
    pub(crate) check_time: Option<SystemTime>,
}

/// The answer for one number of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckOutcome {
    /// The index of the number in the request.
    pub index: usize,
    /// The answer.
    pub decision: Decision,
    /// Why.
    pub reason: CheckReason,
}

impl CheckOutcome {
    /// Whether the message may be sent: true for [`Decision::Allow`] and nothing else.
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}

impl BatchCheckResult {
    /// How many numbers were asked about.
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    /// Whether no number was asked about.
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// Whether the number at `index` may be messaged; false for an index out of range.
    pub fn allowed(&self, index: usize) -> bool {
        self.get(index).is_some_and(|outcome| outcome.is_allowed())
    }

    /// The answer for the number at `index`.
    pub fn get(&self, index: usize) -> Option<CheckOutcome> {
        Some(CheckOutcome {
            index,
            decision: Decision::from_proto(*self.decisions.get(index)?),
            reason: CheckReason::from_proto(*self.reasons.get(index)?),
        })
    }

    /// The answers in the order of the request.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = CheckOutcome> {
        self.decisions.iter().zip(&self.reasons).enumerate().map(|(index, (decision, reason))| {
            CheckOutcome {
                index,
                decision: Decision::from_proto(*decision),
                reason: CheckReason::from_proto(*reason),
            }
        })
    }

    /// The indexes of the numbers that may be messaged.
    pub fn allowed_indexes(&self) -> impl Iterator<Item = usize> {
        self.iter().filter(CheckOutcome::is_allowed).map(|outcome| outcome.index)
    }

    /// The server's time of the answers.
    pub fn check_time(&self) -> Option<SystemTime> {
        self.check_time
    }
}
