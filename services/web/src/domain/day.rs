//! A day of the calendar in UTC, as a search names it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use common::timestamp::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use super::form::matches_digit_pattern;

const DAY: Duration = Duration::from_secs(86_400);

/// A day, written as 2026-06-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    date: Date,
    start: Timestamp,
}

impl Day {
    /// The day; `None` if it is beyond the range of timestamps.
    pub(crate) fn new(date: Date) -> Option<Self> {
        let start = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Self { date, start: Timestamp::from_millis(start.as_millisecond()) })
    }

    /// The first millisecond.
    pub(crate) fn start(self) -> Timestamp {
        self.start
    }

    /// The last millisecond.
    pub(crate) fn end(self) -> Timestamp {
        self.start.plus(DAY).minus(Duration::from_millis(1))
    }

    /// The day as pages show it: `1 June 2026`.
    pub(crate) fn label(self) -> String {
        self.date.strftime("%-d %B %Y").to_string()
    }
}

impl FromStr for Day {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        // jiff would also accept a time after the day, a day without hyphens, or a year with a sign.
        let date = matches_digit_pattern(text, "0000-00-00").then(|| text.parse().ok()).flatten();
        date.and_then(Self::new).ok_or("must be a day such as 2026-06-01")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_date_is_a_day() {
        let day: Day = "2026-06-01".parse().unwrap();
        assert_eq!((day.to_string(), day.label()), ("2026-06-01".to_owned(), "1 June 2026".to_owned()));
        assert_eq!(
            (day.start(), day.end()),
            ("2026-06-01T00:00:00Z".parse().unwrap(), "2026-06-01T23:59:59.999Z".parse().unwrap(),)
        );
        for text in
            ["", "26-06-01", "-2026-06-01", "2026- 6- 1", "2026-06-01T19:00", "20260601", "2026-W23-1", "2026-02-30"]
        {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}
