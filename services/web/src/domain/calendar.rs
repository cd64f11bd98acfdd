//! An event that somebody has a ticket for, as a calendar file (RFC 5545).
//!
//! # Why
//! Written by hand. It is a dozen lines; the libraries bring time zones or a parser with them, and the
//! one that brings nothing makes lines of 76 octets.

use common::events::order::OrderState;
use common::timestamp::Timestamp;

use super::offer::{place, seat};

/// How many octets a line may have, without its end.
const LONGEST: usize = 75;

/// The calendar file of an order; `page` is the address of the ticket. Nobody knows when the event
/// ends, so it is a moment in the calendar.
pub fn calendar(order: &OrderState, page: &str) -> String {
    let terms = &order.ticket;
    let seat = seat(terms.section.as_deref(), terms.row.as_deref(), terms.seat.as_deref());
    let about = [seat.as_str(), "Show your ticket at the entrance:", page];
    let about: Vec<_> = about.into_iter().filter(|line| !line.is_empty()).collect();
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Ticketing//Tickets//EN".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", order.id),
        format!("DTSTAMP:{}", moment(order.updated_at)),
        format!("DTSTART:{}", moment(terms.starts_at)),
        format!("SUMMARY:{}", escaped(&terms.title)),
        format!("LOCATION:{}", escaped(&place(&terms.venue, terms.city.as_deref()))),
        format!("DESCRIPTION:{}", escaped(&about.join("\n"))),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    lines.iter().map(|line| folded(line)).collect()
}

/// `20991231T235900Z`.
fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Text without the letters that have a meaning in a calendar file.
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

/// The line with its end, broken where it is too long, but not within a letter: what goes on begins
/// with a space.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len() + 2);
    let mut length = 0;
    for letter in line.chars() {
        if length + letter.len_utf8() > LONGEST {
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

    use super::*;
    use crate::domain::history::tests::sample;

    const PAGE: &str = "http://localhost:8080/orders/1";

    /// As calendars read it: lines put together again.
    fn unfolded(calendar: &str) -> Vec<String> {
        calendar.replace("\r\n ", "").split_terminator("\r\n").map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_calendar_says_what_where_and_when() {
        let order = sample(OrderStatus::Completed);
        let id = format!("UID:{}", order.id);
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Ticketing//Tickets//EN",
            "BEGIN:VEVENT",
            &id,
            "DTSTAMP:20260101T100900Z",
            "DTSTART:20990601T193000Z",
            "SUMMARY:Jazz & <b>Blues</b>",
            "LOCATION:Town Hall\\, New York",
            "DESCRIPTION:Section A\\, row 3\\, seat 14\\nShow your ticket at the entrance:\\nhttp://localhost:8080/orders/1",
            "END:VEVENT",
            "END:VCALENDAR",
        ];
        assert_eq!(unfolded(&calendar(&order, PAGE)), expected);
    }

    #[test]
    fn no_seller_writes_lines_of_the_calendar() {
        let mut order = sample(OrderStatus::Completed);
        order.ticket.title = "a;b,c\\d\r\nDTEND:20000101T000000Z".to_owned();
        let lines = unfolded(&calendar(&order, PAGE));
        assert_eq!(lines.len(), 12);
        assert!(lines.contains(&"SUMMARY:a\\;b\\,c\\\\d\\nDTEND:20000101T000000Z".to_owned()), "{lines:?}");
    }

    #[test]
    fn long_lines_are_broken_between_letters() {
        for letter in ["x", "é", "老", "🎷"] {
            let mut order = sample(OrderStatus::Completed);
            order.ticket.title = letter.repeat(200);
            let calendar = calendar(&order, PAGE);
            assert!(calendar.split("\r\n").all(|line| line.len() <= LONGEST), "{calendar}");
            assert!(!calendar.replace("\r\n", "").contains(['\r', '\n']));
            assert!(unfolded(&calendar).contains(&format!("SUMMARY:{}", letter.repeat(200))), "{calendar}");
        }
        // As long as it may be, and one longer.
        assert_eq!(folded(&"x".repeat(75)), format!("{}\r\n", "x".repeat(75)));
        assert_eq!(folded(&"x".repeat(76)), format!("{}\r\n x\r\n", "x".repeat(75)));
    }
}
