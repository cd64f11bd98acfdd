//! Points in time, formatted in the venue's time zone.

use common::timestamp::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;

/// A point in time, for a `<time>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339 in UTC, for programs.
    pub machine: String,
    /// With the zone's name: `Monday, 1 June 2099, 15:30 EDT (America/New_York)`.
    pub text: String,
    /// On the calendar and the clock of that zone.
    local: Zoned,
}

/// The parts of a day at the corner of a poster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateBlock {
    pub weekday: String,
    pub day: String,
    pub month: String,
}

impl Moment {
    /// A moment in this IANA time zone; in UTC if the zone is unknown.
    pub(crate) fn new(time: Timestamp, zone: &str) -> Self {
        let (zone, name) = TimeZone::get(zone).map_or((TimeZone::UTC, "UTC"), |known| (known, zone));
        let local = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default().to_zoned(zone);
        let text = local.strftime("%A, %-d %B %Y, %H:%M").to_string();
        let abbreviation = local.strftime("%Z").to_string();
        // `UTC (UTC)` would be redundant, and `+03` alone would not name the zone.
        let zone = if abbreviation == name { abbreviation } else { format!("{abbreviation} ({name})") };
        Self { machine: time.to_string(), text: format!("{text} {zone}"), local }
    }

    pub(crate) fn date_block(&self) -> DateBlock {
        let part = |format: &str| self.local.strftime(format).to_string();
        DateBlock { weekday: part("%a"), day: part("%-d"), month: part("%b") }
    }
}

/// The time zones that a seller may choose from: UTC, and the present name of each place's zone. Former names, such as
/// `Asia/Calcutta`, are valid too, but nobody looks for them.
///
/// The list is that of `zone.tab` in the IANA time zone database, which is in the public domain.
pub(crate) fn zones() -> Vec<&'static str> {
    include_str!("zones.txt").lines().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_include_places_and_start_with_utc() {
        for zone in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "Pacific/Auckland"] {
            assert!(zones().contains(&zone), "{zone}");
        }
        assert_eq!(zones()[0], "UTC");
        for former in ["Asia/Calcutta", "America/Buenos_Aires", "Europe/Kiev", "US/Eastern", "EST"] {
            assert!(!zones().contains(&former), "{former}");
        }
        let unknown: Vec<_> = zones().into_iter().filter(|name| TimeZone::get(name).is_err()).collect();
        assert_eq!(unknown, [""; 0]);
        assert!(zones()[1..].is_sorted());
    }

    #[test]
    fn date_block_is_of_the_day_in_the_zone() {
        let block = |zone| Moment::new("2026-12-31T23:30:00Z".parse().unwrap(), zone).date_block();
        let expected = |weekday: &str, day: &str, month: &str| DateBlock {
            weekday: weekday.to_owned(),
            day: day.to_owned(),
            month: month.to_owned(),
        };
        assert_eq!(block("America/New_York"), expected("Thu", "31", "Dec"));
        assert_eq!(block("Europe/Berlin"), expected("Fri", "1", "Jan"));
    }

    #[test]
    fn text_names_the_zone() {
        let text = |time: &str, zone| Moment::new(time.parse().unwrap(), zone).text;
        assert_eq!(
            text("2099-06-01T19:30:00Z", "America/New_York"),
            "Monday, 1 June 2099, 15:30 EDT (America/New_York)"
        );
        assert_eq!(text("2026-12-31T23:30:00Z", "Europe/Berlin"), "Friday, 1 January 2027, 00:30 CET (Europe/Berlin)");
        assert_eq!(text("2026-12-31T23:30:00Z", "UTC"), "Thursday, 31 December 2026, 23:30 UTC");
        assert_eq!(text("2026-07-05T10:00:00Z", "Europe/Istanbul"), "Sunday, 5 July 2026, 13:00 +03 (Europe/Istanbul)");
        assert_eq!(text("2026-07-05T10:00:00Z", "Atlantis/Capital"), "Sunday, 5 July 2026, 10:00 UTC");
        let extremes = [Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)];
        for time in extremes {
            for zone in ["Pacific/Kiritimati", "Pacific/Niue"] {
                assert!(!Moment::new(time, zone).text.is_empty());
            }
        }
    }
}
