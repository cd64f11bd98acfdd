//! Points in time: milliseconds since the Unix epoch, written as RFC 3339 in UTC.
//!
//! # Why
//! The text form has a fixed width (`2026-11-22T10:14:00.123Z`), so strings sort chronologically. Documents, events
//! and responses all contain this string, and range queries on it are correct.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::string_form::{serde_as_string, string_schema};

/// The text is not an RFC 3339 time between the years 0001 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-11-22T20:00:00Z")]
pub struct InvalidTimestamp;

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0001-01-01T00:00:00.000Z to 9999-12-30T22:00:00.000Z. Years of four digits keep the text sortable; the upper bound
/// is the last moment whose year has four digits in every time zone.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_207_200_000;

impl Timestamp {
    /// The time this many milliseconds after the Unix epoch, clamped to the years 1 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(*RANGE.start(), *RANGE.end()))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time plus a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(duration)))
    }

    /// This time minus a duration.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis(duration)))
    }

    /// The time elapsed since `earlier`; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(f, "{time:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        // The parser accepts any separator between date and time, because a note in RFC 3339 allows a space; the
        // grammar allows only T.
        let is_separated = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
        let time = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|_| is_separated).ok_or(InvalidTimestamp)?;
        let millis = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| InvalidTimestamp)?;
        if RANGE.contains(&millis) { Ok(Self(millis)) } else { Err(InvalidTimestamp) }
    }
}

serde_as_string!(Timestamp);
string_schema!(Timestamp, format "date-time", example "2099-06-01T18:30:00Z");

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn text_sorts_chronologically(a in RANGE, b in RANGE) {
            let (a, b) = (Timestamp::from_millis(a), Timestamp::from_millis(b));
            proptest::prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            proptest::prop_assert_eq!(a.to_string().parse(), Ok(a));
            proptest::prop_assert_eq!(a.to_string().len(), 24);
        }
    }

    #[test]
    fn bounds_round_trip_as_text() {
        for (millis, text) in [(i64::MIN, "0001-01-01T00:00:00.000Z"), (i64::MAX, "9999-12-30T22:00:00.000Z")] {
            let time = Timestamp::from_millis(millis);
            assert_eq!((time.to_string().as_str(), text.parse()), (text, Ok(time)));
        }
    }

    #[test]
    fn only_rfc_3339_is_parsed() {
        for (text, expected) in [
            ("2026-11-22T20:00:00Z", "2026-11-22T20:00:00.000Z"),
            ("2026-11-22t20:00:00z", "2026-11-22T20:00:00.000Z"),
            ("2026-11-22T20:00:00+01:00", "2026-11-22T19:00:00.000Z"),
            ("2026-11-22T20:00:00-23:59", "2026-11-23T19:59:00.000Z"),
            ("2026-11-22T20:00:00-00:00", "2026-11-22T20:00:00.000Z"),
            ("2026-11-22T20:00:01.5Z", "2026-11-22T20:00:01.500Z"),
            ("2026-11-22T20:00:01.123456789012Z", "2026-11-22T20:00:01.123Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
            ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().map(|time| time.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T20",
            "2026-11-22T19Z",
            "2026-11-22T20:00Z",
            "2026-11-22T20:00:00",
            "2026-11-22 20:00:00Z",
            "2026-11-22_20:00:00Z",
            "2026-11-22T20:00:00+25:00",
            "2026-11-22T20:00:00+24:00",
            "2026-11-22T20:00:00+01:60",
            "2026-11-22T20:00:00+0100",
            "2026-11-22T20:00:00+01",
            "2026-11-22T20:00:00 Z",
            "2026-11-22T20:00:00Z[Europe/Paris]",
            "2026-11-22T20:00:00+01:00[Europe/Paris]",
            "2026-11-22T20:00:00,5Z",
            "2026-11-22T20:00:00.Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T20:00:61Z",
            "2026-11-22T20:60:00Z",
            "2026-11-22T20:00:60Z",
            "2026-02-29T20:00:00Z",
            "2026-13-01T20:00:00Z",
            "2026-1-22T20:00:00Z",
            "20261122T200000Z",
            "+002026-11-22T20:00:00Z",
            "-2026-11-22T20:00:00Z",
            "2026-W47-7T20:00:00Z",
            "２０２６-11-22T20:00:00Z",
            " 2026-11-22T20:00:00Z",
            "2026-11-22T20:00:00Z ",
            "2026-11-22T20:00:00Z\n",
            "0000-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "1795377600",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text:?}");
        }
    }
}
