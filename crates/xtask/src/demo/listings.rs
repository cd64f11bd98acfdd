//! Makes tickets of the events, and offers them.

use anyhow::{Context, Result};
use common::api::tickets::{CreateListing, NewListing};
use common::events::ticket::Category;
use common::id::TicketId;
use common::money::Money;
use common::text::Text;
use common::timestamp::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::SELLERS;
use super::events::{EVENTS, Event};
use crate::client::Session;

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
    request: CreateListing,
}

/// A ticket that was accepted.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) id: TicketId,
    pub(super) seller: usize,
    pub(super) listing: NewListing,
}

/// Two or three tickets of each event.
pub(super) fn all(now: &jiff::Timestamp) -> Result<Vec<Listing>> {
    let mut listings = Vec::new();
    for (number, event) in EVENTS.iter().enumerate() {
        let how_many = if number % 2 == 0 { 3 } else { 2 };
        for (turn, seat) in SEATS.iter().cycle().skip(number % SEATS.len()).take(how_many).enumerate() {
            let seller = (number + turn * 3) % SELLERS;
            listings.push(Listing { seller, request: CreateListing { body: body(event, seat, turn, now)? } });
        }
    }
    Ok(listings)
}

fn body(event: &Event, seat: &(i64, &str, &str, &str), turn: usize, now: &jiff::Timestamp) -> Result<NewListing> {
    let &(percent, section, row, number) = seat;
    let zone = TimeZone::get(event.place.time_zone).with_context(|| format!("no zone {}", event.place.time_zone))?;
    let day = now.to_zoned(zone.clone()).date().checked_add(event.in_days.days())?;
    let (hour, minute) = event.at;
    let starts_at = day.to_datetime(Time::new(hour, minute, 0, 0)?).to_zoned(zone)?.timestamp();

    let face_value = event.price * (100 + percent) / 100;
    // Some sell for what they paid, some for a bit more or less.
    let asked = face_value * [100, 115, 90].get(turn % 3).unwrap_or(&100) / 100;
    let money = |amount| anyhow::Ok(Money { amount, currency: event.place.currency.parse()? });
    let is_seated = !event.about.contains("Standing") && event.category != Category::Festival;
    let seated = |text| Text::non_blank(text).filter(|_| is_seated);
    Ok(NewListing {
        title: Text::new(event.title),
        venue: Text::new(event.place.venue),
        city: Text::non_blank(event.place.city),
        starts_at: Timestamp::from_millis(starts_at.as_millisecond()),
        time_zone: Text::non_blank(event.place.time_zone),
        price: money(asked)?,
        face_value: Some(money(face_value)?),
        category: Some(event.category),
        section: seated(section),
        row: seated(row),
        seat: seated(number),
        description: Text::non_blank(event.about),
    })
}

/// Posts them all, in this order.
pub(super) async fn offer(people: &[Session], listings: Vec<Listing>) -> Result<Vec<Offered>> {
    let mut offered = Vec::new();
    for Listing { seller, request } in listings {
        let session = people.get(seller).context("a seller without a session")?;
        let id = session.send_patiently(&request).await?.id;
        offered.push(Offered { id, seller, listing: request.body });
    }
    Ok(offered)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_sixty_tickets_and_all_lie_ahead() {
        let now = "2027-02-28T23:59:59Z";
        let listings: Vec<_> = all(&now.parse().unwrap()).unwrap().into_iter().map(|one| one.request.body).collect();
        assert_eq!(listings.len(), 60);
        for listing in &listings {
            assert!(listing.starts_at > now.parse().unwrap(), "{listing:?}");
            assert!(listing.price.amount >= 1_000, "{listing:?}");
        }
        assert_eq!(listings.iter().map(|listing| listing.category).collect::<HashSet<_>>().len(), 6);
        assert!(listings.iter().map(|listing| &listing.city).collect::<HashSet<_>>().len() >= 8);
    }

    #[test]
    fn an_event_begins_at_its_local_time() {
        // Summer time ends in between.
        let now = "2026-10-20T12:00:00Z".parse().unwrap();
        let first = &all(&now).unwrap()[0].request.body;
        assert_eq!(first.starts_at, "2026-10-30T00:00:00Z".parse().unwrap(), "20:00 in New York on the 29th");
    }
}
