use std::time::{Duration, SystemTime};

use super::literal::Literal;

/// A time that filters compare with: a moment, or one relative to the request. All pages of a list, and
/// a segment that resumes, have the `now` of their first request.
///
/// ```
/// use std::time::Duration;
///
/// use contacts_sdk::filter::{Filter, FilterTime};
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// let new = Filter::create_time().gt(FilterTime::ago(30 * DAY));
/// assert_eq!(new.to_string(), "create_time > now-30d");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterTime(Moment);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    At(SystemTime),
    Ago(Duration),
    Ahead(Duration),
}

impl FilterTime {
    /// The time of the request.
    pub fn now() -> Self {
        Self::ago(Duration::ZERO)
    }

    /// A time before the request: at most 36500 days. Fractions of seconds are cut.
    pub fn ago(distance: Duration) -> Self {
        Self(Moment::Ago(distance))
    }

    /// A time after the request: at most 36500 days. Fractions of seconds are cut.
    pub fn ahead(distance: Duration) -> Self {
        Self(Moment::Ahead(distance))
    }
}

impl From<SystemTime> for FilterTime {
    fn from(time: SystemTime) -> Self {
        Self(Moment::At(time))
    }
}

impl Literal for FilterTime {
    fn literal(&self) -> String {
        let (sign, distance) = match self.0 {
            Moment::At(time) => return time.literal(),
            Moment::Ago(distance) => ('-', distance.as_secs()),
            Moment::Ahead(distance) => ('+', distance.as_secs()),
        };
        let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm'), (1, 's')];
        match units.into_iter().find(|(seconds, _)| distance.is_multiple_of(*seconds)) {
            Some((seconds, unit)) if distance > 0 => {
                format!("now{sign}{}{unit}", distance / seconds)
            }
            _ => "now".to_owned(),
        }
    }
}
