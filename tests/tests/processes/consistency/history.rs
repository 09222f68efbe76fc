//! What was said and answered, and whether it can be so.

use std::time::Duration;

/// A person, by number.
pub type Who = usize;

/// One answer.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub who: Who,
    /// When the question was sent.
    pub begin: Duration,
    /// When the answer was there.
    pub end: Duration,
    pub allowed: bool,
}

/// One change of somebody who has one writer.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Sent at this time.
    OptIn { begin: Duration },
    /// Acknowledged at this time.
    OptOut { acknowledged: Duration },
}

/// Everything that happened, on one clock.
#[derive(Default)]
pub struct History {
    pub checks: Vec<Check>,
    /// Of each person, in order.
    pub changes: Vec<Vec<Change>>,
}

impl History {
    /// Answers that allowed although the person's opt-out was acknowledged before the question was
    /// sent, and no later opt-in was even sent before the answer came.
    pub fn violations(&self) -> Vec<Check> {
        self.checks.iter().copied().filter(|check| self.is_violation(check)).collect()
    }

    fn is_violation(&self, check: &Check) -> bool {
        let mut objected = false;
        for change in &self.changes[check.who] {
            match *change {
                Change::OptOut { acknowledged } if acknowledged < check.begin => objected = true,
                Change::OptIn { begin } if begin < check.end => objected = false,
                Change::OptOut { .. } | Change::OptIn { .. } => {}
            }
        }
        check.allowed && objected
    }

    pub fn opt_outs(&self) -> usize {
        let all = self.changes.iter().flatten();
        all.filter(|change| matches!(change, Change::OptOut { .. })).count()
    }
}

#[test]
fn only_impossible_answers_are_violations() {
    let at = Duration::from_secs;
    let changes = vec![vec![
        Change::OptIn { begin: at(1) },
        Change::OptOut { acknowledged: at(10) },
        Change::OptIn { begin: at(20) },
        Change::OptOut { acknowledged: at(30) },
    ]];
    let violates = |begin, end, allowed| {
        let checks = vec![Check { who: 0, begin: at(begin), end: at(end), allowed }];
        !History { checks, changes: changes.clone() }.violations().is_empty()
    };
    // Asked before the acknowledgement, however late the answer came.
    assert!(!violates(2, 3, true));
    assert!(!violates(9, 15, true));
    // Asked after it, and answered before or after the next opt-in was sent.
    assert!(violates(11, 12, true));
    assert!(!violates(11, 12, false));
    assert!(!violates(11, 21, true));
    assert!(!violates(22, 25, true));
    assert!(violates(31, 32, true));
}
