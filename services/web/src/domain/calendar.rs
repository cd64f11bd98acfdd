//! A calendar file (RFC 5545) for the event of an order.
//!
//! # Why
//! Generated here: most libraries add their own time zones or a parser, and the one without dependencies folds lines at
//! 76 octets, which violates RFC 5545.

use std::time::Duration;

use common::events::order::OrderState;
use common::events::show::ShowState;
use common::timestamp::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::listing_view::place;
use super::order_number::OrderNumber;
use super::seats::place_of_seats;
use super::show_notice::ShowNotice;
use crate::i18n::msg;

/// Maximum number of octets in a line, without its line break.
const MAX_LINE_OCTETS: usize = 75;
/// Duration of an event whose end is unknown. Without an end, a calendar shows an event of no duration.
const ASSUMED_DURATION: Duration = Duration::from_secs(3 * 3600);

/// The calendar file of an order of this show, if it is known, in the venue's time zone; `page` is the URL of the
/// order's page. A moved show is entered where and when it takes place now.
pub(crate) fn calendar(order: &OrderState, show: Option<&ShowState>, page: &str) -> String {
    let terms = &order.ticket;
    let notice = show.and_then(|show| ShowNotice::of(order, show));
    let is_cancelled = notice.as_ref().is_some_and(ShowNotice::is_cancelled);
    let moved = show.filter(|_| notice.is_some() && !is_cancelled);
    let (starts_at, zone_name, place) = match moved {
        Some(show) => (show.starts_at, &show.time_zone, place(&show.venue, show.city.as_deref())),
        None => (terms.starts_at, &terms.time_zone, place(&terms.venue, terms.city.as_deref())),
    };
    let end = show.and_then(|show| show.ends_at).filter(|end| *end > starts_at);
    let (starts, ends) = (instant(starts_at), instant(end.unwrap_or_else(|| starts_at.plus(ASSUMED_DURATION))));
    let zone = TimeZone::get(zone_name).ok().filter(|_| zone_name != "UTC");
    let zone = zone.map(|zone| (zone_name.as_str(), zone));
    let changed_at = show.filter(|_| notice.is_some()).map_or(order.updated_at, |show| show.updated_at);
    let names: Vec<_> = order.seats.iter().map(Option::as_deref).collect();
    let seats = place_of_seats(terms.section.as_deref(), terms.row.as_deref(), &names);
    let pass =
        if is_cancelled { msg::order_event_cancelled() } else { msg::order_event_passes(order.slots.len(), page) };
    let number = OrderNumber::of(order.id).to_string();
    let note = if end.is_some() { msg::order_event_number(number) } else { msg::order_event_number_estimated(number) };
    let description: Vec<_> = [seats.as_str(), &pass, &note].into_iter().filter(|line| !line.is_empty()).collect();
    let mut lines =
        vec!["BEGIN:VCALENDAR".to_owned(), "VERSION:2.0".to_owned(), "PRODID:-//Ticketing//Tickets//EN".to_owned()];
    lines.extend(zone.iter().flat_map(|(name, zone)| time_zone(name, zone, starts, ends)));
    lines.extend([
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", order.id),
        format!("DTSTAMP:{}", utc_stamp(instant(order.updated_at.max(changed_at)))),
        format!("DTSTART{}", stamp(zone.as_ref(), starts)),
        format!("DTEND{}", stamp(zone.as_ref(), ends)),
        format!("SUMMARY:{}", escaped(&terms.title)),
        format!("LOCATION:{}", escaped(&place)),
        format!("URL:{page}"),
        format!("DESCRIPTION:{}", escaped(&description.join("\n"))),
    ]);
    lines.extend(is_cancelled.then(|| "STATUS:CANCELLED".to_owned()));
    lines.extend(["END:VEVENT".to_owned(), "END:VCALENDAR".to_owned()]);
    lines.iter().map(|line| folded(line)).collect()
}

/// The name of the file: the event's title in ASCII, and the order's number.
pub(crate) fn file_name(order: &OrderState) -> String {
    let title = order.ticket.title.to_ascii_lowercase();
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.take(6).map(|word| word.chars().take(20).collect::<String>());
    let name: Vec<_> = name.chain([OrderNumber::of(order.id).to_string()]).collect();
    format!("{}.ics", name.join("-"))
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default()
}

/// `:20991231T235900Z`, or in a time zone `;TZID=Europe/Berlin:21000101T005900`.
fn stamp(zone: Option<&(&str, TimeZone)>, at: jiff::Timestamp) -> String {
    match zone {
        Some((name, zone)) => format!(";TZID={name}:{}", zone.to_datetime(at).strftime(LOCAL)),
        None => format!(":{}", utc_stamp(at)),
    }
}

/// A time without a zone.
const LOCAL: &str = "%Y%m%dT%H%M%S";

/// `20991231T235900Z`.
fn utc_stamp(at: jiff::Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The definition of a time zone: its transitions that say which offsets hold from the start to the end of the event.
fn time_zone(name: &str, zone: &TimeZone, starts: jiff::Timestamp, ends: jiff::Timestamp) -> Vec<String> {
    // A transition at the very start counts.
    let current = zone.preceding(after(starts, 1)).take(1);
    let later = zone.following(starts).take_while(|transition| transition.timestamp() <= ends);
    let mut lines = vec!["BEGIN:VTIMEZONE".to_owned(), format!("TZID:{name}")];
    for transition in current.chain(later) {
        let at = transition.timestamp();
        let before = zone.to_offset(after(at, -1));
        let kind = if transition.dst().is_dst() { "DAYLIGHT" } else { "STANDARD" };
        lines.extend(observance(kind, before, transition.offset(), at, transition.abbreviation()));
    }
    if lines.len() == 2 {
        // The zone never had another offset.
        let (offset, epoch) = (zone.to_offset(starts), jiff::Timestamp::UNIX_EPOCH);
        lines.extend(observance("STANDARD", offset, offset, epoch, zone.to_offset_info(starts).abbreviation()));
    }
    lines.push("END:VTIMEZONE".to_owned());
    lines
}

/// The part of a definition that holds from this time on.
fn observance(kind: &str, before: Offset, offset: Offset, from: jiff::Timestamp, name: &str) -> [String; 6] {
    [
        format!("BEGIN:{kind}"),
        format!("DTSTART:{}", before.to_datetime(from).strftime(LOCAL)),
        format!("TZOFFSETFROM:{}", utc_offset(before)),
        format!("TZOFFSETTO:{}", utc_offset(offset)),
        format!("TZNAME:{name}"),
        format!("END:{kind}"),
    ]
}

fn after(at: jiff::Timestamp, seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at.as_second() + seconds).unwrap_or(at)
}

/// `-0500`, with seconds only if there are any.
fn utc_offset(offset: Offset) -> String {
    let (sign, seconds) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().unsigned_abs());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if seconds == 0 {
        format!("{sign}{hours:02}{minutes:02}")
    } else {
        format!("{sign}{hours:02}{minutes:02}{seconds:02}")
    }
}

/// The text with special characters escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            '\r' => {}
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// The line, folded with its line break as RFC 5545 requires, but never inside a character.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len() + 2);
    let mut length = 0;
    for letter in line.chars() {
        if length + letter.len_utf8() > MAX_LINE_OCTETS {
            folded.push_str("\r\n ");
            length = 1;
        }
        folded.push(letter);
        length += letter.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use common::events::order::OrderStatus;
    use common::events::show::ShowStatus;

    use super::*;
    use crate::domain::order_view::tests::{pair, sample};
    use crate::domain::show_notice::tests::show_of;
    use crate::i18n::testing::in_german;

    const PAGE: &str = "http://localhost:8080/orders/1";

    /// The lines as calendar programs read them.
    fn unfolded(calendar: &str) -> Vec<String> {
        calendar.replace("\r\n ", "").split_terminator("\r\n").map(ToOwned::to_owned).collect()
    }

    #[test]
    fn calendar_contains_the_event() {
        let order = sample(OrderStatus::Completed);
        let id = format!("UID:{}", order.id);
        let description = format!(
            "DESCRIPTION:Section A\\, row 3\\, seat 14\\nYour pass: {PAGE}\\nOrder {}. The end time is an estimate: the seller did \
             not give one.",
            OrderNumber::of(order.id)
        );
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Ticketing//Tickets//EN",
            "BEGIN:VTIMEZONE",
            "TZID:America/New_York",
            "BEGIN:DAYLIGHT",
            "DTSTART:20990308T020000",
            "TZOFFSETFROM:-0500",
            "TZOFFSETTO:-0400",
            "TZNAME:EDT",
            "END:DAYLIGHT",
            "END:VTIMEZONE",
            "BEGIN:VEVENT",
            &id,
            "DTSTAMP:20260101T100900Z",
            "DTSTART;TZID=America/New_York:20990601T153000",
            "DTEND;TZID=America/New_York:20990601T183000",
            "SUMMARY:Jazz & <b>Blues</b>",
            "LOCATION:Town Hall\\, New York",
            "URL:http://localhost:8080/orders/1",
            &description,
            "END:VEVENT",
            "END:VCALENDAR",
        ];
        assert_eq!(unfolded(&calendar(&order, None, PAGE)), expected);
        assert_eq!(file_name(&order), format!("jazz-b-blues-b-{}.ics", OrderNumber::of(order.id)));
    }

    #[test]
    fn show_decides_where_and_when() {
        let order = sample(OrderStatus::Completed);
        let lines = |show: &ShowState| unfolded(&calendar(&order, Some(show), PAGE));
        let scheduled = show_of(&order, ShowStatus::Scheduled);
        assert_eq!(lines(&scheduled), unfolded(&calendar(&order, None, PAGE)));
        let moved = ShowState {
            starts_at: "2099-07-01T18:00:00Z".parse().unwrap(),
            ends_at: Some("2099-07-01T20:30:00Z".parse().unwrap()),
            time_zone: "Europe/London".to_owned(),
            venue: "Old Vic".to_owned(),
            city: Some("London".to_owned()),
            updated_at: "2026-02-03T04:05:06Z".parse().unwrap(),
            ..show_of(&order, ShowStatus::Moved)
        };
        let found = lines(&moved);
        for line in [
            "DTSTAMP:20260203T040506Z",
            "DTSTART;TZID=Europe/London:20990701T190000",
            "DTEND;TZID=Europe/London:20990701T213000",
            "LOCATION:Old Vic\\, London",
        ] {
            assert!(found.contains(&line.to_owned()), "{line} is not in {found:?}");
        }
        assert!(!found.concat().contains("an estimate") && !found.concat().contains("CANCELLED"), "{found:?}");
        let found = lines(&show_of(&order, ShowStatus::Cancelled));
        assert!(found.contains(&"STATUS:CANCELLED".to_owned()) && !found.concat().contains("Your pass"), "{found:?}");
        assert!(found.contains(&"DTSTART;TZID=America/New_York:20990601T153000".to_owned()), "{found:?}");
    }

    #[test]
    fn offsets_of_the_zone_are_those_of_the_event() {
        let lines = |starts_at: &str, zone: &str| {
            let mut order = sample(OrderStatus::Completed);
            order.ticket.starts_at = starts_at.parse().unwrap();
            order.ticket.time_zone = zone.to_owned();
            unfolded(&calendar(&order, None, PAGE)).join("\n")
        };
        // The clocks go back during the event: two offsets.
        let night = lines("2026-10-25T00:30:00Z", "Europe/Berlin");
        for part in [
            "BEGIN:DAYLIGHT\nDTSTART:20260329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nTZNAME:CEST\nEND:DAYLIGHT",
            "BEGIN:STANDARD\nDTSTART:20261025T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nTZNAME:CET\nEND:STANDARD",
            "DTSTART;TZID=Europe/Berlin:20261025T023000",
            "DTEND;TZID=Europe/Berlin:20261025T043000",
        ] {
            assert!(night.contains(part), "{part} is not in {night}");
        }
        // A zone whose clocks are never changed now has one offset.
        let india = lines("2026-10-25T14:30:00Z", "Asia/Kolkata");
        assert_eq!(india.matches("BEGIN:STANDARD").count(), 1, "{india}");
        assert!(india.contains("TZOFFSETTO:+0530\nTZNAME:IST") && india.contains(":20261025T200000"), "{india}");
        for zone in ["UTC", "Atlantis/Capital"] {
            let plain = lines("2026-10-25T14:30:00Z", zone);
            assert!(plain.contains("DTSTART:20261025T143000Z\nDTEND:20261025T173000Z"), "{plain}");
            assert!(!plain.contains("VTIMEZONE"), "{plain}");
        }
        assert!(lines("2026-10-25T14:30:00Z", "Etc/GMT+3").contains("TZOFFSETTO:-0300"));
    }

    #[test]
    fn listing_text_cannot_inject_lines() {
        let mut order = sample(OrderStatus::Completed);
        let usual = unfolded(&calendar(&order, None, PAGE)).len();
        order.ticket.title = "a;b,c\\d\r\nDTEND:20000101T000000Z".to_owned();
        let lines = unfolded(&calendar(&order, None, PAGE));
        assert_eq!(lines.len(), usual);
        assert!(lines.contains(&"SUMMARY:a\\;b\\,c\\\\d\\nDTEND:20000101T000000Z".to_owned()), "{lines:?}");
        // A zone's name that is not known is not written.
        order.ticket.time_zone = "UTC\r\nDTEND:20000101T000000Z".to_owned();
        assert!(!calendar(&order, None, PAGE).contains("\nDTEND:2000"));
        order.ticket.title = "Fête \"; é\u{202e}".to_owned();
        assert_eq!(file_name(&order), format!("f-te-{}.ics", OrderNumber::of(order.id)));
    }

    #[test]
    fn long_lines_are_folded_between_characters() {
        for letter in ["x", "é", "老", "🎷"] {
            let mut order = sample(OrderStatus::Completed);
            order.ticket.title = letter.repeat(200);
            let calendar = calendar(&order, None, PAGE);
            assert!(calendar.split("\r\n").all(|line| line.len() <= MAX_LINE_OCTETS), "{calendar}");
            assert!(!calendar.replace("\r\n", "").contains(['\r', '\n']));
            assert!(unfolded(&calendar).contains(&format!("SUMMARY:{}", letter.repeat(200))), "{calendar}");
        }
        // The longest unfolded line, and one octet more.
        assert_eq!(folded(&"x".repeat(75)), format!("{}\r\n", "x".repeat(75)));
        assert_eq!(folded(&"x".repeat(76)), format!("{}\r\n x\r\n", "x".repeat(75)));
    }

    #[test]
    fn description_is_in_the_readers_language() {
        let order = pair(OrderStatus::Completed);
        let lines = in_german(|| unfolded(&calendar(&order, None, PAGE)));
        let end = format!(
            "\\nDeine Einlasscodes: {PAGE}\\nBestellung {}. Die Endzeit ist geschätzt\\, weil das Angebot keine nennt.",
            OrderNumber::of(order.id)
        );
        assert!(lines.iter().any(|line| line.starts_with("DESCRIPTION:") && line.ends_with(&end)), "{lines:?}");
    }
}
