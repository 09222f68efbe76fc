//! The decision rule: one row, one answer.

use chrono::TimeDelta;
use uuid::Uuid;

use super::IdentityConsent;
use crate::domain::Time;
use crate::domain::consent::{Decision, MessageCategory, Source};

/// Why a message may or must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckReason {
    /// A permission holds, and nothing stands against it.
    OptedIn,
    /// Nothing is known.
    NotAsked,
    /// The person objected.
    OptedOut,
    /// The person was erased, and did not agree since.
    Erased,
    /// The person stopped marketing on the platform.
    PlatformOptedOut,
    /// The identity was the contact's, and may be somebody else's by now.
    FormerIdentity,
    /// The permission that counts has ended, or is older than the policy allows.
    Expired,
    /// The identity is no contact's.
    UnknownContact,
    /// No phone number could be read. Decided before any row is.
    InvalidPhoneNumber,
    /// The same of what is named otherwise.
    InvalidRecipient,
}

impl CheckReason {
    /// Only a permission that holds allows.
    pub fn decision(self) -> Decision {
        match self {
            Self::OptedIn => Decision::Allow,
            Self::NotAsked
            | Self::OptedOut
            | Self::Erased
            | Self::PlatformOptedOut
            | Self::FormerIdentity
            | Self::Expired
            | Self::UnknownContact
            | Self::InvalidPhoneNumber
            | Self::InvalidRecipient => Decision::Deny,
        }
    }
}

/// What is asked of a row.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// Whether the identity is a contact's, current or former.
    pub is_contact: bool,
    /// Whether it is a former one.
    pub is_former: bool,
    /// The template's category.
    pub category: MessageCategory,
    /// From which of the business's numbers, or
    /// [`ALL_SENDERS`](crate::domain::consent::ALL_SENDERS) where not told.
    pub sender: &'a str,
    /// The workspace's policy: from which age on a permission counts as expired.
    pub max_age: Option<TimeDelta>,
    /// The time of the answer.
    pub now: Time,
}

/// The answer, and what it follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub reason: CheckReason,
    /// The event that decides, if one does.
    pub event: Option<Uuid>,
    /// When that was said.
    pub time: Option<Time>,
    /// How that arrived. None for an erasure.
    pub source: Option<Source>,
    /// Until when the permission that counts holds, the policy included.
    pub expire: Option<Time>,
}

/// Decides a check by the row of its identity; of an identity without a row by
/// the default.
pub fn decide(row: &IdentityConsent, check: &Check<'_>) -> Verdict {
    let denied = |reason| Verdict { reason, event: None, time: None, source: None, expire: None };
    let objections = &row.objections;
    let platform = match check.category {
        MessageCategory::Marketing => objections.stops().standing(check.sender),
        MessageCategory::Utility | MessageCategory::Authentication => None,
    };
    let standing = [
        (CheckReason::OptedOut, objections.opt_out(check.category)),
        (CheckReason::Erased, objections.erasure(check.category)),
        (CheckReason::PlatformOptedOut, platform),
    ];
    for (reason, objection) in standing {
        if let Some(objection) = objection {
            let (event, time) = (Some(objection.event), Some(objection.time));
            return Verdict { event, time, source: objection.source, ..denied(reason) };
        }
    }
    if check.is_former {
        return denied(CheckReason::FormerIdentity);
    }
    if !check.is_contact {
        return denied(CheckReason::UnknownContact);
    }
    let Some(permission) = row.permission(check.category) else {
        return denied(CheckReason::NotAsked);
    };
    let expire = permission.expire_under(check.max_age);
    let reason = match expire.is_some_and(|expire| expire <= check.now) {
        true => CheckReason::Expired,
        false => CheckReason::OptedIn,
    };
    let (event, time) = (Some(permission.event), Some(permission.time));
    Verdict { reason, event, time, source: Some(permission.source), expire }
}
