//! What a workspace demands of opt-ins, and since when.

use chrono::TimeDelta;
use strum::VariantArray;

use super::{Evidence, MessageCategory};
use crate::domain::Time;
use crate::domain::error::{Error, Result};

/// The longest age: a hundred years.
pub const MAX_AGE_DAYS: u32 = 36_500;

/// How many policies of a workspace are kept.
pub const MAX_POLICIES: usize = 100;

/// A field of [`Evidence`], named and numbered as in the API.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "each is the field it names")]
pub enum EvidenceField {
    Wording = 1,
    WordingVersion,
    BusinessName,
    Url,
    MessageId,
    Actor,
}

impl EvidenceField {
    /// The field with this number.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|field| *field as i32 == code)
    }

    fn of(self, evidence: &Evidence) -> &str {
        match self {
            Self::Wording => &evidence.wording,
            Self::WordingVersion => &evidence.wording_version,
            Self::BusinessName => &evidence.business_name,
            Self::Url => &evidence.url,
            Self::MessageId => &evidence.message_id,
            Self::Actor => &evidence.actor,
        }
    }
}

/// What a workspace demands of opt-ins. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptInPolicy {
    /// What the evidence of an opt-in has to say. Sorted, each field once.
    pub required_evidence: Vec<EvidenceField>,
    /// From which age on a permission counts as expired, in days of 24 hours and in
    /// the order of [`MessageCategory::ALL`].
    pub max_age_days: [Option<u32>; 3],
}

impl OptInPolicy {
    /// From which age on a permission of a category counts as expired.
    pub fn max_age(&self, category: MessageCategory) -> Option<TimeDelta> {
        self.max_age_days[category as usize].map(|days| TimeDelta::days(days.into()))
    }

    /// The ages of all categories, in the order of [`MessageCategory::ALL`].
    pub fn max_ages(&self) -> [Option<TimeDelta>; 3] {
        MessageCategory::ALL.map(|category| self.max_age(category))
    }

    /// Whether permissions of some category expire by their age.
    pub fn limits_age(&self) -> bool {
        self.max_age_days != [None; 3]
    }

    /// The required fields that evidence does not have. Spaces alone are nothing.
    pub fn missing(&self, evidence: &Evidence) -> Vec<EvidenceField> {
        let is_missing = |field: &EvidenceField| field.of(evidence).trim().is_empty();
        self.required_evidence.iter().copied().filter(is_missing).collect()
    }

    /// Validates the ages, and puts the fields in order.
    ///
    /// # Errors
    /// An age of no day, or of more than `MAX_AGE_DAYS`.
    pub fn normalised(mut self) -> Result<Self> {
        self.required_evidence.sort_unstable();
        self.required_evidence.dedup();
        for category in MessageCategory::ALL {
            let Some(days) = self.max_age_days[category as usize] else { continue };
            if days == 0 || days > MAX_AGE_DAYS {
                let field = match category {
                    MessageCategory::Marketing => "max_age_days.marketing",
                    MessageCategory::Utility => "max_age_days.utility",
                    MessageCategory::Authentication => "max_age_days.authentication",
                };
                return Err(Error::limit(field, MAX_AGE_DAYS as usize, days as usize));
            }
        }
        Ok(self)
    }
}

/// A policy, and from when it applied until the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPeriod {
    /// When it began.
    pub begin_time: Time,
    /// The policy.
    pub policy: OptInPolicy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_fields_are_those_that_say_something() {
        use EvidenceField::{Actor, Url, Wording};
        let policy =
            OptInPolicy { required_evidence: vec![Wording, Url, Actor], ..OptInPolicy::default() };
        let evidence = Evidence { wording: " \t".into(), url: "x".into(), ..Evidence::default() };
        assert_eq!(policy.missing(&evidence), [Wording, Actor]);
        assert_eq!(OptInPolicy::default().missing(&Evidence::default()), []);
    }

    #[test]
    fn each_field_is_the_one_of_its_name() {
        for field in EvidenceField::VARIANTS {
            assert_eq!(EvidenceField::from_code(*field as i32), Some(*field));
        }
        assert_eq!(EvidenceField::from_code(0), None);
        assert_eq!(EvidenceField::from_code(7), None);
        let evidence = Evidence {
            wording: "wording".into(),
            wording_version: "wording_version".into(),
            business_name: "business_name".into(),
            url: "url".into(),
            message_id: "message_id".into(),
            actor: "actor".into(),
        };
        for field in EvidenceField::VARIANTS {
            let name: &str = field.into();
            assert_eq!(field.of(&evidence), name);
        }
    }
}
