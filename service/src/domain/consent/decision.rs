//! The decision rule.

use super::{ConsentState, MessageCategory, OptInStatus, PlatformEntry};
use crate::domain::Time;

/// Whether a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It must not.
    Deny,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the API")]
pub enum CheckReason {
    OptedIn,
    NotAsked,
    OptedOut,
    PlatformOptedOut,
    Expired,
    UnknownContact,
    InvalidPhoneNumber,
}

impl CheckReason {
    /// Only an opt-in that holds allows.
    pub fn decision(self) -> Decision {
        match self {
            Self::OptedIn => Decision::Allow,
            Self::NotAsked
            | Self::OptedOut
            | Self::PlatformOptedOut
            | Self::Expired
            | Self::UnknownContact
            | Self::InvalidPhoneNumber => Decision::Deny,
        }
    }
}

/// What is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The template's.
    pub category: MessageCategory,
    /// From which of the business's numbers; [`ALL_SENDERS`](super::ALL_SENDERS) when not told.
    pub sender_phone_number_id: &'a str,
}

impl Sending<'_> {
    /// The stop on the platform that forbids it. It speaks of marketing only.
    pub fn platform_stop<'s>(&self, state: &'s ConsentState) -> Option<&'s PlatformEntry> {
        match self.category {
            MessageCategory::Marketing => state.platform.stop(self.sender_phone_number_id),
            MessageCategory::Utility | MessageCategory::Authentication => None,
        }
    }
}

/// The decision rule. `known` is None when nothing is stored of the person;
/// `is_contact` is false when only an opt-out is.
///
/// docs/consent.md has it as a table.
pub fn decide(
    known: Option<&ConsentState>,
    is_contact: bool,
    sending: &Sending<'_>,
    now: Time,
) -> CheckReason {
    let Some(state) = known else { return CheckReason::UnknownContact };
    let consent = state.get(sending.category);
    match consent.status {
        OptInStatus::OptedOut => CheckReason::OptedOut,
        _ if sending.platform_stop(state).is_some() => CheckReason::PlatformOptedOut,
        _ if !is_contact => CheckReason::UnknownContact,
        OptInStatus::OptedIn if consent.is_expired(now) => CheckReason::Expired,
        OptInStatus::OptedIn => CheckReason::OptedIn,
        OptInStatus::NotAsked => CheckReason::NotAsked,
    }
}
