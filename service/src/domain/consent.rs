//! Consent: what people said, what it amounts to, and whether a message may be
//! sent. Pure functions; the rule everything else serves.

mod event;
pub mod fold;
mod policy;
mod summary;

pub use event::{
    ConsentEvent, EventChange, EventKind, Evidence, MAX_CLOCK_SKEW, PASSED_ON_ACTOR,
    PlatformStatement, Source, Statement,
};
pub use fold::{
    Change, Check, CheckReason, Clock, IdentityConsent, IdentityId, NoEffect, Outcome, Person,
    Role, Said, Verdict, decide, settled,
};
pub use policy::{EvidenceField, MAX_POLICIES, OptInPolicy, PolicyPeriod};
pub use summary::{CategoryConsent, ConsentState, ConsentSummary, OptInStatus, ShownConsent};

/// Stands for all of the business's numbers.
pub const ALL_SENDERS: &str = "";

/// Longest id of one of the business's numbers. Meta's have some 15 digits.
const MAX_SENDER_DIGITS: usize = 64;

/// Whether a text can be the id that Meta gave one of the business's numbers: digits.
pub fn is_sender(id: &str) -> bool {
    (1..=MAX_SENDER_DIGITS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// WhatsApp's template categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageCategory {
    /// The strictest. A check without a category is for marketing.
    Marketing,
    /// About an order, an account or an appointment.
    Utility,
    /// One-time passwords.
    Authentication,
}

impl MessageCategory {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Marketing, Self::Utility, Self::Authentication];

    /// The name in fields and columns, such as `marketing`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
        }
    }
}

/// Whether a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It must not.
    Deny,
}

/// What is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The category of the template.
    pub category: MessageCategory,
    /// The business's number that sends it; [`ALL_SENDERS`] if unknown.
    pub sender_phone_number_id: &'a str,
}
