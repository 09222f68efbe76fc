//! Counts the decisions of checks.

use metrics::Counter;

use crate::domain::consent::{CheckReason, MessageCategory};
use crate::telemetry::metrics::{CHECKS, Metrics};

const CATEGORIES: [(MessageCategory, &str); 3] = [
    (MessageCategory::Marketing, "MARKETING"),
    (MessageCategory::Utility, "UTILITY"),
    (MessageCategory::Authentication, "AUTHENTICATION"),
];
const REASONS: [(CheckReason, &str); 10] = [
    (CheckReason::OptedIn, "OPTED_IN"),
    (CheckReason::NotAsked, "NOT_ASKED"),
    (CheckReason::OptedOut, "OPTED_OUT"),
    (CheckReason::Erased, "ERASED"),
    (CheckReason::PlatformOptedOut, "PLATFORM_OPTED_OUT"),
    (CheckReason::FormerIdentity, "FORMER_IDENTITY"),
    (CheckReason::Expired, "EXPIRED"),
    (CheckReason::UnknownContact, "UNKNOWN_CONTACT"),
    (CheckReason::InvalidPhoneNumber, "INVALID_PHONE_NUMBER"),
    (CheckReason::InvalidRecipient, "INVALID_RECIPIENT"),
];

/// A counter for each category and reason.
pub(super) struct Decisions([[Counter; REASONS.len()]; CATEGORIES.len()]);

impl Decisions {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self(CATEGORIES.map(|(_, category)| {
            REASONS.map(|(_, reason)| metrics.counter(&CHECKS, &[reason, category]))
        }))
    }

    /// Counts decisions of one reason.
    pub(super) fn count(&self, category: MessageCategory, reason: CheckReason, count: u64) {
        let counter =
            self.0.get(category as usize).and_then(|counters| counters.get(reason as usize));
        if let Some(counter) = counter {
            counter.increment(count);
        }
    }

    /// Counts the decisions of a batch.
    pub(super) fn count_all(&self, category: MessageCategory, reasons: &[CheckReason]) {
        let mut counts = [0; REASONS.len()];
        for reason in reasons {
            counts[*reason as usize] += 1;
        }
        for ((reason, _), count) in REASONS.iter().zip(counts).filter(|(_, count)| *count > 0) {
            self.count(category, *reason, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_where_they_are_looked_for() {
        for (index, (reason, name)) in REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(format!("{reason:?}").to_uppercase(), name.replace('_', ""));
        }
        for (index, (category, name)) in CATEGORIES.iter().enumerate() {
            assert_eq!(*category as usize, index);
            assert_eq!(format!("{category:?}").to_uppercase(), *name);
        }
    }

    #[test]
    fn batches_are_counted_by_reason() {
        let metrics = Metrics::recorded();
        let decisions = Decisions::new(&metrics);
        let reasons = [CheckReason::OptedIn, CheckReason::Expired, CheckReason::OptedIn];
        decisions.count_all(MessageCategory::Utility, &reasons);
        decisions.count(MessageCategory::Utility, CheckReason::OptedIn, 1);
        let text = metrics.render();
        for line in [
            "contacts_checks_total{reason=\"OPTED_IN\",category=\"UTILITY\"} 3",
            "contacts_checks_total{reason=\"EXPIRED\",category=\"UTILITY\"} 1",
            "contacts_checks_total{reason=\"OPTED_IN\",category=\"MARKETING\"} 0",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "{line}: {text}");
        }
    }
}
