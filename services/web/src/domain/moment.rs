//! Points in time, formatted in the time zone of the venue or of the reader.

use common::timestamp::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::i18n::date::{self, Style};
use crate::i18n::reader::Reader;

/// A point in time, for a `<time>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339 in UTC, for programs.
    pub machine: String,
    /// In the reader's format, with the zone unless the reader's clock shows the same: `Mon, Jun 1, 2099, 3:30 PM EDT`.
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
        Self::on_clock(time, TimeZone::get(zone).unwrap_or(TimeZone::UTC))
    }

    /// A moment on the reader's clock; in UTC if the reader's time zone is not known.
    pub(crate) fn for_reader(time: Timestamp) -> Self {
        Self::on_clock(time, Reader::current().time_zone.unwrap_or(TimeZone::UTC))
    }

    /// A moment on the reader's clock; in this IANA time zone, such as the venue's, if the reader's is not known.
    pub(crate) fn for_reader_or_in(time: Timestamp, zone: &str) -> Self {
        match Reader::current().time_zone {
            Some(own) => Self::on_clock(time, own),
            None => Self::new(time, zone),
        }
    }

    fn on_clock(time: Timestamp, zone: TimeZone) -> Self {
        let local = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default().to_zoned(zone);
        let text = date::format_date_time(&local);
        let text = date::zone_if_different(&local).map_or_else(|| text.clone(), |zone| format!("{text}\u{a0}{zone}"));
        Self { machine: time.to_string(), text, local }
    }

    pub(crate) fn date_block(&self) -> DateBlock {
        DateBlock {
            weekday: date::format(&self.local, Style::Weekday),
            day: self.local.day().to_string(),
            month: date::format(&self.local, Style::Month),
        }
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
    fn readers_clock_needs_no_zone() {
        let text = |zone: Option<&str>| {
            let time_zone = zone.map(|zone| TimeZone::get(zone).unwrap());
            let reader = Reader { time_zone, ..Reader::default() };
            reader.scope(|| Moment::for_reader("2026-12-31T23:30:00Z".parse().unwrap()).text)
        };
        assert_eq!(text(Some("Europe/Berlin")), "Fri, Jan 1, 2027, 12:30\u{a0}AM");
        assert_eq!(text(None), "Thu, Dec 31, 2026, 11:30\u{a0}PM\u{a0}UTC");
    }

    #[test]
    fn venues_zone_is_named_only_while_the_readers_is_unknown() {
        let text = |zone: Option<&str>| {
            let time_zone = zone.map(|zone| TimeZone::get(zone).unwrap());
            let time = "2026-11-28T00:06:00Z".parse().unwrap();
            Reader { time_zone, ..Reader::default() }.scope(|| Moment::for_reader_or_in(time, "America/New_York").text)
        };
        assert_eq!(text(Some("Europe/Berlin")), "Sat, Nov 28, 2026, 1:06\u{a0}AM");
        assert_eq!(text(None), "Fri, Nov 27, 2026, 7:06\u{a0}PM\u{a0}EST");
    }

    #[test]
    fn text_names_the_zone() {
        let text = |time: &str, zone| Moment::new(time.parse().unwrap(), zone).text;
        assert_eq!(text("2099-06-01T19:30:00Z", "America/New_York"), "Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT");
        assert_eq!(text("2026-12-31T23:30:00Z", "Europe/Berlin"), "Fri, Jan 1, 2027, 12:30\u{a0}AM\u{a0}CET");
        assert_eq!(text("2026-12-31T23:30:00Z", "UTC"), "Thu, Dec 31, 2026, 11:30\u{a0}PM\u{a0}UTC");
        assert_eq!(text("2026-07-05T10:00:00Z", "Europe/Istanbul"), "Sun, Jul 5, 2026, 1:00\u{a0}PM\u{a0}UTC+3");
        assert_eq!(text("2026-07-05T10:00:00Z", "Atlantis/Capital"), "Sun, Jul 5, 2026, 10:00\u{a0}AM\u{a0}UTC");
        let extremes = [Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)];
        for time in extremes {
            for zone in ["Pacific/Kiritimati", "Pacific/Niue"] {
                assert!(!Moment::new(time, zone).text.is_empty());
            }
        }
    }
}
