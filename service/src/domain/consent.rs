//! Consent: what a person agreed to, how events change it, and whether a
//! message may be sent. Pure functions; the rule everything else serves.

mod decision;
mod event;
pub mod fold;
mod platform;

use std::cmp::Reverse;

pub use decision::{CheckReason, Decision, Sending, decide};
pub use event::{
    ConsentEvent, EventKind, Evidence, MAX_CLOCK_SKEW, PlatformStatement, Source, Statement,
};
pub use platform::{ALL_SENDERS, PlatformEntry, PlatformPreferences};
use uuid::Uuid;

use super::Time;

/// WhatsApp's template categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageCategory {
    /// The strictest, and what an unspecified category is taken for.
    Marketing,
    /// About an order, an account, an appointment.
    Utility,
    /// One-time passwords.
    Authentication,
}

impl MessageCategory {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Marketing, Self::Utility, Self::Authentication];
}

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

/// What is known of one person and one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CategoryConsent {
    /// As last said.
    pub status: OptInStatus,
    /// When it was said.
    pub occurred_time: Option<Time>,
    /// Until when an opt-in holds.
    pub expire_time: Option<Time>,
    /// The event that said it.
    pub event_id: Option<Uuid>,
}

impl CategoryConsent {
    /// The status as of `now`: an opt-in that ran out counts as never asked.
    pub fn status_at(&self, now: Time) -> OptInStatus {
        if self.is_expired(now) { OptInStatus::NotAsked } else { self.status }
    }

    /// Whether only the person can lift it: they objected, or were erased. Then
    /// nothing holds, and there is an event that says so.
    pub fn is_suppressed(&self) -> bool {
        self.status == OptInStatus::OptedOut || self.is_erased()
    }

    fn is_erased(&self) -> bool {
        self.status == OptInStatus::NotAsked && self.event_id.is_some()
    }

    fn is_expired(&self, now: Time) -> bool {
        self.status == OptInStatus::OptedIn && self.expire_time.is_some_and(|expire| expire <= now)
    }
}

/// What is known of one person's consent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsentState {
    categories: [CategoryConsent; 3],
    /// What the person told WhatsApp.
    pub platform: PlatformPreferences,
    /// When it last changed.
    pub update_time: Option<Time>,
}

impl ConsentState {
    /// A state as stored, in the order of [`MessageCategory::ALL`].
    pub fn new(
        categories: [CategoryConsent; 3],
        platform: PlatformPreferences,
        update_time: Option<Time>,
    ) -> Self {
        Self { categories, platform, update_time }
    }

    /// What is known for one category.
    pub fn get(&self, category: MessageCategory) -> &CategoryConsent {
        &self.categories[category as usize]
    }

    /// What contacts show of it. Who stopped marketing from all senders on the
    /// platform shows as opted out, so that segments leave them out.
    pub fn summary(&self) -> ConsentSummary {
        let mut categories = self.categories.map(|consent| (consent.status, consent.expire_time));
        if self.platform.stop_of_all().is_some() {
            categories[MessageCategory::Marketing as usize] = (OptInStatus::OptedOut, None);
        }
        ConsentSummary { categories, update_time: self.update_time }
    }

    /// Whether the person objected to anything, or was erased.
    pub fn is_suppressed(&self) -> bool {
        self.categories.iter().any(CategoryConsent::is_suppressed)
            || self.platform.stop(ALL_SENDERS).is_some()
    }

    /// The same without what the person agreed to: what is kept of somebody who
    /// is no contact.
    #[must_use]
    pub fn only_suppressions(self) -> Self {
        let kept = |consent: CategoryConsent| match consent.is_suppressed() {
            true => consent,
            false => CategoryConsent::default(),
        };
        // A resume beside a stop says whom the stop leaves alone.
        let platform = match self.platform.stop(ALL_SENDERS) {
            Some(_) => self.platform,
            None => PlatformPreferences::default(),
        };
        Self { categories: self.categories.map(kept), platform, ..self }
    }

    /// What is kept of somebody who is erased: what they objected to, and of the
    /// rest that they were erased, so that nobody claims that they agree.
    #[must_use]
    pub fn erased(self, event_id: Uuid, now: Time) -> Self {
        let kept = |consent: CategoryConsent| match consent.status {
            OptInStatus::OptedOut => consent,
            OptInStatus::NotAsked | OptInStatus::OptedIn => CategoryConsent {
                occurred_time: Some(now),
                event_id: Some(event_id),
                ..CategoryConsent::default()
            },
        };
        // A resume beside a stop says whom the stop leaves alone.
        let platform = match self.platform.stop(ALL_SENDERS) {
            Some(_) => self.platform,
            None => PlatformPreferences::default(),
        };
        Self { categories: self.categories.map(kept), platform, update_time: Some(now) }
    }

    /// Applies an event and returns the categories it changed.
    ///
    /// Per category the latest `occurred_time` wins; of two at the same time
    /// the opt-out, and of two opt-ins the one that ends first. What loses is
    /// history without effect. What is said on the platform counts by itself.
    pub fn apply(&mut self, event: &ConsentEvent) -> Vec<MessageCategory> {
        let changed = match event.kind {
            EventKind::OptIn => self.apply_statement(event, OptInStatus::OptedIn),
            EventKind::OptOut => self.apply_statement(event, OptInStatus::OptedOut),
            EventKind::PlatformStop | EventKind::PlatformResume => {
                let said = PlatformEntry {
                    sender_phone_number_id: event.sender_phone_number_id.clone(),
                    stopped: event.kind == EventKind::PlatformStop,
                    occurred_time: event.occurred_time,
                    event_id: event.event_id,
                };
                if self.platform.apply(said) { event.categories.clone() } else { Vec::new() }
            }
        };
        if !changed.is_empty() {
            self.update_time = Some(event.record_time);
        }
        changed
    }

    fn apply_statement(
        &mut self,
        event: &ConsentEvent,
        status: OptInStatus,
    ) -> Vec<MessageCategory> {
        let said = CategoryConsent {
            status,
            occurred_time: Some(event.occurred_time),
            expire_time: event.expire_time,
            event_id: Some(event.event_id),
        };
        let strictness = |consent: &CategoryConsent| {
            let end = consent.expire_time.unwrap_or(Time::MAX_UTC);
            (consent.occurred_time, consent.status == OptInStatus::OptedOut, Reverse(end))
        };
        let mut changed = event.categories.clone();
        changed.retain(|category| {
            let current = &mut self.categories[*category as usize];
            let wins = strictness(&said) >= strictness(current);
            if wins {
                *current = said;
            }
            wins
        });
        changed
    }

    /// The stricter of two states of what turned out to be one person: per
    /// category an opt-out wins, then an erasure, then the later statement.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        let rank = |consent: &CategoryConsent| {
            (consent.status == OptInStatus::OptedOut, consent.is_erased(), consent.occurred_time)
        };
        let mut merged = self;
        for (mine, theirs) in merged.categories.iter_mut().zip(other.categories) {
            if rank(&theirs) > rank(mine) {
                *mine = theirs;
            }
        }
        merged.platform = merged.platform.stricter(other.platform);
        merged.update_time = merged.update_time.max(other.update_time);
        merged
    }
}

impl ConsentState {
    /// The consent of two contacts that are said to be one person, per category
    /// the stricter: an opt-out of either, else the opt-in both gave, the one
    /// that ends first, else none. That they are one is an operator's word, which
    /// must not let a number be messaged whose holder never agreed.
    #[must_use]
    pub fn merged_with(self, other: Self) -> Self {
        let mut merged = self;
        for (mine, theirs) in merged.categories.iter_mut().zip(other.categories) {
            *mine = mine.merged_with(theirs);
        }
        merged.platform = merged.platform.stricter(other.platform);
        merged.update_time = merged.update_time.max(other.update_time);
        merged
    }
}

impl CategoryConsent {
    fn merged_with(self, other: Self) -> Self {
        let later = if other.occurred_time > self.occurred_time { other } else { self };
        match (self.status, other.status) {
            (OptInStatus::OptedOut, OptInStatus::OptedOut) => later,
            (OptInStatus::OptedOut, _) => self,
            (_, OptInStatus::OptedOut) => other,
            (OptInStatus::OptedIn, OptInStatus::OptedIn) => {
                match (self.expire_time, other.expire_time) {
                    (None, None) => later,
                    (Some(mine), Some(theirs)) if mine <= theirs => self,
                    (Some(_), None) => self,
                    (_, Some(_)) => other,
                }
            }
            // Of one that was erased it stays known.
            _ if self.is_suppressed() => self,
            _ if other.is_suppressed() => other,
            _ => Self::default(),
        }
    }
}

/// The part of a consent state that contacts show and filters use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsentSummary {
    /// Status and expiry, in the order of [`MessageCategory::ALL`].
    pub categories: [(OptInStatus, Option<Time>); 3],
    /// When it last changed.
    pub update_time: Option<Time>,
}

impl ConsentSummary {
    /// The status as of `now`: an opt-in that ran out counts as never asked.
    pub fn status_at(&self, category: MessageCategory, now: Time) -> OptInStatus {
        let (status, expire_time) = self.categories[category as usize];
        CategoryConsent { status, expire_time, ..CategoryConsent::default() }.status_at(now)
    }
}

#[cfg(test)]
mod tests;
