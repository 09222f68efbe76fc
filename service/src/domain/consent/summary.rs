//! What a contact shows of its consent, and what filters compare.

use super::{IdentityConsent, MessageCategory};
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

/// The consent of the identity that a message to the contact would go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsentSummary {
    /// Status and expiry, in the order of [`MessageCategory::ALL`].
    pub categories: [(OptInStatus, Option<Time>); 3],
    /// When the consent last changed.
    pub update_time: Option<Time>,
}

impl ConsentSummary {
    /// The summary of an identity's row. A stop of marketing from all senders shows
    /// as opted out, so that segments leave these people out; an erasure that
    /// stands shows as not asked.
    pub fn of(row: &IdentityConsent, update_time: Option<Time>) -> Self {
        let status = |category: MessageCategory| {
            let objections = &row.objections;
            let is_stopped =
                category == MessageCategory::Marketing && objections.stops().of_all().is_some();
            if is_stopped || objections.opt_out(category).is_some() {
                return (OptInStatus::OptedOut, None);
            }
            match row.permission(category) {
                Some(permission) if objections.erasure(category).is_none() => {
                    (OptInStatus::OptedIn, permission.expire)
                }
                _ => (OptInStatus::NotAsked, None),
            }
        };
        Self { categories: MessageCategory::ALL.map(status), update_time }
    }

    /// The status as of `now`: an opt-in that has ended counts as never asked.
    pub fn status_at(&self, category: MessageCategory, now: Time) -> OptInStatus {
        match self.categories[category as usize] {
            (OptInStatus::OptedIn, Some(expire)) if expire <= now => OptInStatus::NotAsked,
            (status, _) => status,
        }
    }
}
