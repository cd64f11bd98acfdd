//! A calendar file (RFC 5545) for the event of an order.
//!
//! # Why
//! Generated here, in a dozen lines: most libraries add time zones or a parser, and the one without dependencies folds
//! lines at 76 octets, which violates RFC 5545.

use common::events::order::OrderState;
use common::timestamp::Timestamp;

use super::listing_view::{place, seat};

/// Maximum number of octets in a line, without its line break.
const MAX_LINE_OCTETS: usize = 75;

/// The calendar file of an order; `page` is the URL of the order's page. There is no `DTEND`, because the end of the
/// event is unknown.
pub(crate) fn calendar(order: &OrderState, page: &str) -> String {
    let terms = &order.ticket;
    let seat = seat(terms.section.as_deref(), terms.row.as_deref(), terms.seat.as_deref());
    let description = [seat.as_str(), "Show your ticket at the entrance:", page];
    let description: Vec<_> = description.into_iter().filter(|line| !line.is_empty()).collect();
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Ticketing//Tickets//EN".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", order.id),
        format!("DTSTAMP:{}", utc_stamp(order.updated_at)),
        format!("DTSTART:{}", utc_stamp(terms.starts_at)),
        format!("SUMMARY:{}", escaped(&terms.title)),
        format!("LOCATION:{}", escaped(&place(&terms.venue, terms.city.as_deref()))),
        format!("DESCRIPTION:{}", escaped(&description.join("\n"))),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    lines.iter().map(|line| folded(line)).collect()
}

/// `20991231T235900Z`.
fn utc_stamp(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
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

    use super::*;
    use crate::domain::order_view::tests::sample;

    const PAGE: &str = "http://localhost:8080/orders/1";

    /// The lines as calendar programs read them.
    fn unfolded(calendar: &str) -> Vec<String> {
        calendar.replace("\r\n ", "").split_terminator("\r\n").map(ToOwned::to_owned).collect()
    }

    #[test]
    fn calendar_contains_the_event() {
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
    fn listing_text_cannot_inject_lines() {
        let mut order = sample(OrderStatus::Completed);
        order.ticket.title = "a;b,c\\d\r\nDTEND:20000101T000000Z".to_owned();
        let lines = unfolded(&calendar(&order, PAGE));
        assert_eq!(lines.len(), 12);
        assert!(lines.contains(&"SUMMARY:a\\;b\\,c\\\\d\\nDTEND:20000101T000000Z".to_owned()), "{lines:?}");
    }

    #[test]
    fn long_lines_are_folded_between_characters() {
        for letter in ["x", "é", "老", "🎷"] {
            let mut order = sample(OrderStatus::Completed);
            order.ticket.title = letter.repeat(200);
            let calendar = calendar(&order, PAGE);
            assert!(calendar.split("\r\n").all(|line| line.len() <= MAX_LINE_OCTETS), "{calendar}");
            assert!(!calendar.replace("\r\n", "").contains(['\r', '\n']));
            assert!(unfolded(&calendar).contains(&format!("SUMMARY:{}", letter.repeat(200))), "{calendar}");
        }
        // The longest unfolded line, and one octet more.
        assert_eq!(folded(&"x".repeat(75)), format!("{}\r\n", "x".repeat(75)));
        assert_eq!(folded(&"x".repeat(76)), format!("{}\r\n x\r\n", "x".repeat(75)));
    }
}
