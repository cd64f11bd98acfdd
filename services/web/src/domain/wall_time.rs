//! The local date and time at the venue, as typed in a form.
//!
//! # Why
//! A local time is not an instant: where clocks go back, an hour occurs twice, and where they go forward an hour does
//! not exist. The seller must choose in the first case and correct the time in the second, since a guess would put a
//! wrong time on a ticket. A time that was not edited keeps its instant to the millisecond.

use common::timestamp::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::form::matches_digit_pattern;
use crate::i18n::date::{Style, format};
use crate::i18n::msg;

#[derive(Debug, Clone, Copy)]
pub(crate) struct WallTime<'a> {
    /// Value of the `datetime-local` field: `2099-06-01T19:30`.
    pub text: &'a str,
    pub zone: &'a str,
    /// Which occurrence of an ambiguous time is meant: `first` or `second`; empty if not chosen.
    pub occurrence: &'a str,
    /// The instant that the form was filled from, in RFC 3339; empty for a new listing.
    pub original: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WallTimeError {
    UnknownZone,
    /// The text is not a date with a time.
    Malformed,
    /// The clocks skip it when they go forward by a number of minutes.
    Nonexistent {
        local: DateTime,
        minutes: i64,
    },
    /// It occurs twice because the clocks go back, and no occurrence was chosen.
    Ambiguous,
}

/// A local time that occurs twice: the labels of its occurrences, and the chosen one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AmbiguousTime {
    /// `01:30 EDT (UTC-04)`.
    pub first: String,
    /// `01:30 EST (UTC-05)`.
    pub second: String,
    /// `first` or `second`; empty when none was chosen.
    pub chosen: &'static str,
}

impl WallTimeError {
    /// A sentence in the reader's language.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::UnknownZone => msg::form_time_zone(),
            Self::Malformed => msg::form_time_malformed(),
            Self::Nonexistent { local, minutes } => {
                let time = local.to_zoned(TimeZone::UTC).map(|time| format(&time, Style::DateTimeOfYear));
                msg::form_time_skipped(*minutes, time.unwrap_or_else(|_| local.to_string()))
            }
            Self::Ambiguous => msg::form_time_twice(),
        }
    }
}

impl WallTime<'_> {
    pub(crate) fn instant(&self) -> Result<Timestamp, WallTimeError> {
        let zone = self.zone()?;
        let local = self.local(&zone)?;
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, after } => {
                let minutes = i64::from(after.seconds() - before.seconds()) / 60;
                return Err(WallTimeError::Nonexistent { local, minutes });
            }
            AmbiguousOffset::Fold { before, after } => match self.chosen_occurrence(&zone, before, after) {
                "first" => before,
                "second" => after,
                _ => return Err(WallTimeError::Ambiguous),
            },
        };
        let instant = offset.to_timestamp(local).map_err(|_| WallTimeError::Malformed)?;
        Ok(Timestamp::from_millis(instant.as_millisecond()))
    }

    /// The occurrences to choose from, if the time occurs twice.
    pub(crate) fn ambiguity(&self) -> Option<AmbiguousTime> {
        let zone = self.zone().ok()?;
        let local = self.local(&zone).ok()?;
        let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(local).offset() else { return None };
        let label = |offset| occurrence_label(local, offset, &zone);
        let chosen = self.chosen_occurrence(&zone, before, after);
        Some(AmbiguousTime { first: label(before), second: label(after), chosen })
    }

    fn zone(&self) -> Result<TimeZone, WallTimeError> {
        TimeZone::get(self.zone.trim()).map_err(|_| WallTimeError::UnknownZone)
    }

    /// The instant that the form was filled from, if date, time and zone are unchanged.
    fn unedited(&self) -> Option<jiff::Timestamp> {
        let time: Timestamp = self.original.parse().ok()?;
        let is_same = self.text.trim() == to_local_input(time, self.zone);
        is_same.then(|| jiff::Timestamp::from_millisecond(time.as_millis()).ok()).flatten()
    }

    /// The local date and time. An unedited one includes the seconds, which the form does not show.
    fn local(&self, zone: &TimeZone) -> Result<DateTime, WallTimeError> {
        if let Some(time) = self.unedited() {
            return Ok(zone.to_datetime(time));
        }
        let text = self.text.trim();
        let (minute, rest) = text.split_at_checked(16).ok_or(WallTimeError::Malformed)?;
        // The parser would also accept a date without a time, or one with an offset.
        let is_second = rest.is_empty()
            || (rest.starts_with(':') && rest.bytes().skip(1).all(|byte| byte.is_ascii_digit() || byte == b'.'));
        if !matches_digit_pattern(minute, "0000-00-00T00:00") || !is_second {
            return Err(WallTimeError::Malformed);
        }
        text.parse().map_err(|_| WallTimeError::Malformed)
    }

    /// The chosen occurrence, otherwise that of the unedited instant; empty if neither is known.
    fn chosen_occurrence(&self, zone: &TimeZone, before: Offset, after: Offset) -> &'static str {
        let original = self.unedited().map(|time| zone.to_offset(time));
        match self.occurrence {
            "first" => "first",
            "second" => "second",
            _ if original == Some(before) => "first",
            _ if original == Some(after) => "second",
            _ => "",
        }
    }
}

/// `01:30 EDT (UTC-04)`.
fn occurrence_label(local: DateTime, offset: Offset, zone: &TimeZone) -> String {
    let abbreviation = offset.to_timestamp(local).map(|time| time.to_zoned(zone.clone()).strftime("%Z").to_string());
    let clock = local.strftime("%H:%M");
    match abbreviation {
        Ok(name) if !name.starts_with(['+', '-']) => format!("{clock} {name} (UTC{offset})"),
        _ => format!("{clock} (UTC{offset})"),
    }
}

/// An instant as the value of a `datetime-local` field.
pub(crate) fn to_local_input(time: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone.trim()).unwrap_or(TimeZone::UTC);
    let local = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default().to_zoned(zone);
    local.strftime("%Y-%m-%dT%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::testing::in_german;

    const NEW_YORK: &str = "America/New_York";
    const BERLIN: &str = "Europe/Berlin";

    fn instant(text: &str, zone: &str, occurrence: &str, original: &str) -> Result<String, WallTimeError> {
        WallTime { text, zone, occurrence, original }.instant().map(|time| time.to_string())
    }

    #[test]
    fn local_time_is_converted_in_its_zone() {
        for (text, zone, expected) in [
            ("2099-06-01T15:30", NEW_YORK, "2099-06-01T19:30:00.000Z"),
            (" 2099-06-01T15:30 ", "UTC", "2099-06-01T15:30:00.000Z"),
            ("2099-06-01T15:30:45", "UTC", "2099-06-01T15:30:45.000Z"),
            ("2099-06-01T15:30:45.5", "UTC", "2099-06-01T15:30:45.500Z"),
            ("2027-03-28T01:59", BERLIN, "2027-03-28T00:59:00.000Z"),
            ("2027-03-28T03:00", BERLIN, "2027-03-28T01:00:00.000Z"),
        ] {
            assert_eq!(instant(text, zone, "", "").as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(to_local_input("2099-06-01T19:30:00Z".parse().unwrap(), NEW_YORK), "2099-06-01T15:30");
    }

    #[test]
    fn malformed_date_times_are_rejected() {
        for text in [
            "",
            "soon",
            "2099-06-01",
            "2099-06-01T",
            "2099-06-01T15",
            "15:30",
            "2099-06-31T15:30",
            "2099-06-01 15:30",
            "2099-06-01T15:30Z",
            "2099-06-01T15:30+02:00",
            "2099-06-01T25:30",
            "26-06-01T19:30",
            "2099-06-01T19:30:",
            "2099-06-01T19:30:4",
            "2099-06-01T19:30:45.",
            "２０99-06-01T19:30",
            "20990601T1530",
        ] {
            assert_eq!(instant(text, "UTC", "", ""), Err(WallTimeError::Malformed), "{text}");
        }
        assert_eq!(instant("2099-06-01T15:30", "Atlantis/Capital", "", ""), Err(WallTimeError::UnknownZone));
    }

    #[test]
    fn nonexistent_time_is_rejected_with_the_reason() {
        let message = |text, zone| instant(text, zone, "", "").unwrap_err().message();
        let text = message("2027-03-28T02:30", BERLIN);
        let expected =
            "Sun, Mar 28, 2027, 2:30\u{a0}AM doesn’t exist at the venue, because the clocks go forward by an hour.";
        assert!(text.starts_with(expected), "{text}");
        let text = message("2027-10-03T02:15", "Australia/Lord_Howe");
        assert!(text.contains("by 30 minutes. Enter another time."), "{text}");
        let text = in_german(|| message("2027-03-28T02:30", BERLIN));
        assert!(text.contains("02:30 gibt es am Veranstaltungsort nicht") && text.contains("um eine Stunde"), "{text}");
    }

    #[test]
    fn ambiguous_time_requires_a_choice() {
        let local = "2027-11-07T01:30";
        assert_eq!(instant(local, NEW_YORK, "", ""), Err(WallTimeError::Ambiguous));
        assert_eq!(instant(local, NEW_YORK, "both", ""), Err(WallTimeError::Ambiguous));
        assert_eq!(instant(local, NEW_YORK, "first", "").as_deref(), Ok("2027-11-07T05:30:00.000Z"));
        assert_eq!(instant(local, NEW_YORK, "second", "").as_deref(), Ok("2027-11-07T06:30:00.000Z"));
        assert!(instant("2027-11-07T02:30", NEW_YORK, "first", "").is_ok(), "the choice is ignored for other times");
        let ambiguity =
            |text, occurrence, original| WallTime { text, zone: NEW_YORK, occurrence, original }.ambiguity();
        let ambiguous = ambiguity(local, "", "").unwrap();
        assert_eq!((ambiguous.first.as_str(), ambiguous.second.as_str()), ("01:30 EDT (UTC-04)", "01:30 EST (UTC-05)"));
        assert_eq!(ambiguous.chosen, "");
        assert_eq!(ambiguity("2027-11-07T02:30", "", ""), None);
        // The original occurrence is chosen by default and can be changed.
        assert_eq!(ambiguity(local, "", "2027-11-07T06:30:00Z").unwrap().chosen, "second");
        assert_eq!(ambiguity(local, "first", "2027-11-07T06:30:00Z").unwrap().chosen, "first");
    }

    #[test]
    fn unedited_time_keeps_its_instant() {
        for original in ["2027-11-07T06:30:00.000Z", "2027-11-07T05:30:59.999Z", "2027-11-07T06:30:12.345Z"] {
            assert_eq!(instant("2027-11-07T01:30", NEW_YORK, "", original).as_deref(), Ok(original));
        }
        // A choice is an edit, which keeps the seconds.
        let original = "2027-11-07T05:30:12.345Z";
        assert_eq!(instant("2027-11-07T01:30", NEW_YORK, "first", original).as_deref(), Ok(original));
        assert_eq!(
            instant("2027-11-07T01:30", NEW_YORK, "second", original).as_deref(),
            Ok("2027-11-07T06:30:12.345Z")
        );
        // Another zone is an edit, and so is another minute.
        let original = "2027-06-01T10:00:59.000Z";
        assert_eq!(instant("2027-06-01T10:00", BERLIN, "", original).as_deref(), Ok("2027-06-01T08:00:00.000Z"));
        assert_eq!(instant("2027-06-01T12:01", BERLIN, "", original).as_deref(), Ok("2027-06-01T10:01:00.000Z"));
        assert_eq!(instant("2027-06-01T12:00", BERLIN, "", "nonsense").as_deref(), Ok("2027-06-01T10:00:00.000Z"));
    }
}
