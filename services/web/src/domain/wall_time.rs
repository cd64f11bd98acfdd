//! The date and time on a wall at the venue, as a form says it.
//!
//! # Why
//! A wall time is no instant: where clocks go back, an hour comes twice, and where they go forward one never comes. A
//! seller is asked in the one case and told in the other, since a guess would put a wrong time on a ticket. What was
//! not edited keeps its instant, to the millisecond.

use common::timestamp::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::form::is_shaped;

/// What a form says of a date and a time.
#[derive(Debug, Clone, Copy)]
pub struct WallTime<'a> {
    /// What a `datetime-local` field has: `2099-06-01T19:30`.
    pub text: &'a str,
    /// The venue's IANA time zone.
    pub zone: &'a str,
    /// Which of two is meant, in an hour that comes twice: `first` or `second`.
    pub which: &'a str,
    /// The instant that the form was filled from, if it was: RFC 3339.
    pub unedited: &'a str,
}

/// Why it is no instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WallTimeError {
    /// The zone is not known.
    Zone,
    /// No date with a time.
    Text,
    /// The clocks go forward past it.
    Skipped(String),
    /// The clocks go back, so that it comes twice.
    Repeated,
}

/// A wall time that comes twice: how each of them is called, and which one is meant as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// `01:30 EDT (UTC-04)`.
    pub first: String,
    /// `01:30 EST (UTC-05)`.
    pub second: String,
    /// `first` or `second`; empty when nobody has said.
    pub meant: &'static str,
}

impl WallTimeError {
    /// What to do about it, as other faults of forms are told.
    pub fn message(&self) -> String {
        match self {
            Self::Zone => "must be at a known time zone".to_owned(),
            Self::Text => "must be a date and a time".to_owned(),
            Self::Skipped(gap) => format!("does not exist at the venue: {gap}"),
            Self::Repeated => {
                "comes twice at the venue, since the clocks go back that night: choose which one is meant".to_owned()
            }
        }
    }
}

impl WallTime<'_> {
    /// The instant.
    pub fn instant(&self) -> Result<Timestamp, WallTimeError> {
        let zone = self.zone()?;
        let local = self.local(&zone)?;
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, after } => return Err(WallTimeError::Skipped(gap(local, before, after))),
            AmbiguousOffset::Fold { before, after } => match self.meant(&zone, before, after) {
                "first" => before,
                "second" => after,
                _ => return Err(WallTimeError::Repeated),
            },
        };
        let instant = offset.to_timestamp(local).map_err(|_| WallTimeError::Text)?;
        Ok(Timestamp::from_millis(instant.as_millisecond()))
    }

    /// What there is to choose from, when it comes twice.
    pub fn repeated(&self) -> Option<Repeated> {
        let zone = self.zone().ok()?;
        let local = self.local(&zone).ok()?;
        let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(local).offset() else { return None };
        let called = |offset| called(local, offset, &zone);
        Some(Repeated { first: called(before), second: called(after), meant: self.meant(&zone, before, after) })
    }

    fn zone(&self) -> Result<TimeZone, WallTimeError> {
        TimeZone::get(self.zone.trim()).map_err(|_| WallTimeError::Zone)
    }

    /// The instant that the form was filled from, if date, time and zone are as they were then.
    fn unedited(&self) -> Option<jiff::Timestamp> {
        let time: Timestamp = self.unedited.parse().ok()?;
        let is_same = self.text.trim() == local(time, self.zone);
        is_same.then(|| jiff::Timestamp::from_millisecond(time.as_millis()).ok()).flatten()
    }

    /// Date and time, with the seconds that the form does not show.
    fn local(&self, zone: &TimeZone) -> Result<DateTime, WallTimeError> {
        if let Some(time) = self.unedited() {
            return Ok(zone.to_datetime(time));
        }
        let text = self.text.trim();
        let (minute, rest) = text.split_at_checked(16).ok_or(WallTimeError::Text)?;
        // The parser would also take a date alone, or one with an offset behind it.
        let is_second = rest.is_empty()
            || (rest.starts_with(':') && rest.bytes().skip(1).all(|byte| byte.is_ascii_digit() || byte == b'.'));
        if !is_shaped(minute, "0000-00-00T00:00") || !is_second {
            return Err(WallTimeError::Text);
        }
        text.parse().map_err(|_| WallTimeError::Text)
    }

    /// Which of two is meant: what was chosen, or else what stands and was not edited.
    fn meant(&self, zone: &TimeZone, before: Offset, after: Offset) -> &'static str {
        let stands = self.unedited().map(|time| zone.to_offset(time));
        match self.which {
            "first" => "first",
            "second" => "second",
            _ if stands == Some(before) => "first",
            _ if stands == Some(after) => "second",
            _ => "",
        }
    }
}

/// `01:30 EDT (UTC-04)`.
fn called(local: DateTime, offset: Offset, zone: &TimeZone) -> String {
    let abbreviation = offset.to_timestamp(local).map(|time| time.to_zoned(zone.clone()).strftime("%Z").to_string());
    let clock = local.strftime("%H:%M");
    match abbreviation {
        Ok(name) if !name.starts_with(['+', '-']) => format!("{clock} {name} (UTC{offset})"),
        _ => format!("{clock} (UTC{offset})"),
    }
}

/// What the clocks do instead.
fn gap(local: DateTime, before: Offset, after: Offset) -> String {
    let skipped = i64::from(after.seconds() - before.seconds()) / 60;
    let by = match (skipped / 60, skipped % 60) {
        (1, 0) => "an hour".to_owned(),
        (hours, 0) => format!("{hours} hours"),
        _ => format!("{skipped} minutes"),
    };
    format!("on {} the clocks go forward by {by}, past {}", local.strftime("%-d %B %Y"), local.strftime("%H:%M"))
}

/// An instant as a `datetime-local` field takes it.
pub fn local(time: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone.trim()).unwrap_or(TimeZone::UTC);
    let local = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default().to_zoned(zone);
    local.strftime("%Y-%m-%dT%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YORK: &str = "America/New_York";
    const BERLIN: &str = "Europe/Berlin";

    fn instant(text: &str, zone: &str, which: &str, unedited: &str) -> Result<String, WallTimeError> {
        WallTime { text, zone, which, unedited }.instant().map(|time| time.to_string())
    }

    #[test]
    fn a_wall_time_is_that_of_its_place() {
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
        assert_eq!(local("2099-06-01T19:30:00Z".parse().unwrap(), NEW_YORK), "2099-06-01T15:30");
    }

    #[test]
    fn a_date_without_a_time_is_none() {
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
            assert_eq!(instant(text, "UTC", "", ""), Err(WallTimeError::Text), "{text}");
        }
        assert_eq!(instant("2099-06-01T15:30", "Atlantis/Capital", "", ""), Err(WallTimeError::Zone));
    }

    #[test]
    fn a_time_that_is_skipped_is_refused_with_the_reason() {
        let message = |text, zone| instant(text, zone, "", "").unwrap_err().message();
        let said = message("2027-03-28T02:30", BERLIN);
        assert!(said.contains("on 28 March 2027 the clocks go forward by an hour, past 02:30"), "{said}");
        let said = message("2027-10-03T02:15", "Australia/Lord_Howe");
        assert!(said.contains("by 30 minutes, past 02:15"), "{said}");
    }

    #[test]
    fn a_time_that_comes_twice_is_asked_about() {
        let local = "2027-11-07T01:30";
        assert_eq!(instant(local, NEW_YORK, "", ""), Err(WallTimeError::Repeated));
        assert_eq!(instant(local, NEW_YORK, "both", ""), Err(WallTimeError::Repeated));
        assert_eq!(instant(local, NEW_YORK, "first", "").as_deref(), Ok("2027-11-07T05:30:00.000Z"));
        assert_eq!(instant(local, NEW_YORK, "second", "").as_deref(), Ok("2027-11-07T06:30:00.000Z"));
        assert!(instant("2027-11-07T02:30", NEW_YORK, "first", "").is_ok(), "which it is does not matter elsewhere");
        let asked = |text, which, unedited| WallTime { text, zone: NEW_YORK, which, unedited }.repeated();
        let repeated = asked(local, "", "").unwrap();
        assert_eq!((repeated.first.as_str(), repeated.second.as_str()), ("01:30 EDT (UTC-04)", "01:30 EST (UTC-05)"));
        assert_eq!(repeated.meant, "");
        assert_eq!(asked("2027-11-07T02:30", "", ""), None);
        // What stands is chosen already, and can be chosen otherwise.
        assert_eq!(asked(local, "", "2027-11-07T06:30:00Z").unwrap().meant, "second");
        assert_eq!(asked(local, "first", "2027-11-07T06:30:00Z").unwrap().meant, "first");
    }

    #[test]
    fn what_was_not_edited_keeps_its_instant() {
        for unedited in ["2027-11-07T06:30:00.000Z", "2027-11-07T05:30:59.999Z", "2027-11-07T06:30:12.345Z"] {
            assert_eq!(instant("2027-11-07T01:30", NEW_YORK, "", unedited).as_deref(), Ok(unedited));
        }
        // A choice is an edit, which keeps the seconds.
        let unedited = "2027-11-07T05:30:12.345Z";
        assert_eq!(instant("2027-11-07T01:30", NEW_YORK, "first", unedited).as_deref(), Ok(unedited));
        assert_eq!(
            instant("2027-11-07T01:30", NEW_YORK, "second", unedited).as_deref(),
            Ok("2027-11-07T06:30:12.345Z")
        );
        // Another zone is an edit, and so is another minute.
        let unedited = "2027-06-01T10:00:59.000Z";
        assert_eq!(instant("2027-06-01T10:00", BERLIN, "", unedited).as_deref(), Ok("2027-06-01T08:00:00.000Z"));
        assert_eq!(instant("2027-06-01T12:01", BERLIN, "", unedited).as_deref(), Ok("2027-06-01T10:01:00.000Z"));
        assert_eq!(instant("2027-06-01T12:00", BERLIN, "", "nonsense").as_deref(), Ok("2027-06-01T10:00:00.000Z"));
    }
}
