//! Makes tickets of the events, and offers them.

use anyhow::{Context, Result};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::SELLERS;
use super::events::{EVENTS, Event};
use crate::client::{Session, text};

/// Seats in the same house are offered by several people at several prices: what is added to the
/// event's price in percent, with section, row and seat. Dearer seats are nearer.
const SEATS: [(i64, &str, &str, &str); 5] = [
    (0, "Balcony", "F", "12"),
    (35, "Stalls", "C", "7"),
    (-15, "Gallery", "K", "31"),
    (80, "Front", "A", "4"),
    (10, "Balcony", "B", "18"),
];

/// A ticket that is offered, by whom.
#[derive(Debug)]
pub(super) struct Listing {
    seller: usize,
    body: Value,
}

/// A ticket that was accepted.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) id: String,
    pub(super) seller: usize,
}

/// Two or three tickets of each event.
pub(super) fn all(now: &Timestamp) -> Result<Vec<Listing>> {
    let mut listings = Vec::new();
    for (number, event) in EVENTS.iter().enumerate() {
        let how_many = if number % 2 == 0 { 3 } else { 2 };
        for (turn, seat) in SEATS.iter().cycle().skip(number % SEATS.len()).take(how_many).enumerate() {
            let seller = (number + turn * 3) % SELLERS;
            listings.push(Listing { seller, body: body(event, seat, turn, now)? });
        }
    }
    Ok(listings)
}

fn body(event: &Event, seat: &(i64, &str, &str, &str), turn: usize, now: &Timestamp) -> Result<Value> {
    let &(percent, section, row, number) = seat;
    let zone = TimeZone::get(event.place.time_zone).with_context(|| format!("no zone {}", event.place.time_zone))?;
    let day = now.to_zoned(zone.clone()).date().checked_add(event.in_days.days())?;
    let (hour, minute) = event.at;
    let starts_at = day.to_datetime(Time::new(hour, minute, 0, 0)?).to_zoned(zone)?.timestamp();

    let face_value = event.price * (100 + percent) / 100;
    // Some sell for what they paid, some for a bit more or less.
    let asked = face_value * [100, 115, 90].get(turn % 3).unwrap_or(&100) / 100;
    let currency = event.place.currency;
    let mut ticket = json!({
        "title": event.title,
        "venue": event.place.venue,
        "city": event.place.city,
        "startsAt": starts_at.to_string(),
        "timeZone": event.place.time_zone,
        "price": { "amount": asked, "currency": currency },
        "faceValue": { "amount": face_value, "currency": currency },
        "category": event.category,
        "description": event.about,
    });
    let seated = !event.about.contains("Standing") && event.category != "festival";
    if let (true, Some(fields)) = (seated, ticket.as_object_mut()) {
        for (name, value) in [("section", section), ("row", row), ("seat", number)] {
            fields.insert(name.to_owned(), value.into());
        }
    }
    Ok(ticket)
}

/// Posts them all, in this order.
pub(super) async fn offer(people: &[Session], listings: Vec<Listing>) -> Result<Vec<Offered>> {
    let mut offered = Vec::new();
    for Listing { seller, body } in listings {
        let session = people.get(seller).context("a seller without a session")?;
        let ticket = session.post_patiently("/api/tickets", &body).await?.expect(201)?;
        offered.push(Offered { id: text(&ticket, "id")?.to_owned(), seller });
    }
    Ok(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_sixty_tickets_and_all_lie_ahead() {
        let now: Timestamp = "2027-02-28T23:59:59Z".parse().unwrap();
        let listings = all(&now).unwrap();
        assert_eq!(listings.len(), 60);
        for Listing { body, .. } in &listings {
            let starts_at: Timestamp = body["startsAt"].as_str().unwrap().parse().unwrap();
            assert!(starts_at > now, "{body}");
            assert!(body["price"]["amount"].as_i64().unwrap() >= 1_000, "{body}");
        }
        let of = |field: &str| {
            let mut all: Vec<String> = listings.iter().map(|one| one.body[field].to_string()).collect();
            all.sort();
            all.dedup();
            all.len()
        };
        assert_eq!(of("category"), 6);
        assert!(of("city") >= 8);
    }

    #[test]
    fn an_event_begins_at_its_local_time() {
        // Summer time ends in between.
        let now: Timestamp = "2026-10-20T12:00:00Z".parse().unwrap();
        let first = &all(&now).unwrap()[0].body;
        assert_eq!(first["startsAt"], "2026-10-30T00:00:00Z", "20:00 in New York on the 29th");
    }
}
