//! Dates and times in the reader's format, on the calendar of a time zone.

use icu_datetime::DateTimeFormatter;
use icu_datetime::fieldsets::enums::{
    CalendarPeriodFieldSet, CompositeDateTimeFieldSet, DateAndTimeFieldSet, DateFieldSet,
};
use icu_datetime::fieldsets::{E, M, MDE, YMDE};
use icu_datetime::input::{Date, DateTime, Time};
use jiff::Zoned;

use super::reader::{self, Locale};

/// What is shown of a point in time.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(crate) enum Style {
    /// `Mon, Nov 30, 8:00 PM`
    DateTime,
    /// `Mon, Nov 30, 2026, 8:00 PM`
    DateTimeOfYear,
    /// `Mon, Nov 30`
    Day,
    /// `Mon, Nov 30, 2026`
    DayOfYear,
    /// `Mon`
    Weekday,
    /// `Nov`
    Month,
}

const STYLES: usize = 6;

type Formatter = DateTimeFormatter<CompositeDateTimeFieldSet>;

thread_local! {
    static FORMATTERS: [[Option<Formatter>; STYLES]; Locale::ALL.len()] = Locale::ALL.map(|locale| {
        let fields = [
            CompositeDateTimeFieldSet::DateTime(DateAndTimeFieldSet::MDET(MDE::medium().with_time_hm())),
            CompositeDateTimeFieldSet::DateTime(DateAndTimeFieldSet::YMDET(YMDE::medium().with_time_hm())),
            CompositeDateTimeFieldSet::Date(DateFieldSet::MDE(MDE::medium())),
            CompositeDateTimeFieldSet::Date(DateFieldSet::YMDE(YMDE::medium())),
            CompositeDateTimeFieldSet::Date(DateFieldSet::E(E::medium())),
            CompositeDateTimeFieldSet::CalendarPeriod(CalendarPeriodFieldSet::M(M::medium())),
        ];
        let tag = locale.tag().parse::<icu_locale_core::Locale>().ok();
        fields.map(|fields| Formatter::try_new(tag.clone()?.into(), fields).ok())
    });
}

/// The date or time on the calendar and the clock of its time zone.
pub(crate) fn format(time: &Zoned, style: Style) -> String {
    let unsigned = |number: i8| u8::try_from(number).ok();
    let formatted = FORMATTERS.with(|formatters| {
        let formatter = reader::locale().choose(formatters).get(style as usize)?.as_ref()?;
        let date = Date::try_new_iso(time.year().into(), unsigned(time.month())?, unsigned(time.day())?).ok()?;
        let time = Time::try_new(unsigned(time.hour())?, unsigned(time.minute())?, 0, 0).ok()?;
        Some(formatter.format(&DateTime { date, time }).to_string())
    });
    // ICU has data for all locales of the list; ISO 8601 is understood without it.
    formatted.unwrap_or_else(|| time.datetime().to_string()).replace(['\u{202f}', '\u{2009}'], "\u{a0}")
}

/// The date and time, with the year unless it is this year.
pub(crate) fn format_date_time(time: &Zoned) -> String {
    format(time, if is_this_year(time) { Style::DateTime } else { Style::DateTimeOfYear })
}

/// The day, with the year unless it is this year.
pub(crate) fn format_day(time: &Zoned) -> String {
    format(time, if is_this_year(time) { Style::Day } else { Style::DayOfYear })
}

/// Whether the present year is that of this time, on the calendar of its own time zone.
fn is_this_year(time: &Zoned) -> bool {
    reader::now().is_some_and(|now| time.time_zone().to_datetime(now).year() == time.year())
}

/// The abbreviation of a time's zone (`EST`, `UTC+3`), if the reader's clock shows another time or is not known.
pub(crate) fn zone_if_different(time: &Zoned) -> Option<String> {
    let offset = time.offset();
    if reader::offset_at(time.timestamp()) == Some(offset) {
        return None;
    }
    let abbreviation = time.strftime("%Z").to_string();
    // Some zones have no abbreviation but their offset, such as `+03`.
    Some(if abbreviation.starts_with(['+', '-']) { format!("UTC{}", short_offset(offset)) } else { abbreviation })
}

/// `+3`, `-3:30`
fn short_offset(offset: jiff::tz::Offset) -> String {
    let minutes = offset.seconds() / 60;
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    let sign = if minutes < 0 { '-' } else { '+' };
    if rest == 0 { format!("{sign}{hours}") } else { format!("{sign}{hours}:{rest:02}") }
}

#[cfg(test)]
mod tests {
    use common::timestamp::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::i18n::reader::Reader;

    fn zoned(text: &str) -> Zoned {
        text.parse().unwrap()
    }

    fn read_by<R>(locale: Locale, zone: Option<&str>, render: impl FnOnce() -> R) -> R {
        let now: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let time_zone = zone.map(|zone| TimeZone::get(zone).unwrap());
        Reader { locale, time_zone, now: Some(now), ..Reader::default() }.scope(render)
    }

    #[test]
    fn dates_follow_the_locale() {
        let show = zoned("2026-11-30T20:00[Europe/Berlin]");
        let texts = |locale| {
            read_by(locale, None, || {
                let mut texts = vec![format_date_time(&show), format_day(&show)];
                texts.extend([Style::Weekday, Style::Month].map(|style| format(&show, style)));
                texts.join(" | ")
            })
        };
        assert_eq!(texts(Locale::EnUs), "Mon, Nov 30, 8:00\u{a0}PM | Mon, Nov 30 | Mon | Nov");
        assert_eq!(texts(Locale::EnGb), "Mon 30 Nov, 20:00 | Mon 30 Nov | Mon | Nov");
        assert_eq!(texts(Locale::De), "Mo., 30. Nov., 20:00 | Mo., 30. Nov. | Mo | Nov");
    }

    #[test]
    fn year_is_shown_unless_it_is_this_year_at_the_venue() {
        let text = |time: &str| read_by(Locale::EnGb, None, || format_day(&zoned(time)));
        assert_eq!(text("2027-01-01T00:30[Europe/Berlin]"), "Fri, 1 Jan 2027");
        assert_eq!(text("2026-01-01T00:30[Pacific/Kiritimati]"), "Thu 1 Jan");
        assert_eq!(format_day(&zoned("2026-01-01T00:30[Europe/Berlin]")), "Thu, Jan 1, 2026", "outside a request");
    }

    #[test]
    fn zone_is_named_where_the_readers_clock_differs() {
        let zone = |reader, time: &str| read_by(Locale::EnGb, reader, || zone_if_different(&zoned(time)));
        let new_york = "2026-11-30T20:00[America/New_York]";
        assert_eq!(zone(Some("Europe/Berlin"), new_york).as_deref(), Some("EST"));
        assert_eq!(zone(None, new_york).as_deref(), Some("EST"));
        assert_eq!(zone(Some("America/Toronto"), new_york), None, "another name, the same clock");
        assert_eq!(zone(Some("Europe/Berlin"), "2026-07-05T13:00[Europe/Istanbul]").as_deref(), Some("UTC+3"));
        assert_eq!(zone(None, "2026-07-05T13:00[Asia/Kathmandu]").as_deref(), Some("UTC+5:45"));
    }
}
