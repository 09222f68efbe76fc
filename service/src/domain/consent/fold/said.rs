//! When something was said, and by whose clock.

use chrono::{DateTime, SubsecRound};

use crate::domain::Time;
use crate::domain::consent::MAX_CLOCK_SKEW;

/// Whose clock a time was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clock {
    /// The statement had no time, or one that was cut.
    Server,
    /// The caller named the time.
    Caller,
}

impl Clock {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Server, Self::Caller];
}

/// When a statement counts as said: never later than its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// In microseconds, as stored; anything finer is cut off.
    pub time: Time,
    /// Two clocks are not compared to the second.
    pub clock: Clock,
    /// An objection whose time is not known: it moves behind all that is known
    /// of the person. [`Person::record`](super::Person::record) returns the resulting time.
    pub after_all_known: bool,
}

/// Why a permission's time is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeRefused {
    /// More than [`MAX_CLOCK_SKEW`] ahead of the server.
    TooFarAhead,
    /// Before 2009, when there was no WhatsApp.
    BeforeWhatsApp,
}

impl Said {
    /// The time of an opt-in or a resume.
    ///
    /// # Errors
    /// A time that no clock explains.
    pub fn permission(occurred: Option<Time>, record_time: Time) -> Result<Self, TimeRefused> {
        let Some(occurred) = occurred else { return Ok(Self::by_server(record_time, false)) };
        if occurred.signed_duration_since(record_time) > MAX_CLOCK_SKEW {
            return Err(TimeRefused::TooFarAhead);
        }
        if occurred < first_possible() {
            return Err(TimeRefused::BeforeWhatsApp);
        }
        if occurred > record_time {
            return Ok(Self::by_server(record_time, false));
        }
        Ok(Self::recorded(occurred, Clock::Caller))
    }

    /// The time of an opt-out or a stop. Never refused: a time in the future or
    /// before 2009 tells as much as none.
    pub fn objection(occurred: Option<Time>, record_time: Time) -> Self {
        match occurred {
            Some(time) if time <= record_time && time >= first_possible() => {
                Self::recorded(time, Clock::Caller)
            }
            _ => Self::by_server(record_time, true),
        }
    }

    /// A time as the ledger holds it, with nothing left to cut.
    pub fn recorded(time: Time, clock: Clock) -> Self {
        Self { time: stored(time), clock, after_all_known: false }
    }

    fn by_server(record_time: Time, after_all_known: bool) -> Self {
        Self { time: stored(record_time), clock: Clock::Server, after_all_known }
    }
}

/// A time with the precision that rows and the ledger keep.
pub(super) fn stored(time: Time) -> Time {
    time.trunc_subsecs(6)
}

/// Whether a permission that was known when the objection arrived is after it.
pub(super) fn is_after(permission: (Time, Clock), objection: (Time, Clock)) -> bool {
    let lead = permission.0.signed_duration_since(objection.0);
    let needed = match permission.1 == objection.1 {
        true => chrono::TimeDelta::zero(),
        false => MAX_CLOCK_SKEW,
    };
    lead > needed
}

fn first_possible() -> Time {
    // 2009-01-01T00:00:00Z.
    DateTime::from_timestamp(1_230_768_000, 0).unwrap_or(Time::MIN_UTC)
}
