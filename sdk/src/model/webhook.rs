use std::collections::BTreeMap;

/// What became of a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookReport {
    /// What became of each statement, in the order of the webhook.
    pub results: Vec<WebhookResult>,
    /// How many of the results have each outcome.
    pub counts: WebhookCounts,
    /// How many statements were passed over because they say nothing of consent and identity, by why:
    /// `message`, `status`, `other_field`, ….
    pub ignored: BTreeMap<String, u64>,
    /// Whether the server verified the signature. It does not without an app secret.
    pub signature_verified: bool,
}

/// What became of one statement of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookResult {
    /// Index of the entry.
    pub entry: u64,
    /// Index of the change in the entry.
    pub change: u64,
    /// What it says.
    pub kind: WebhookStatementKind,
    /// What became of it.
    pub outcome: WebhookOutcome,
    /// The contact it is about, if there is one.
    pub contact_id: Option<String>,
    /// The event that records it, if there is one.
    pub event_id: Option<String>,
    /// The contact that has the other id, with [`WebhookOutcome::Contradicts`]. If the two are one
    /// person, join them with [`Contacts::merge`](crate::Contacts::merge).
    pub other_contact_id: Option<String>,
    /// Where it is, if it cannot be read.
    pub path: Option<String>,
    /// Why it was not applied, and what to do.
    pub message: Option<String>,
}

/// How many statements of a webhook have each [`WebhookOutcome`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each counts the outcome of its name")]
pub struct WebhookCounts {
    pub recorded: u64,
    pub linked: u64,
    pub already_applied: u64,
    pub already_linked: u64,
    pub unknown_contact: u64,
    pub contradicts: u64,
    pub outdated: u64,
    pub refused: u64,
    pub unreadable: u64,
}

/// What a statement of a webhook says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookStatementKind {
    /// The person stopped marketing in WhatsApp.
    Stop,
    /// The person resumed marketing in WhatsApp.
    Resume,
    /// The person sent a stop word.
    OptOut,
    /// The person has a new phone number.
    NumberChanged,
    /// The person has a new user id.
    UserIdChanged,
    /// A phone number and a user id are one person's.
    SamePerson,
    /// A value that this version of the crate does not know, or 0 for what cannot be read.
    Unknown(i32),
}

/// What became of a statement of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookOutcome {
    /// A stop, a resume or an opt-out is in the ledger now.
    Recorded,
    /// A new number or user id is the contact's now.
    Linked,
    /// It was applied before.
    AlreadyApplied,
    /// The contact has these ids already.
    AlreadyLinked,
    /// No contact has the ids.
    UnknownContact,
    /// It is not what is known. Nothing was changed.
    Contradicts,
    /// Something later is known. Nothing was changed.
    Outdated,
    /// It cannot be applied, see [`message`](WebhookResult::message). Nothing was changed.
    Refused,
    /// It has no readable id or time.
    Unreadable,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}
