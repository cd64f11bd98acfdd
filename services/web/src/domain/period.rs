//! Periods relative to today, on each venue's own calendar.
//!
//! # Why
//! There is no single today: while it is Monday evening in New York, it is Tuesday in Berlin. A show is on today if its
//! day is the present day of its venue.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use common::day::Day;
use common::timestamp::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use strum::{AsRefStr, EnumString, VariantArray};
use utoipa::ToSchema;

use crate::i18n::date::format_day;
use crate::i18n::msg;

/// How far clocks are behind UTC where a day begins last: in American Samoa.
const FURTHEST_BEHIND: Duration = Duration::from_secs(11 * 3_600);

/// A period that begins today or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, EnumString, AsRefStr, VariantArray)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Period {
    Today,
    Tomorrow,
    /// From Friday, since that is when a weekend starts, or from today if it has started.
    Weekend,
    /// Today and the six days after it.
    Week,
    /// The rest of the month.
    Month,
}

/// The days of a period in some time zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneDays {
    pub first: Day,
    pub last: Day,
    /// IANA names. Empty for all time zones that are not named elsewhere.
    pub zones: Vec<&'static str>,
}

impl Period {
    /// Label on pages.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Today => msg::browse_today(),
            Self::Tomorrow => msg::browse_tomorrow(),
            Self::Weekend => msg::browse_weekend(),
            Self::Week => msg::browse_week(),
            Self::Month => msg::browse_month(),
        }
    }

    /// The days of the period. At any time there are two or three present days; the first item has the day of UTC.
    pub(crate) fn days_by_zone(self, now: Timestamp) -> Vec<ZoneDays> {
        static ZONES: LazyLock<Vec<(String, TimeZone)>> = LazyLock::new(|| {
            let names = jiff::tz::db().available().map(|name| name.as_str().to_owned());
            names.filter_map(|name| TimeZone::get(&name).ok().map(|zone| (name, zone))).collect()
        });
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
        let utc = TimeZone::UTC.to_datetime(now).date();
        let mut others: BTreeMap<Date, Vec<&'static str>> = BTreeMap::new();
        for (name, today) in ZONES.iter().map(|(name, zone)| (name.as_str(), zone.to_datetime(now).date())) {
            if today != utc {
                others.entry(today).or_default().push(name);
            }
        }
        let all = [(utc, Vec::new())].into_iter().chain(others);
        all.map(|(today, zones)| {
            let (first, last) = self.days(today);
            ZoneDays { first: first.into(), last: last.into(), zones }
        })
        .collect()
    }

    /// The first and the last day.
    fn days(self, today: Date) -> (Date, Date) {
        match self {
            Self::Today => (today, today),
            Self::Tomorrow => {
                let tomorrow = today.saturating_add(1.day());
                (tomorrow, tomorrow)
            }
            Self::Weekend => {
                let monday = today.saturating_sub(today.weekday().to_monday_zero_offset().days());
                (monday.saturating_add(4.days()).max(today), monday.saturating_add(6.days()))
            }
            Self::Week => (today, today.saturating_add(6.days())),
            Self::Month => (today, today.last_of_month()),
        }
    }
}

/// The days of the first shows of a search. They tell for most days whether there is a show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShowDays {
    /// The day of each show, and today's date at its venue.
    days: Vec<(Date, Date)>,
    /// Whether the search may have more shows, which begin later.
    has_more: bool,
}

impl ShowDays {
    /// The days of shows, the soonest first, by their start and time zone.
    pub(crate) fn new<'a>(shows: impl Iterator<Item = (Timestamp, &'a str)>, has_more: bool, now: Timestamp) -> Self {
        let days = |(start, zone): (Timestamp, &'a str)| (Day::at(start, zone).date(), Day::at(now, zone).date());
        Self { days: shows.map(days).collect(), has_more }
    }

    /// Whether there may be a show in this period.
    pub(crate) fn may_have(&self, period: Period) -> bool {
        self.may_be_within(|today| period.days(today))
    }

    /// Whether there may be a show on this day.
    pub(crate) fn may_have_day(&self, day: Day) -> bool {
        self.may_be_within(|_| (day.date(), day.date()))
    }

    fn may_be_within(&self, range: impl Fn(Date) -> (Date, Date)) -> bool {
        let is_within = |&(day, today): &(Date, Date)| {
            let (first, last) = range(today);
            (first..=last).contains(&day)
        };
        // A later show may be a day earlier by the calendar of its venue.
        let is_open = |&(day, today): &(Date, Date)| day.saturating_sub(1.day()) <= range(today).1;
        self.days.iter().any(is_within) || (self.has_more && self.days.last().is_none_or(is_open))
    }
}

/// The days after tomorrow up to the seventh from today, for a reader in this time zone. If it is not known, the first
/// of these may be the reader's tomorrow, but none is missing.
pub(crate) fn days_after_tomorrow(now: Timestamp, zone: Option<&TimeZone>) -> Vec<Day> {
    let day = |at: Timestamp, zone: &TimeZone| {
        zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default()).date()
    };
    let (earliest_today, latest_today) = match zone {
        Some(zone) => (day(now, zone), day(now, zone)),
        None => (day(now.minus(FURTHEST_BEHIND), &TimeZone::UTC), day(now, &TimeZone::UTC)),
    };
    let last = latest_today.saturating_add(6.days());
    let days = earliest_today.saturating_add(2.days()).series(1.day());
    days.take_while(|day| *day <= last).map(Day::from).collect()
}

/// The day in the reader's format: `Fri, Nov 27`.
pub(crate) fn day_label(day: Day) -> String {
    day.date().to_zoned(TimeZone::UTC).map_or_else(|_| day.to_string(), |day| format_day(&day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_today() {
        for (today, expected) in [
            // A Wednesday.
            ("2026-06-10", ["06-10 06-10", "06-11 06-11", "06-12 06-14", "06-10 06-16", "06-10 06-30"]),
            // A Sunday: only the last day of the weekend is left.
            ("2026-06-14", ["06-14 06-14", "06-15 06-15", "06-14 06-14", "06-14 06-20", "06-14 06-30"]),
            // A Monday.
            ("2026-12-28", ["12-28 12-28", "12-29 12-29", "01-01 01-03", "12-28 01-03", "12-28 12-31"]),
        ] {
            let days = Period::VARIANTS.iter().map(|period| {
                let (first, last) = period.days(today.parse().unwrap());
                format!("{} {}", first.strftime("%m-%d"), last.strftime("%m-%d"))
            });
            assert_eq!(days.collect::<Vec<_>>(), expected, "{today}");
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(!Period::Weekend.days_by_zone(Timestamp::from_millis(extreme)).is_empty());
        }
    }

    #[test]
    fn each_day_of_the_week_can_be_chosen_wherever_the_reader_is() {
        let days = |now: &str, zone: Option<&str>| {
            let zone = zone.map(|zone| TimeZone::get(zone).unwrap());
            let days = days_after_tomorrow(now.parse().unwrap(), zone.as_ref());
            days.into_iter().map(|day| day.to_string()).collect::<Vec<_>>()
        };
        // It is Friday, or already Saturday.
        let from_sunday = ["2026-11-29", "2026-11-30", "2026-12-01", "2026-12-02", "2026-12-03"];
        assert_eq!(days("2026-11-27T12:00:00Z", None), from_sunday);
        assert_eq!(days("2026-11-27T06:00:00Z", Some("Europe/Berlin")), from_sunday);
        // In Honolulu it is still Thursday, so that Saturday is the day after tomorrow.
        let from_saturday = [&["2026-11-28"][..], &from_sunday].concat();
        assert_eq!(days("2026-11-27T06:00:00Z", None), from_saturday);
        assert_eq!(days("2026-11-27T06:00:00Z", Some("Pacific/Honolulu")), from_saturday[..5]);
        assert_eq!(day_label("2026-11-27".parse().unwrap()), "Fri, Nov 27, 2026", "outside a request");
        for extreme in [i64::MIN, i64::MAX] {
            assert!(days_after_tomorrow(Timestamp::from_millis(extreme), None).len() < 8);
        }
    }

    #[test]
    fn days_with_shows_follow_from_the_first_shows() {
        // A Friday. In Auckland it is already Saturday.
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let shows = [("2026-11-27T19:00:00Z", "Europe/Berlin"), ("2026-11-30T08:00:00Z", "Pacific/Auckland")];
        let shows = shows.map(|(start, zone)| (start.parse::<Timestamp>().unwrap(), zone));
        let offered = |count: usize, has_more| {
            let days = ShowDays::new(shows[..count].iter().copied(), has_more, now);
            let periods: Vec<_> = Period::VARIANTS.iter().filter(|one| days.may_have(**one)).collect();
            let dates = (28..=30).filter(|day| days.may_have_day(format!("2026-11-{day}").parse().unwrap()));
            (format!("{periods:?}"), dates.collect::<Vec<_>>())
        };
        assert_eq!(offered(0, false), ("[]".to_owned(), vec![]));
        assert_eq!(offered(1, false), ("[Today, Weekend, Week, Month]".to_owned(), vec![]));
        assert_eq!(offered(2, false), ("[Today, Weekend, Week, Month]".to_owned(), vec![30]));
        // What is later than the last known show is not known.
        assert_eq!(offered(1, true), ("[Today, Tomorrow, Weekend, Week, Month]".to_owned(), vec![28, 29, 30]));
        assert_eq!(offered(2, true), ("[Today, Tomorrow, Weekend, Week, Month]".to_owned(), vec![29, 30]));
        assert_eq!(offered(0, true).1, [28, 29, 30]);
    }

    #[test]
    fn today_is_the_present_day_of_the_zone() {
        let today = |now: &str, zone: &str| {
            let all = Period::Today.days_by_zone(now.parse().unwrap());
            let named = all.iter().find(|days| days.zones.contains(&zone)).unwrap_or(&all[0]);
            assert_eq!(named.first, named.last);
            named.first.to_string()
        };
        // The evening of 30 November in New York.
        for (zone, day) in [
            ("America/New_York", "2026-11-30"),
            ("US/Eastern", "2026-11-30"),
            ("Europe/Berlin", "2026-12-01"),
            ("UTC", "2026-12-01"),
            ("Atlantis/Capital", "2026-12-01"),
        ] {
            assert_eq!(today("2026-12-01T00:30:00Z", zone), day, "{zone}");
        }
        assert_eq!(today("2026-11-30T18:00:00Z", "Asia/Tokyo"), "2026-12-01");
        let days = Period::Today.days_by_zone("2026-11-30T10:30:00Z".parse().unwrap());
        let days: Vec<_> = days.iter().map(|days| days.first.to_string()).collect();
        assert_eq!(days, ["2026-11-30", "2026-11-29", "2026-12-01"], "from Niue to Kiritimati");
    }
}
