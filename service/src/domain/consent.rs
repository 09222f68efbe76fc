//! Consent: what a person agreed to, how events change it, and whether a
//! message may be sent. Pure functions; the rule everything else serves.

use uuid::Uuid;

use super::Time;
use super::error::{Error, Reason, Result};
use super::phone::MatchKey;

/// How far in the future an event may be dated: clocks differ.
pub const MAX_CLOCK_SKEW: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

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

    fn is_expired(&self, now: Time) -> bool {
        self.status == OptInStatus::OptedIn && self.expire_time.is_some_and(|expire| expire <= now)
    }
}

/// What is known of one person's consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsentState {
    categories: [CategoryConsent; 3],
    /// When it last changed.
    pub update_time: Option<Time>,
}

impl ConsentState {
    /// A state as stored, in the order of [`MessageCategory::ALL`].
    pub fn new(categories: [CategoryConsent; 3], update_time: Option<Time>) -> Self {
        Self { categories, update_time }
    }

    /// What is known for one category.
    pub fn get(&self, category: MessageCategory) -> &CategoryConsent {
        &self.categories[category as usize]
    }

    /// What contacts show of it.
    pub fn summary(&self) -> ConsentSummary {
        ConsentSummary {
            categories: self.categories.map(|consent| (consent.status, consent.expire_time)),
            update_time: self.update_time,
        }
    }

    /// Whether the person objected to anything.
    pub fn has_opt_out(&self) -> bool {
        self.categories.iter().any(|consent| consent.status == OptInStatus::OptedOut)
    }

    /// The same without what the person did not object to: what is kept of
    /// somebody who is no contact.
    #[must_use]
    pub fn only_opt_outs(self) -> Self {
        let kept = |consent: CategoryConsent| match consent.status {
            OptInStatus::OptedOut => consent,
            OptInStatus::NotAsked | OptInStatus::OptedIn => CategoryConsent::default(),
        };
        Self { categories: self.categories.map(kept), ..self }
    }

    /// Applies an event and returns the categories it changed.
    ///
    /// Per category the latest `occurred_time` wins; of two at the same time
    /// the opt-out. What loses is history without effect.
    pub fn apply(&mut self, event: &ConsentEvent) -> Vec<MessageCategory> {
        let mut changed = Vec::new();
        for &category in &event.categories {
            let current = &mut self.categories[category as usize];
            let wins = match current.occurred_time {
                None => true,
                Some(time) if time == event.occurred_time => {
                    event.status == OptInStatus::OptedOut || current.status != OptInStatus::OptedOut
                }
                Some(time) => time < event.occurred_time,
            };
            if wins {
                *current = CategoryConsent {
                    status: event.status,
                    occurred_time: Some(event.occurred_time),
                    expire_time: event.expire_time,
                    event_id: Some(event.event_id),
                };
                changed.push(category);
            }
        }
        if !changed.is_empty() {
            self.update_time = Some(event.record_time);
        }
        changed
    }

    /// The stricter of two states of what turned out to be one person: per
    /// category an opt-out wins, then the later statement.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        let rank = |consent: &CategoryConsent| {
            (consent.status == OptInStatus::OptedOut, consent.occurred_time)
        };
        let mut merged = self;
        for (mine, theirs) in merged.categories.iter_mut().zip(other.categories) {
            if rank(&theirs) > rank(mine) {
                *mine = theirs;
            }
        }
        merged.update_time = self.update_time.max(other.update_time);
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
        merged.update_time = self.update_time.max(other.update_time);
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

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentEvent {
    /// Grows with time.
    pub event_id: Uuid,
    /// None if the person was not a contact.
    pub contact_id: Option<Uuid>,
    /// Whom it is about, however the number was written.
    pub match_key: MatchKey,
    /// OptedIn or OptedOut.
    pub status: OptInStatus,
    /// What it is about.
    pub categories: Vec<MessageCategory>,
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

impl Statement {
    /// Refuses times no clock explains.
    pub fn check(&self, now: Time) -> Result<()> {
        if self.occurred_time.is_some_and(|time| time > now + MAX_CLOCK_SKEW) {
            let message = "occurred_time is more than 5 minutes in the future; \
                           send when the person said it, or nothing for now";
            return Err(Error::invalid(Reason::InvalidTime, "occurred_time", message));
        }
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
            status: self.status,
            categories: self.categories.clone(),
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
            | Self::Expired
            | Self::UnknownContact
            | Self::InvalidPhoneNumber => Decision::Deny,
        }
    }
}

/// The decision rule. `known` is None when nothing is stored of the person;
/// `is_contact` is false when only an opt-out is.
pub fn decide(known: Option<&CategoryConsent>, is_contact: bool, now: Time) -> CheckReason {
    let Some(consent) = known else { return CheckReason::UnknownContact };
    match consent.status {
        OptInStatus::OptedOut => CheckReason::OptedOut,
        _ if !is_contact => CheckReason::UnknownContact,
        OptInStatus::OptedIn if consent.is_expired(now) => CheckReason::Expired,
        OptInStatus::OptedIn => CheckReason::OptedIn,
        OptInStatus::NotAsked => CheckReason::NotAsked,
    }
}

#[cfg(test)]
mod tests;
