//! Values with units: durations, sizes, counts.

use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use chrono::TimeDelta;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;

use crate::operations::api_tokens::OVERLAP;

/// Shortest time that something may be kept for.
const MIN_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Longest time that something may be kept for: a hundred years.
const MAX_RETENTION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A timeout or interval, such as `250ms`, `30s` or `24h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
    humantime::parse_duration(text).ok().filter(|duration| RANGE.contains(duration)).ok_or_else(
        || "expected a duration between 1ms and 24h with a unit, such as 250ms or 30s".to_owned(),
    )
}

/// The same, or `0s`.
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match text {
        "0s" => Ok(Duration::ZERO),
        _ => duration(text).map_err(|error| format!("{error}, or 0s")),
    }
}

/// How long a token is valid beside the one that replaces it.
pub(super) fn overlap(text: &str) -> Result<Duration, String> {
    let is_valid = |overlap: &Duration| {
        TimeDelta::from_std(*overlap).is_ok_and(|overlap| OVERLAP.contains(&overlap))
    };
    let overlap = humantime::parse_duration(text).ok().filter(is_valid);
    overlap.ok_or_else(|| "expected a duration of at most 30d with a unit, such as 24h".to_owned())
}

/// A time that something is kept for, such as `24h` or `30d`.
pub(super) fn retention(text: &str) -> Result<TimeDelta, String> {
    let duration = humantime::parse_duration(text).ok();
    duration
        .filter(|duration| (MIN_RETENTION..=MAX_RETENTION).contains(duration))
        .and_then(|duration| TimeDelta::from_std(duration).ok())
        .ok_or_else(|| "expected a time of at least 24h with a unit, such as 48h or 30d".to_owned())
}

/// The same, or `forever`, which is None.
pub(super) fn retention_or_forever(text: &str) -> Result<Kept, String> {
    match text {
        "forever" => Ok(Kept(None)),
        _ => retention(text)
            .map(|time| Kept(Some(time)))
            .map_err(|error| format!("{error}, or forever")),
    }
}

/// How long something is kept. None: forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(pub Option<TimeDelta>);

/// A size in memory, such as `16MiB`.
pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    const RANGE: RangeInclusive<u64> = 1024..=1024 * 1024 * 1024 * 1024;
    let has_unit = text.ends_with(['b', 'B']);
    text.parse::<ByteSize>()
        .ok()
        .filter(|size| has_unit && RANGE.contains(&size.as_u64()))
        .ok_or_else(|| {
            "expected a size between 1KiB and 1TiB with a unit, such as 512KiB or 16MiB".to_owned()
        })
}

/// A size as a number of bytes.
pub(crate) fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

/// The same as [`size`], or 0 for none.
pub(super) fn size_or_zero(text: &str) -> Result<ByteSize, String> {
    if text == "0" { Ok(ByteSize(0)) } else { size(text).map_err(|error| format!("{error}, or 0")) }
}

/// The size of a message: gRPC's lengths have 32 bits.
pub(super) fn message_size(text: &str) -> Result<ByteSize, String> {
    const MAX: u64 = 1024 * 1024 * 1024;
    size(text)
        .ok()
        .filter(|size| size.as_u64() <= MAX)
        .ok_or_else(|| "expected a size between 1KiB and 1GiB with a unit, such as 4MiB".to_owned())
}

/// A number of calls at a time: less than a semaphore of tokio's holds, on 32 bits too.
pub(super) fn calls(text: &str) -> Result<usize, String> {
    let calls = text.parse().ok().filter(|count| (1..=100_000_000).contains(count));
    calls.ok_or_else(|| "expected a number between 1 and 100000000".to_owned())
}

/// A number of connections in a pool.
pub(super) fn connections(text: &str) -> Result<u32, String> {
    let connections = text.parse().ok().filter(|count| (1..=10_000).contains(count));
    connections.ok_or_else(|| "expected a number between 1 and 10000".to_owned())
}

/// Parses a value. Unlike clap's own errors, those of this do not repeat it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unrepeated<T> {
    flag: &'static str,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Unrepeated<T> {
    /// The parser of a flag, named as in the help.
    pub(super) const fn new(flag: &'static str, parse: fn(&str) -> Result<T, String>) -> Self {
        Self { flag, parse }
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Unrepeated<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let text = value.to_str().ok_or_else(|| "not UTF-8".to_owned());
        text.and_then(self.parse).map_err(|reason| {
            let message = format!("invalid value for '{}': {reason}\n", self.flag);
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("24h"), Ok(Duration::from_hours(24)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration_or_zero("0s"), Ok(Duration::ZERO));
        assert_eq!(duration_or_zero("5s"), Ok(Duration::from_secs(5)));
        assert!(duration_or_zero("-1s").is_err());
        for text in ["", "0s", "-1s", "60", "NaN", "inf", "25h", "1ns", "1e9s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_replaced_token_is_valid_for_30_days_at_most() {
        assert_eq!(overlap("0s"), Ok(Duration::ZERO));
        assert_eq!(overlap("30d"), Ok(Duration::from_hours(720)));
        for text in ["31d", "-1s", "7", ""] {
            assert!(overlap(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_kept_for_less_than_a_day() {
        assert_eq!(retention("24h"), Ok(TimeDelta::days(1)));
        assert_eq!(retention("30d"), Ok(TimeDelta::days(30)));
        assert_eq!(retention_or_forever("730d"), Ok(Kept(Some(TimeDelta::days(730)))));
        assert_eq!(retention_or_forever("forever"), Ok(Kept(None)));
        for text in ["", "24", "23h", "0d", "-1d", "d", "101y", "4294967295d", "forever"] {
            assert!(retention(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(size("16MiB").map(|size| size.as_u64()), Ok(16 << 20));
        assert_eq!(size("1.5 KiB").map(|size| size.as_u64()), Ok(1536));
        for text in ["", "16", "16M", "0KiB", "1023B", "2TiB", "-1MiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size_or_zero("0").map(|size| size.as_u64()), Ok(0));
        assert!(size_or_zero("5").is_err_and(|error| error.ends_with("or 0")));
        assert!(message_size("4MiB").is_ok() && message_size("2GiB").is_err());
    }
}
