//! Calendar days and local times. A show takes place on a day of its venue, whatever the day is elsewhere.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::string_form::{serde_as_string, string_schema};
use crate::timestamp::Timestamp;

/// The text is not a day such as 2026-11-30.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a day such as 2026-11-30")]
pub struct InvalidDay;

/// A calendar day, written `2026-11-30`. The text has a fixed width, so strings sort chronologically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    /// The day at this time in a time zone (IANA name). An unknown zone counts as UTC.
    pub fn at(time: Timestamp, time_zone: &str) -> Self {
        Self(local(time, time_zone).date())
    }

    /// The bare date.
    pub fn date(self) -> Date {
        self.0
    }
}

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        Self(date)
    }
}

/// Date and time of day in a time zone (IANA name), to the minute: `2026-11-30T20:00`. An unknown zone counts as UTC.
pub fn local_time(time: Timestamp, time_zone: &str) -> String {
    let local = local(time, time_zone);
    format!("{}T{:02}:{:02}", local.date(), local.hour(), local.minute())
}

fn local(time: Timestamp, time_zone: &str) -> DateTime {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    zone.to_datetime(jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default())
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = InvalidDay;
    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        // The parser accepts other notations of ISO 8601 too.
        let has_form = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let day = has_form.then(|| text.parse().ok()).flatten();
        day.map(Self).ok_or(InvalidDay)
    }
}

serde_as_string!(Day);
string_schema!(Day, format "date", example "2026-11-30");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_zone() {
        let evening: Timestamp = "2026-12-01T01:00:00Z".parse().unwrap();
        for (zone, day, time) in [
            ("America/New_York", "2026-11-30", "2026-11-30T20:00"),
            ("Europe/Berlin", "2026-12-01", "2026-12-01T02:00"),
            ("Atlantis/Capital", "2026-12-01", "2026-12-01T01:00"),
        ] {
            assert_eq!(Day::at(evening, zone).to_string(), day, "{zone}");
            assert_eq!(local_time(evening, zone), time, "{zone}");
        }
        for bound in [i64::MIN, i64::MAX] {
            let time = Timestamp::from_millis(bound);
            assert_eq!(local_time(time, "Pacific/Kiritimati").len(), 16, "{time}");
        }
    }

    #[test]
    fn only_one_notation_is_parsed() {
        let day = "2026-11-30";
        assert_eq!(day.parse::<Day>().map(|day| day.to_string()).as_deref(), Ok(day));
        for text in ["", "2026-1-30", "20261130", "2026-11-31", "2026-11-30T00:00", "2026-W48-1", "+026-11-30", "today"]
        {
            assert_eq!(text.parse::<Day>(), Err(InvalidDay), "{text}");
        }
    }
}
