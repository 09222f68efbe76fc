//! How long the slowest calls took.

use std::time::Duration;

/// A percentile of sorted times. 0 of none.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}
