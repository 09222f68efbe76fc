use std::time::SystemTime;

/// Whether a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// The message may be sent.
    Allow,
    /// The message must not be sent.
    Deny,
    /// A value that this version of the crate does not know, or 0 for none. Treat it as `Deny`.
    Unknown(i32),
}

/// The reason of a [`Decision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckReason {
    /// Allowed: the person agreed to this category.
    OptedIn,
    /// Denied: nothing is recorded for this category.
    NotAsked,
    /// Denied: the person opted out.
    OptedOut,
    /// Denied: the person stopped marketing messages from this sender in WhatsApp, or, in a check
    /// without a sender, from any sender. Only the person can lift it, in WhatsApp; a new opt-in does
    /// not.
    PlatformOptedOut,
    /// Denied: the opt-in has expired.
    Expired,
    /// Denied: there is no such contact.
    UnknownContact,
    /// Denied: not a phone number. Only in batches; a single check returns an error instead.
    InvalidPhoneNumber,
    /// The contact had this number or user id before. Somebody else may have it by now.
    FormerIdentity,
    /// The person was erased and has not opted in since.
    Erased,
    /// Denied: not a user id, contact id or external id. Only in batches; a single check returns an error instead.
    InvalidRecipient,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}

/// Whether one person may be messaged, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckResult {
    /// Whether the message may be sent. Use [`is_allowed`](Self::is_allowed).
    pub decision: Decision,
    /// The reason of the decision.
    pub reason: CheckReason,
    /// Of which of several ids this is the answer, if the check named [more](crate::request::CheckOptIn::also)
    /// than one: 0 is the first. 0 too if all are allowed.
    pub recipient_index: usize,
    /// The contact's id. `None` if the person is not a contact.
    pub contact_id: Option<String>,
    /// The consent event that decided, if there is one.
    pub event_id: Option<String>,
    /// When the person opted in, opted out or stopped marketing in WhatsApp.
    pub consent_time: Option<SystemTime>,
    /// The server's time of the check.
    pub check_time: Option<SystemTime>,
    /// The receipt, if the check [asked for one](crate::request::CheckOptIn::receipt): a signed
    /// statement of question and answer. Store it beside the message. `contacts_sdk::receipt`, of the
    /// feature `receipts`, verifies it.
    pub receipt: Option<String>,
}

impl CheckResult {
    /// Creates an allowing result, for fakes in tests.
    pub fn allow() -> Self {
        Self::new(Decision::Allow, CheckReason::OptedIn)
    }

    /// Creates a denying result, for fakes in tests.
    pub fn deny(reason: CheckReason) -> Self {
        Self::new(Decision::Deny, reason)
    }

    fn new(decision: Decision, reason: CheckReason) -> Self {
        Self {
            decision,
            reason,
            recipient_index: 0,
            contact_id: None,
            event_id: None,
            consent_time: None,
            check_time: None,
            receipt: None,
        }
    }

    /// Whether the message may be sent: true only for [`Decision::Allow`].
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}

/// The results of a batch of checks, in the order of the recipients.
///
/// There is exactly one result for each recipient; otherwise the call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCheckResult {
    pub(crate) outcomes: Vec<CheckOutcome>,
    pub(crate) check_time: Option<SystemTime>,
}

/// The result for one recipient of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckOutcome {
    /// The index of the recipient in the request.
    pub index: usize,
    /// Whether the message may be sent. Use [`is_allowed`](Self::is_allowed).
    pub decision: Decision,
    /// The reason of the decision.
    pub reason: CheckReason,
}

impl CheckOutcome {
    /// Whether the message may be sent: true only for [`Decision::Allow`].
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}

impl BatchCheckResult {
    /// The number of recipients in the request.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether the request had no recipients.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// Whether the recipient at `index` may be messaged; false if the index is out of range.
    pub fn allowed(&self, index: usize) -> bool {
        self.get(index).is_some_and(|outcome| outcome.is_allowed())
    }

    /// The result for the recipient at `index`.
    pub fn get(&self, index: usize) -> Option<CheckOutcome> {
        self.outcomes.get(index).copied()
    }

    /// The results in the order of the request.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = CheckOutcome> {
        self.outcomes.iter().copied()
    }

    /// The indexes of the recipients that may be messaged, ascending.
    pub fn allowed_indexes(&self) -> impl Iterator<Item = usize> {
        self.iter().filter(CheckOutcome::is_allowed).map(|outcome| outcome.index)
    }

    /// The server's time of the check.
    pub fn check_time(&self) -> Option<SystemTime> {
        self.check_time
    }
}
