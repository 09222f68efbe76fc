//! Timestamps.

use contacts_proto::Timestamp;

use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};

/// Seconds of the years 1 to 9999, which JSON and both databases can represent.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Decodes a timestamp, truncated to the microsecond.
pub(super) fn decode(field: &str, timestamp: Timestamp) -> Result<Time> {
    let invalid = |what: &str| {
        let message = format!("{field}: {what}; send a time such as 2026-01-31T09:30:00Z");
        Error::invalid(Reason::InvalidTime, field, message)
    };
    if !SECONDS.contains(&timestamp.seconds) {
        return Err(invalid("the year is not between 1 and 9999"));
    }
    let nanos = u32::try_from(timestamp.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let nanos = nanos.ok_or_else(|| invalid("nanos are not between 0 and 999999999"))?;
    Time::from_timestamp(timestamp.seconds, nanos / 1000 * 1000)
        .ok_or_else(|| invalid("no such time"))
}

/// Decodes a timestamp that may be absent.
pub(crate) fn decode_optional(field: &str, timestamp: Option<Timestamp>) -> Result<Option<Time>> {
    timestamp.map(|timestamp| decode(field, timestamp)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_truncated_to_the_microsecond() {
        let time = decode("t", Timestamp { seconds: -1, nanos: 999_999_999 }).expect("a time");
        assert_eq!(time.to_rfc3339(), "1969-12-31T23:59:59.999999+00:00");
    }

    #[test]
    fn timestamps_out_of_range_are_refused() {
        for (seconds, nanos) in [
            (i64::MIN, 0),
            (i64::MAX, 0),
            (*SECONDS.start() - 1, 0),
            (*SECONDS.end() + 1, 0),
            (0, -1),
            (0, 1_000_000_000),
        ] {
            let error = decode("t", Timestamp { seconds, nanos }).expect_err("out of range");
            assert_eq!(error.reason(), Reason::InvalidTime, "{seconds} {nanos}");
        }
        for seconds in [*SECONDS.start(), *SECONDS.end()] {
            assert!(decode("t", Timestamp { seconds, nanos: 999_999_999 }).is_ok());
        }
    }
}
