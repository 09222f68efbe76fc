//! What a server does beside its calls: deleting what is past its retention, and overwriting what
//! erasures left in unused parts of the database's files.

use std::convert::Infallible;
use std::error::Error as StdError;

use chrono::{NaiveDate, Timelike};

use crate::config::Retention;
use crate::domain::Time;
use crate::domain::error::Error;
use crate::operations::retention;
use crate::store::{Store, loggable};

/// The maintenance job: runs at once and then at every interval. Several servers may run it at the
/// same time. What writes wait for runs once a day, at an hour of few writes.
pub(crate) async fn maintain(store: &Store, retention: Retention) -> Infallible {
    let mut vacuum = Daily::starting(store.now(), retention.vacuum_hour);
    loop {
        let now = store.now();
        let is_due = vacuum.is_due(now);
        let done = async {
            retention::sweep(store, retention.suppression_retention.0).await?;
            store.vacuum(is_due).await?;
            if is_due {
                vacuum.last = Some(now.date_naive());
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = done.await {
            let cause = StdError::source(&error).map(loggable);
            tracing::warn!(error.cause = cause, "maintenance failed and will run again");
        }
        tokio::time::sleep(retention.maintenance_interval).await;
    }
}

/// Something that is done once a day, from an hour on.
struct Daily {
    hour: u32,
    last: Option<NaiveDate>,
}

impl Daily {
    /// At a start after the hour, today's counts as done: that is no reason to do it now.
    fn starting(now: Time, hour: u32) -> Self {
        Self { hour, last: (now.hour() >= hour).then(|| now.date_naive()) }
    }

    fn is_due(&self, now: Time) -> bool {
        now.hour() >= self.hour && self.last != Some(now.date_naive())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_daily_is_due_from_its_hour_on_each_day() {
        let at = |day: i64, hour: i64| {
            Time::from_timestamp((day * 24 + hour) * 3600, 0).expect("a time")
        };
        let mut early = Daily::starting(at(1, 2), 3);
        assert!(!early.is_due(at(1, 2)));
        assert!(early.is_due(at(1, 3)) && early.is_due(at(1, 23)), "a start before the hour");
        early.last = Some(at(1, 3).date_naive());
        assert!(!early.is_due(at(1, 4)) && !early.is_due(at(2, 2)) && early.is_due(at(2, 3)));
        let late = Daily::starting(at(1, 12), 3);
        assert!(!late.is_due(at(1, 12)) && !late.is_due(at(2, 2)) && late.is_due(at(2, 3)));
    }
}
