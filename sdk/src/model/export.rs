use std::time::SystemTime;

use super::{Contact, DeletionReceipt, MessageCategory, OptInEvent, OptInStatus};

/// Everything held about one person.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContactData {
    /// In full; none if the person is no contact.
    pub contact: Option<Contact>,
    /// What is recorded of their consent, category by category.
    pub consents: Vec<RecordedConsent>,
    /// What they told WhatsApp itself, by sender.
    pub platform_preferences: Vec<RecordedPlatformPreference>,
    /// The ledger, newest first.
    pub events: Vec<OptInEvent>,
    /// Where older entries are: a [`page_token`](crate::request::ListOptInEvents::page_token) of
    /// [`OptIn::events`](crate::OptIn::events) for the same person. None if these are all.
    pub events_page_token: Option<String>,
    /// Answers that the server keeps for replays of calls about the person.
    pub stored_responses: Vec<StoredResponse>,
    /// There are more of them.
    pub more_stored_responses: bool,
    /// Proof of erasures of the contact.
    pub receipts: Vec<DeletionReceipt>,
    /// The server's time of the answer.
    pub export_time: Option<SystemTime>,
}

/// What is recorded of a person's consent for one category.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedConsent {
    /// About what.
    pub category: MessageCategory,
    /// As last said, whether or not an opt-in ran out since.
    pub status: OptInStatus,
    /// The ledger entry that decided.
    pub event_id: Option<String>,
    /// When the person said it.
    pub occurred_time: Option<SystemTime>,
    /// For an opt-in: until when it holds. None: until withdrawn.
    pub expire_time: Option<SystemTime>,
}

/// What a person last told WhatsApp about marketing from one of the business's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedPlatformPreference {
    /// Of which number; none: of all.
    pub sender_phone_number_id: Option<String>,
    /// Whether marketing is stopped; anything but a resume counts as that.
    pub stopped: bool,
    /// When the person said it.
    pub occurred_time: Option<SystemTime>,
    /// The ledger entry.
    pub event_id: String,
}

/// That the server keeps an answer to a call, for the call to be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredResponse {
    /// As sent by the caller.
    pub request_id: String,
    /// Such as `UpdateContact`; empty if kept by an older server.
    pub method: String,
    /// When the call was answered.
    pub create_time: Option<SystemTime>,
}
