//! A history of acknowledged changes and check results, and the detection of impossible results.

use std::time::Duration;

/// Number of a person.
pub type Who = usize;

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub who: Who,
    /// When the request was sent.
    pub begin: Duration,
    /// When the response arrived.
    pub end: Duration,
    pub allowed: bool,
}

/// One change of a person's consent. Each person has a single writer.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// When the request was sent.
    OptIn { begin: Duration },
    /// When it was acknowledged.
    OptOut { acknowledged: Duration },
}

/// All checks and changes, with times of one clock.
#[derive(Default)]
pub struct History {
    pub checks: Vec<Check>,
    /// Changes per person, in order.
    pub changes: Vec<Vec<Change>>,
}

impl History {
    /// Checks that allowed although the person's opt-out was acknowledged before the check was sent,
    /// and no later opt-in was sent before the response arrived.
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
    // Sent before the acknowledgement: allowed, however late the response arrived.
    assert!(!violates(2, 3, true));
    assert!(!violates(9, 15, true));
    // Sent after it, and answered before or after the next opt-in was sent.
    assert!(violates(11, 12, true));
    assert!(!violates(11, 12, false));
    assert!(!violates(11, 21, true));
    assert!(!violates(22, 25, true));
    assert!(violates(31, 32, true));
}
