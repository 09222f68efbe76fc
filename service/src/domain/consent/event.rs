//! What people say, and the events made of it.

use uuid::Uuid;

use super::{ALL_SENDERS, MessageCategory, OptInStatus};
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;

/// How far in the future an event may be dated: clocks differ.
pub const MAX_CLOCK_SKEW: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// How an event reached the business. In the order of the API's enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the API")]
pub enum Source {
    WebForm = 1,
    InboundMessage,
    Ivr,
    Paper,
    Import,
    Operator,
    Api,
    Platform,
}

impl Source {
    /// Whether the person spoke themselves, and nobody for them.
    pub fn is_the_person(self) -> bool {
        match self {
            Self::WebForm | Self::InboundMessage | Self::Ivr | Self::Paper => true,
            Self::Import | Self::Operator | Self::Api | Self::Platform => false,
        }
    }

    /// The source of a number, as stored and in the API.
    pub fn from_code(code: i64) -> Option<Self> {
        [
            Self::WebForm,
            Self::InboundMessage,
            Self::Ivr,
            Self::Paper,
            Self::Import,
            Self::Operator,
            Self::Api,
            Self::Platform,
        ]
        .into_iter()
        .find(|source| *source as i64 == code)
    }
}

/// What shows that a person agreed or objected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the API")]
pub struct Evidence {
    pub wording: String,
    pub wording_version: String,
    pub business_name: String,
    pub url: String,
    pub message_id: String,
    pub actor: String,
}

/// What an event says. The numbers are those of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The person agreed.
    OptIn = 2,
    /// The person objected.
    OptOut = 3,
    /// The person stopped marketing on the platform.
    PlatformStop = 4,
    /// The person allowed it again there.
    PlatformResume = 5,
}

impl EventKind {
    /// The kind of a number of the ledger.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::OptIn, Self::OptOut, Self::PlatformStop, Self::PlatformResume]
            .into_iter()
            .find(|kind| *kind as i64 == code)
    }
}

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentEvent {
    /// Grows with time.
    pub event_id: Uuid,
    /// None if the person was not a contact.
    pub contact_id: Option<Uuid>,
    /// Whom it is about, however the number was written.
    pub match_key: MatchKey,
    /// What was said.
    pub kind: EventKind,
    /// What it is about.
    pub categories: Vec<MessageCategory>,
    /// Of which of the business's numbers it was said, on the platform; or of
    /// all: [`ALL_SENDERS`].
    pub sender_phone_number_id: String,
    /// How it arrived.
    pub source: Source,
    /// What shows it.
    pub evidence: Evidence,
    /// What the person said.
    pub reason_text: String,
    /// When it was said.
    pub occurred_time: Time,
    /// When it was recorded.
    pub record_time: Time,
    /// Until when an opt-in holds.
    pub expire_time: Option<Time>,
    /// The categories whose status it changed.
    pub changed_categories: Vec<MessageCategory>,
}

/// A statement to be recorded: an event without whom and when recorded.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "as in ConsentEvent")]
pub struct Statement {
    pub status: OptInStatus,
    /// Not empty, sorted.
    pub categories: Vec<MessageCategory>,
    pub source: Source,
    pub evidence: Evidence,
    pub reason_text: String,
    /// None means now.
    pub occurred_time: Option<Time>,
    pub expire_time: Option<Time>,
}

/// Refuses a time no clock explains.
fn validate_occurred_time(occurred_time: Option<Time>, now: Time) -> Result<()> {
    if occurred_time.is_none_or(|time| time <= now + MAX_CLOCK_SKEW) {
        return Ok(());
    }
    let message = "occurred_time is more than 5 minutes in the future; \
                   send when the person said it, or nothing for now";
    Err(Error::invalid(Reason::InvalidTime, "occurred_time", message))
}

impl Statement {
    /// Refuses times no clock explains.
    pub fn validate(&self, now: Time) -> Result<()> {
        validate_occurred_time(self.occurred_time, now)?;
        let said = self.occurred_time.unwrap_or(now);
        if self.expire_time.is_some_and(|expire| expire <= said) {
            let message = "expire_time has to be later than occurred_time";
            return Err(Error::invalid(Reason::InvalidTime, "expire_time", message));
        }
        Ok(())
    }

    /// The event this statement is of one person.
    pub fn event(
        &self,
        event_id: Uuid,
        contact_id: Option<Uuid>,
        match_key: MatchKey,
        now: Time,
    ) -> ConsentEvent {
        ConsentEvent {
            event_id,
            contact_id,
            match_key,
            kind: match self.status {
                OptInStatus::OptedIn => EventKind::OptIn,
                // Nothing else is ever stated; if it were, it would not be an opt-in.
                OptInStatus::OptedOut | OptInStatus::NotAsked => EventKind::OptOut,
            },
            categories: self.categories.clone(),
            sender_phone_number_id: ALL_SENDERS.to_owned(),
            source: self.source,
            evidence: self.evidence.clone(),
            reason_text: self.reason_text.clone(),
            occurred_time: self.occurred_time.unwrap_or(now),
            record_time: now,
            expire_time: self.expire_time,
            changed_categories: Vec::new(),
        }
    }
}

/// What a person told WhatsApp, to be recorded: stop or resume marketing.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "as in ConsentEvent")]
pub struct PlatformStatement {
    pub stopped: bool,
    pub sender_phone_number_id: String,
    pub evidence: Evidence,
    /// None means now.
    pub occurred_time: Option<Time>,
}

impl PlatformStatement {
    /// Refuses a time no clock explains.
    pub fn validate(&self, now: Time) -> Result<()> {
        validate_occurred_time(self.occurred_time, now)
    }

    /// The event this statement is of one person.
    pub fn event(
        &self,
        event_id: Uuid,
        contact_id: Option<Uuid>,
        match_key: MatchKey,
        now: Time,
    ) -> ConsentEvent {
        ConsentEvent {
            event_id,
            contact_id,
            match_key,
            kind: if self.stopped { EventKind::PlatformStop } else { EventKind::PlatformResume },
            categories: vec![MessageCategory::Marketing],
            sender_phone_number_id: self.sender_phone_number_id.clone(),
            source: Source::Platform,
            evidence: self.evidence.clone(),
            reason_text: String::new(),
            occurred_time: self.occurred_time.unwrap_or(now),
            record_time: now,
            expire_time: None,
            changed_categories: Vec::new(),
        }
    }
}
