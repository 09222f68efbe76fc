//! What a contact repeats of the consent of the identity that a message would go to:
//! enough for lists and filters to say what a check would.

use chrono::TimeDelta;

use super::{
    ALL_SENDERS, Check, CheckReason, IdentityConsent, MessageCategory, OptInPolicy, Source, decide,
};
use crate::domain::Time;

/// Whether a person agreed to one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptInStatus {
    /// Nothing is recorded.
    #[default]
    NotAsked,
    /// The person agreed.
    OptedIn,
    /// The person objected.
    OptedOut,
}

/// What a check by contact and without a sender answers, apart from time and policy, and
/// what the contact shows. The numbers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsentState {
    /// Nothing is known.
    #[default]
    NotAsked = 1,
    /// A permission counts.
    Permitted = 2,
    /// An opt-out stands, or a stop of all senders: shown as opted out.
    Objected = 3,
    /// A permission counts, but a stop of some senders stands: shown as opted in.
    Stopped = 4,
    /// An erasure stands, or a stop of some senders without a permission: shown as not
    /// asked.
    Withheld = 5,
}

impl ConsentState {
    /// The state with this number.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::NotAsked, Self::Permitted, Self::Objected, Self::Stopped, Self::Withheld]
            .into_iter()
            .find(|state| *state as i64 == code)
    }

    /// The status to show while the permission, if there is one, has not ended.
    pub fn status(self) -> OptInStatus {
        match self {
            Self::NotAsked | Self::Withheld => OptInStatus::NotAsked,
            Self::Permitted | Self::Stopped => OptInStatus::OptedIn,
            Self::Objected => OptInStatus::OptedOut,
        }
    }
}

/// The consent of a contact in one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CategoryConsent {
    /// Who may send what.
    pub state: ConsentState,
    /// When what decides was said. None if nothing is known.
    pub time: Option<Time>,
    /// How that arrived. None for an erasure too.
    pub source: Option<Source>,
    /// Until when the permission holds, without any policy.
    pub expire: Option<Time>,
    /// From when the age of the permission counts. None if there is none.
    pub counted_from: Option<Time>,
}

impl CategoryConsent {
    fn of(row: &IdentityConsent, category: MessageCategory) -> Self {
        let check = Check {
            is_contact: true,
            is_former: false,
            category,
            sender: ALL_SENDERS,
            max_age: None,
            now: Time::MIN_UTC,
        };
        let verdict = decide(row, &check);
        let is_stopped =
            category == MessageCategory::Marketing && row.objections.stops().of_all().is_some();
        let permission = row.permission(category);
        let state = match (verdict.reason, permission) {
            (CheckReason::NotAsked, _) => ConsentState::NotAsked,
            (CheckReason::OptedIn, _) => ConsentState::Permitted,
            (CheckReason::OptedOut, _) => ConsentState::Objected,
            _ if is_stopped => ConsentState::Objected,
            (CheckReason::PlatformOptedOut, Some(_)) => ConsentState::Stopped,
            _ => ConsentState::Withheld,
        };
        let counts = matches!(state, ConsentState::Permitted | ConsentState::Stopped);
        let permission = permission.filter(|_| counts);
        Self {
            state,
            time: verdict.time,
            source: verdict.source,
            expire: permission.and_then(|permission| permission.expire),
            counted_from: permission.map(|permission| permission.counted_from),
        }
    }

    /// When the permission ends if permissions of this age count as expired.
    pub fn end(&self, max_age: Option<TimeDelta>) -> Option<Time> {
        let age = self.counted_from.zip(max_age);
        let aged = age.and_then(|(from, age)| from.checked_add_signed(age));
        [self.expire, aged].into_iter().flatten().min()
    }

    /// Whether a check by contact and without a sender allows at `now`.
    pub fn is_sendable(&self, max_age: Option<TimeDelta>, now: Time) -> bool {
        self.state == ConsentState::Permitted && self.end(max_age).is_none_or(|end| end > now)
    }
}

/// The consent of the identity that a message to the contact would go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsentSummary {
    /// In the order of [`MessageCategory::ALL`].
    pub categories: [CategoryConsent; 3],
    /// When the consent last changed.
    pub update_time: Option<Time>,
}

impl ConsentSummary {
    /// The summary of an identity's row.
    pub fn of(row: &IdentityConsent, update_time: Option<Time>) -> Self {
        let categories = MessageCategory::ALL.map(|category| CategoryConsent::of(row, category));
        Self { categories, update_time }
    }

    /// What the contact shows under a policy.
    pub fn shown(&self, policy: &OptInPolicy) -> ShownConsent {
        let show = |category: MessageCategory| {
            let consent = &self.categories[category as usize];
            (consent.state.status(), consent.end(policy.max_age(category)))
        };
        ShownConsent { categories: MessageCategory::ALL.map(show), update_time: self.update_time }
    }
}

/// What a contact shows of its consent. A stop of marketing from all senders shows as
/// opted out, so that segments leave these people out; an erasure that stands shows as not
/// asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShownConsent {
    /// Status, and when a permission ends, in the order of [`MessageCategory::ALL`].
    pub categories: [(OptInStatus, Option<Time>); 3],
    /// When the consent last changed.
    pub update_time: Option<Time>,
}

impl ShownConsent {
    /// The status as of `now`: an opt-in that has ended counts as never asked.
    pub fn status_at(&self, category: MessageCategory, now: Time) -> OptInStatus {
        match self.categories[category as usize] {
            (OptInStatus::OptedIn, Some(end)) if end <= now => OptInStatus::NotAsked,
            (status, _) => status,
        }
    }
}
