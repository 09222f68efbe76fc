use std::time::SystemTime;

use super::MessageCategory;

/// The data of one business: its contacts, tags, attributes and consent events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workspace {
    /// Unique id, `[a-z][a-z0-9_-]{0,62}`. Immutable.
    pub workspace_id: String,
    /// Name for people.
    pub display_name: String,
    /// When the workspace was created.
    pub create_time: Option<SystemTime>,
    /// Words with which people opt out in a message.
    pub stop_words: Vec<String>,
    /// What an opt-in must have, and how long it holds.
    pub opt_in_policy: OptInPolicy,
}

/// What a workspace demands of opt-ins. The default demands nothing.
///
/// ```
/// use contacts_sdk::{EvidenceField, MessageCategory, OptInPolicy};
///
/// let policy = OptInPolicy::new()
///     .require(EvidenceField::Wording)
///     .max_age_days(MessageCategory::Marketing, 730);
/// assert_eq!(policy.max_age_days_of(MessageCategory::Marketing), Some(730));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInPolicy {
    /// The fields of [`Evidence`](super::Evidence) that an opt-in needs. One without them fails with
    /// [`EVIDENCE_REQUIRED`](crate::reason::EVIDENCE_REQUIRED); an opt-out never does.
    pub required_evidence: Vec<EvidenceField>,
    pub(crate) max_age_days: [u32; 3],
}

impl OptInPolicy {
    /// A policy that demands nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires a field of the evidence, of opt-ins that are recorded from now on.
    pub fn require(mut self, field: EvidenceField) -> Self {
        self.required_evidence.push(field);
        self
    }

    /// Sets the age after which a permission counts as expired, in days of 24 hours: 1 to 36500, or 0
    /// for no limit. It applies to all opt-ins, also to earlier ones.
    pub fn max_age_days(mut self, category: MessageCategory, days: u32) -> Self {
        if let Some(age) = index(category).and_then(|at| self.max_age_days.get_mut(at)) {
            *age = days;
        }
        self
    }

    /// The age after which a permission of a category counts as expired. `None` if it has no limit.
    pub fn max_age_days_of(&self, category: MessageCategory) -> Option<u32> {
        let days = index(category).and_then(|at| self.max_age_days.get(at).copied());
        days.filter(|days| *days != 0)
    }
}

fn index(category: MessageCategory) -> Option<usize> {
    match category {
        MessageCategory::Marketing => Some(0),
        MessageCategory::Utility => Some(1),
        MessageCategory::Authentication => Some(2),
        MessageCategory::Unknown(_) => None,
    }
}

/// A field of [`Evidence`](super::Evidence).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvidenceField {
    /// The exact text that the person agreed to.
    Wording,
    /// Your version of that text.
    WordingVersion,
    /// Name of the business in that text.
    BusinessName,
    /// URL of the page or form.
    Url,
    /// Id of the WhatsApp message.
    MessageId,
    /// Who recorded the event.
    Actor,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}

/// A policy and the time from which it applied, until the next one began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInPolicyPeriod {
    /// The policy.
    pub policy: OptInPolicy,
    /// When it began.
    pub begin_time: Option<SystemTime>,
}
