use std::time::SystemTime;

use super::{Contact, DeletionReceipt, MessageCategory, OptInEvent, OptInStatus};

/// All data stored about a person.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContactData {
    /// The contact with all fields. `None` if the person is not a contact.
    pub contact: Option<Contact>,
    /// The recorded consent, one entry per category.
    pub consents: Vec<RecordedConsent>,
    /// Marketing preferences that the person set in WhatsApp, one entry per sender.
    pub platform_preferences: Vec<RecordedPlatformPreference>,
    /// The consent events, newest first. At most 1000.
    pub events: Vec<OptInEvent>,
    /// The [`page_token`](crate::request::ListOptInEvents::page_token) of
    /// [`OptIn::events`](crate::OptIn::events) that returns the older events of the same person. `None`
    /// if there are none.
    pub events_page_token: Option<String>,
    /// Responses stored for idempotent repetition of calls about the person, newest first. At most 1000.
    pub stored_responses: Vec<StoredResponse>,
    /// Whether there are more of them.
    pub more_stored_responses: bool,
    /// Receipts of deletions of the contact.
    pub receipts: Vec<DeletionReceipt>,
    /// Server time of the response.
    pub export_time: Option<SystemTime>,
}

/// The recorded consent of a person for one category.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedConsent {
    /// The category.
    pub category: MessageCategory,
    /// The latest status. It remains [`OptInStatus::OptedIn`] after the opt-in has expired. While an
    /// erasure stands, an opt-in shows as [`OptInStatus::NotAsked`].
    pub status: OptInStatus,
    /// Id of the consent event that decided the status.
    pub event_id: Option<String>,
    /// When the person made the statement.
    pub occurred_time: Option<SystemTime>,
    /// For an opt-in: when it expires. `None` if it is valid until withdrawn.
    pub expire_time: Option<SystemTime>,
}

/// The latest marketing preference that a person set in WhatsApp for one of the business's phone
/// numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedPlatformPreference {
    /// Meta's id of the business's phone number. `None` means all of them.
    pub sender_phone_number_id: Option<String>,
    /// Whether marketing messages are stopped. True for every value except a resume.
    pub stopped: bool,
    /// When the person made the statement.
    pub occurred_time: Option<SystemTime>,
    /// Id of the consent event.
    pub event_id: String,
}

/// Describes a response that is stored so that a repetition of the request returns it again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredResponse {
    /// `request_id` of the request.
    pub request_id: String,
    /// Name of the method, such as `UpdateContact`.
    pub method: String,
    /// When the response was stored.
    pub create_time: Option<SystemTime>,
}
