//! What people say, and the events made of it.

use strum::VariantArray;
use uuid::Uuid;

use super::fold::{TimeRefused, Word};
use super::{Change, Clock, IdentityId, MessageCategory, OptInStatus, Said};
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;

/// How far in the future an event may be dated: clocks differ.
pub const MAX_CLOCK_SKEW: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// How an event reached the business. In the order of the API's enum.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
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
        Self::VARIANTS.iter().copied().find(|source| *source as i64 == code)
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

/// How the actor of an event begins that passes on an objection to another person, which a row of an import
/// named beside the one who objected. The id of the objection's event follows. Nobody else's actor begins so.
pub const PASSED_ON_ACTOR: &str = "a row of an import, for event ";

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
    /// The person was erased.
    Erased = 6,
    /// A contact was created with several identities.
    Created = 7,
    /// An identity was added to a contact.
    Linked = 8,
    /// Two contacts became one.
    Merged = 9,
    /// An identity became a former one.
    Retired = 10,
    /// An identity was let go.
    Released = 11,
    /// What a non-contact had objected to became its contact's.
    Claimed = 12,
    /// What was known of a non-contact was deleted at the end of its retention.
    Forgotten = 13,
}

impl EventKind {
    const ALL: [Self; 12] = [
        Self::OptIn,
        Self::OptOut,
        Self::PlatformStop,
        Self::PlatformResume,
        Self::Erased,
        Self::Created,
        Self::Linked,
        Self::Merged,
        Self::Retired,
        Self::Released,
        Self::Claimed,
        Self::Forgotten,
    ];

    /// The kind of a number of the ledger.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == code)
    }
}

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentEvent {
    /// Grows with time.
    pub event_id: Uuid,
    /// None if the person was not a contact.
    pub contact_id: Option<Uuid>,
    /// The phone number or user id, in any form; the hashed one of a non-contact.
    pub match_key: MatchKey,
    /// What happened, and to which identities.
    pub change: EventChange,
    /// The categories it is about.
    pub categories: Vec<MessageCategory>,
    /// How it arrived. None for a change among identities without a statement.
    pub source: Option<Source>,
    /// What shows it.
    pub evidence: Evidence,
    /// What the person said.
    pub reason_text: String,
    /// When it was said, or took effect.
    pub occurred_time: Time,
    /// When it was recorded.
    pub record_time: Time,
    /// The categories whose consent it changed.
    pub changed_categories: Vec<MessageCategory>,
}

/// What an event does to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventChange {
    /// Something was said.
    Said {
        /// Opt-in, opt-out, stop or resume.
        kind: EventKind,
        /// Those it names.
        named: Vec<IdentityId>,
        /// Whose clock the time is from.
        clock: Clock,
        /// The person did not say so to the business: others report it, whatever the
        /// source. Rows of imports are.
        is_reported: bool,
        /// Of a stop or resume: the business's number, or [`ALL_SENDERS`](super::ALL_SENDERS).
        sender_phone_number_id: String,
        /// Of an opt-in: until when it holds.
        expire_time: Option<Time>,
    },
    /// A change among identities.
    Identities(Change),
    /// The retention of what was known of non-contacts ended.
    Forgotten(Vec<IdentityId>),
}

impl EventChange {
    /// What the ledger calls it.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Said { kind, .. } => *kind,
            Self::Forgotten(_) => EventKind::Forgotten,
            Self::Identities(change) => match change {
                // Never made: what is said has a variant of its own.
                Change::Said(_) => EventKind::OptOut,
                Change::Created { .. } => EventKind::Created,
                Change::Linked { .. } => EventKind::Linked,
                Change::Merged { .. } => EventKind::Merged,
                Change::Retired { .. } => EventKind::Retired,
                Change::Released { .. } => EventKind::Released,
                Change::Claimed { .. } => EventKind::Claimed,
                Change::Erased { .. } => EventKind::Erased,
            },
        }
    }
}

/// A statement to be recorded.
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

impl Statement {
    /// When it counts as said.
    ///
    /// # Errors
    /// For an opt-in, a time that no clock explains, and an expiry before it. An
    /// objection is never refused.
    pub fn said(&self, now: Time) -> Result<Said> {
        if self.status != OptInStatus::OptedIn {
            return Ok(Said::objection(self.occurred_time, now));
        }
        let said = permission_time(self.occurred_time, now)?;
        if self.expire_time.is_some_and(|expire| expire <= said.time) {
            let message = "expire_time has to be later than occurred_time";
            return Err(Error::invalid(Reason::InvalidTime, "expire_time", message));
        }
        Ok(said)
    }

    /// What it says, for the fold.
    pub fn word(&self, is_reported: bool) -> Word {
        let categories = self.categories.clone();
        match self.status {
            OptInStatus::OptedIn => Word::OptIn {
                categories,
                source: self.source,
                is_reported,
                expire: self.expire_time,
            },
            // Nothing else is ever stated; if it were, it would not be an opt-in.
            OptInStatus::OptedOut | OptInStatus::NotAsked => {
                Word::OptOut { categories, source: self.source }
            }
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
    /// When it counts as said.
    ///
    /// # Errors
    /// For a resume, a time that no clock explains.
    pub fn said(&self, now: Time) -> Result<Said> {
        match self.stopped {
            true => Ok(Said::objection(self.occurred_time, now)),
            false => permission_time(self.occurred_time, now),
        }
    }

    /// What it says, for the fold.
    pub fn word(&self) -> Word {
        let sender = self.sender_phone_number_id.clone();
        if self.stopped { Word::Stop { sender } } else { Word::Resume { sender } }
    }
}

fn permission_time(occurred_time: Option<Time>, now: Time) -> Result<Said> {
    let message = match Said::permission(occurred_time, now) {
        Ok(said) => return Ok(said),
        Err(TimeRefused::TooFarAhead) => {
            "occurred_time is more than 5 minutes in the future; send when the person said it, or \
             nothing for now"
        }
        Err(TimeRefused::BeforeWhatsApp) => {
            "occurred_time is before 2009, when there was no WhatsApp; send when the person said it"
        }
    };
    Err(Error::invalid(Reason::InvalidTime, "occurred_time", message))
}
