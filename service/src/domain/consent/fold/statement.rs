//! What is recorded, and what came of it.

use uuid::Uuid;

use super::{IdentityId, Said};
use crate::domain::Time;
use crate::domain::consent::{MessageCategory, Source};

/// Something said of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The event that records it.
    pub event: Uuid,
    /// The identities it names. What is said of a contact names who was
    /// [there at](super::Person::there_at) its time.
    pub named: Vec<IdentityId>,
    /// When it was said.
    pub said: Said,
    /// What was said.
    pub word: Word,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The person agreed, or somebody reports that they did.
    OptIn {
        /// What it is about.
        categories: Vec<MessageCategory>,
        /// How it arrived.
        source: Source,
        /// The person did not say so to the business, whatever the source: others report
        /// it. Rows of imports are.
        is_reported: bool,
        /// Until when it holds.
        expire: Option<Time>,
    },
    /// The person objected.
    OptOut {
        /// What it is about.
        categories: Vec<MessageCategory>,
        /// How it arrived.
        source: Source,
    },
    /// The person stopped marketing on the platform.
    Stop {
        /// From which of the business's numbers, or [`ALL_SENDERS`](crate::domain::consent::ALL_SENDERS).
        sender: String,
    },
    /// The person allowed it again there.
    Resume {
        /// As of a stop.
        sender: String,
    },
}

/// What came of a statement in one category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It counts now.
    Effective,
    /// What it says held before.
    AlreadySo,
    /// It does not count.
    NoEffect(NoEffect),
}

/// Why a statement does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEffect {
    /// An opt-out or a stop stands that this statement cannot lift.
    Objected {
        /// The event of the latest one.
        event: Uuid,
    },
    /// The person was erased, and did not agree since.
    Erased {
        /// The event of the erasure.
        event: Uuid,
    },
    /// Something later is known.
    OlderThanKnown,
    /// What others report, or what ends later at the same time, does not widen
    /// what holds.
    DoesNotWiden,
    /// An identity it names is a former one.
    FormerIdentity,
    /// It was said before the identities it names came to their holder.
    BeforeHolder,
    /// None of the identities it names is of this person.
    NotOfThisPerson,
}

/// What came of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When it counts as said: what the ledger holds, with the clock of
    /// [`Statement::said`].
    pub time: Time,
    /// For each category it is about; for what was said on the platform, marketing.
    pub outcomes: Vec<(MessageCategory, Outcome)>,
}
