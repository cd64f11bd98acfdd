//! Points in time: milliseconds since the Unix epoch, written as RFC 3339 in UTC.
//!
//! # Why
//! The written form has a fixed width (`2026-11-22T10:14:00.123Z`), so it sorts as text; documents,
//! events and answers all hold the same string, and a range query on it is right.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The text is not an RFC 3339 time between the years 0001 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-11-22T20:00:00Z")]
pub struct InvalidTimestamp;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0001-01-01T00:00:00.000Z and 9999-12-30T22:00:00.000Z: four digits of year keep text sortable, and
/// that is the last moment which has such a year in every time zone.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_207_200_000;

impl Timestamp {
    /// The time that lies this many milliseconds after the Unix epoch, brought into the years 1 to 9999.
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

    /// How long after `earlier` this is; zero when it is not after it.
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
        // The parser takes any character between date and time, since RFC 3339 mentions a blank; its grammar does not.
        let is_separated = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
        let time = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|_| is_separated).ok_or(InvalidTimestamp)?;
        let millis = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| InvalidTimestamp)?;
        if RANGE.contains(&millis) { Ok(Self(millis)) } else { Err(InvalidTimestamp) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2099-06-01T18:30:00Z"])
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn text_sorts_as_time_does(a in RANGE, b in RANGE) {
            let (a, b) = (Timestamp::from_millis(a), Timestamp::from_millis(b));
            proptest::prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            proptest::prop_assert_eq!(a.to_string().parse(), Ok(a));
            proptest::prop_assert_eq!(a.to_string().len(), 24);
        }
    }

    #[test]
    fn the_first_and_the_last_time_can_be_written() {
        for (millis, text) in [(i64::MIN, "0001-01-01T00:00:00.000Z"), (i64::MAX, "9999-12-30T22:00:00.000Z")] {
            let time = Timestamp::from_millis(millis);
            assert_eq!((time.to_string().as_str(), text.parse()), (text, Ok(time)));
        }
    }

    #[test]
    fn rfc_3339_is_understood_and_nothing_else() {
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
