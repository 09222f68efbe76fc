//! What was read of memory, and whether it is valid.

use crate::domain::consent::{CheckReason, MessageCategory};
use crate::store::Validity;

/// A revision of a workspace's consent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) incarnation: [u8; 32],
    pub(super) revision: i64,
    /// The stamp of that revision. Another one is of another history.
    pub(super) stamp: i64,
}

impl Point {
    pub(super) fn of(validity: &Validity) -> Self {
        let Validity { incarnation, revision, stamp, .. } = *validity;
        Self { incarnation, revision, stamp }
    }

    /// Whether this is of the history of this validity, as far as that can be told.
    pub(super) fn is_of(&self, validity: &Validity) -> bool {
        self.incarnation == validity.incarnation
            && (self.revision != validity.revision || self.stamp == validity.stamp)
    }

    /// Whether this is exactly the point of this validity.
    pub(super) fn is_at(&self, validity: &Validity) -> bool {
        self.revision == validity.revision && self.is_of(validity)
    }
}

/// Answers that depend on nothing but rows in memory, which have to be validated.
pub(in crate::opt_in) struct Early {
    at: Point,
    /// None: the identity has to be looked at, or read.
    reasons: Vec<Option<CheckReason>>,
}

impl Early {
    pub(super) fn new(at: Point, reasons: Vec<Option<CheckReason>>) -> Self {
        Self { at, reasons }
    }

    /// The answers, if memory was that of this validity.
    pub(in crate::opt_in) fn valid(
        self,
        category: MessageCategory,
        validity: &Validity,
    ) -> Option<Vec<Option<CheckReason>>> {
        if !self.at.is_at(validity) {
            return None;
        }
        let mut reasons = self.reasons;
        if validity.max_ages[category as usize].is_some() {
            // These may have expired.
            reasons.iter_mut().for_each(|reason| {
                reason.take_if(|reason| *reason == CheckReason::OptedIn);
            });
        }
        Some(reasons)
    }
}
