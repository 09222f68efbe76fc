//! Times relative to the request: `now`, `now-30d`, `now+2h`.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

/// The longest distance from now, in days.
const MAX_DAYS: i64 = 36_500;

/// What a relative time has to look like, for messages.
pub(super) const FORM: &str = "now, now-30d or now+2h: a whole number and one unit of s, m, h, d \
                               (24 hours) or w, at most 36500 days, without spaces and quotes";

/// Whether a bare word is meant as a relative time.
pub(super) fn is_meant(word: &str) -> bool {
    let after = word.get(..3).filter(|start| start.eq_ignore_ascii_case("now"));
    after.is_some() && !word[3..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The time that a word means. None if it has another form, or is out of range.
pub(super) fn parse(word: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let rest = word.strip_prefix("now")?;
    let time = match rest.as_bytes().first() {
        None => now,
        Some(b'-') => now.checked_sub_signed(distance(&rest[1..])?)?,
        Some(b'+') => now.checked_add_signed(distance(&rest[1..])?)?,
        Some(_) => return None,
    };
    let time = DateTime::from_timestamp_micros(time.timestamp_micros())?;
    (1..=9999).contains(&time.year()).then_some(time)
}

fn distance(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().ok()?;
    let distance = match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        'w' => TimeDelta::try_weeks(number),
        _ => None,
    }?;
    (distance <= TimeDelta::days(MAX_DAYS)).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_time_is_now_and_a_distance() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let seconds = |word| parse(word, now).map(|time| (time - now).num_seconds());
        for (word, expected) in [
            ("now", Some(0)),
            ("now-0d", Some(0)),
            ("now-90s", Some(-90)),
            ("now+2m", Some(120)),
            ("now-1h", Some(-3600)),
            ("now-030d", Some(-30 * 86_400)),
            ("now+2w", Some(14 * 86_400)),
            ("now-36500d", Some(-36_500 * 86_400)),
            ("now-36501d", None),
            ("now-9223372036854775807s", None),
            ("now-99999999999999999999s", None),
            ("now-1y", None),
            ("now-1M", None),
            ("now-1", None),
            ("now-d", None),
            ("now-", None),
            ("now--1d", None),
            ("now-1.5d", None),
            ("now-1d12h", None),
            ("now-١d", None),
            ("NOW", None),
            ("nows", None),
        ] {
            assert_eq!(seconds(word), expected, "{word}");
        }
        let late = DateTime::from_timestamp(253_402_300_799, 0).expect("a time");
        assert_eq!(parse("now+1s", late), None);
    }

    #[test]
    fn what_begins_like_one_is_meant_as_one() {
        for word in ["now", "NOW-1d", "now-1y", "now+", "now.x"] {
            assert!(is_meant(word), "{word}");
        }
        for word in ["nowhere", "2026-01-31", "no", "né", "now_1", ""] {
            assert!(!is_meant(word), "{word}");
        }
    }
}
