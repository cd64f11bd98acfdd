//! Creates the listings of the events.

use anyhow::{Context, Result};
use common::api::tickets::{CreateListing, NewListing, ReplaceListing};
use common::events::ticket::Category;
use common::id::TicketId;
use common::money::Money;
use common::seats::Split;
use common::text::Text;
use common::timestamp::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::SELLERS;
use super::events::{DemoEvent, EVENTS};
use crate::client::Session;

/// The place of a listing's seats.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The surcharge on the event's price in percent. Seats nearer to the stage cost more.
    percent: i64,
    section: &'static str,
    row: &'static str,
    /// The number of the first seat.
    first: usize,
}

const fn place(percent: i64, section: &'static str, row: &'static str, first: usize) -> Place {
    Place { percent, section, row, first }
}

/// The places of an event that several sellers list.
const PLACES: [Place; 5] = [
    place(0, "Balcony", "F", 12),
    place(35, "Stalls", "C", 7),
    place(-15, "Gallery", "K", 31),
    place(80, "Front", "A", 4),
    place(10, "Balcony", "B", 18),
];

/// The numbers of seats in the blocks of the listings, in turn.
const BLOCKS: [&[u8]; 9] = [&[1], &[2], &[2, 2], &[1], &[1, 1, 1], &[3, 3], &[2], &[2, 3], &[1]];

/// The events of which many tickets are listed, as indexes of [`EVENTS`], with the number of these listings.
const CROWDED: [(usize, usize); 3] = [(6, 64), (0, 36), (7, 28)];
/// The sections of these events, with the surcharge in percent, and their rows.
const SECTIONS: [(i64, &str); 4] = [(0, "Block 112"), (25, "Block 104"), (60, "Floor"), (-20, "Block 231")];
const ROWS: [&str; 7] = ["A", "B", "C", "D", "E", "F", "G"];
/// The distance between the first seats of two listings in one row; no listing has more seats.
const SEATS_PER_LISTING: usize = 6;

/// Indexes of the listings whose price is lowered; none of them is ordered.
const LOWERED: [usize; 4] = [2, 9, 18, 27];
const REDUCED_TO_PERCENT: i64 = 85;

/// A listing to create, and the index of its seller.
#[derive(Debug)]
pub(super) struct ListingRequest {
    seller: usize,
    request: CreateListing,
}

/// A listing that was created.
#[derive(Debug)]
pub(super) struct CreatedListing {
    pub(super) id: TicketId,
    pub(super) seller: usize,
    pub(super) listing: NewListing,
}

/// Returns two or three listings of each event, then the many of some.
pub(super) fn all(now: &jiff::Timestamp) -> Result<Vec<ListingRequest>> {
    let mut listings = Vec::new();
    let mut blocks = BLOCKS.into_iter().cycle();
    let mut add = |seller: usize, event: &DemoEvent, place: Place, index: usize| {
        let blocks = blocks.next().unwrap_or(&[1]);
        let request = CreateListing { body: body(event, place, blocks, index, now)? };
        listings.push(ListingRequest { seller: seller % SELLERS, request });
        anyhow::Ok(())
    };
    for (number, event) in EVENTS.iter().enumerate() {
        let count = if number % 2 == 0 { 3 } else { 2 };
        for (index, place) in PLACES.into_iter().cycle().skip(number % PLACES.len()).take(count).enumerate() {
            add(number + index * 3, event, place, index)?;
        }
    }
    for (event, count) in CROWDED {
        let event = EVENTS.get(event).context("no such event")?;
        let places = SECTIONS.into_iter().cycle().zip(ROWS.into_iter().cycle()).take(count);
        for (index, ((percent, section), row)) in places.enumerate() {
            // After a listing in each row of each section, the next listings are in the same rows, on the seats that follow.
            let first = 1 + SEATS_PER_LISTING * (index / (SECTIONS.len() * ROWS.len()));
            add(index, event, place(percent, section, row, first), index)?;
        }
    }
    Ok(listings)
}

fn body(event: &DemoEvent, place: Place, blocks: &[u8], index: usize, now: &jiff::Timestamp) -> Result<NewListing> {
    let Place { percent, section, row, first } = place;
    let count: u8 = blocks.iter().sum();
    let zone = TimeZone::get(event.venue.time_zone).with_context(|| format!("no zone {}", event.venue.time_zone))?;
    let day = now.to_zoned(zone.clone()).date().checked_add(event.in_days.days())?;
    let (hour, minute) = event.at;
    let starts_at = day.to_datetime(Time::new(hour, minute, 0, 0)?).to_zoned(zone)?.timestamp();

    let face_value = event.price * (100 + percent) / 100;
    // Some sellers ask for the face value, some for a little more or less.
    let asking_price = face_value * [100, 115, 90].get(index % 3).unwrap_or(&100) / 100;
    let money = |amount| anyhow::Ok(Money { amount, currency: event.venue.currency.parse()? });
    let is_seated = !event.about.contains("Standing") && event.category != Category::Festival;
    let seated = |text| Text::non_blank(text).filter(|_| is_seated);
    let numbers = first..first + usize::from(count);
    let seats = is_seated.then(|| numbers.map(|number| Text::new(&number.to_string())).collect());
    Ok(NewListing {
        title: Text::new(event.title),
        venue: Text::new(event.venue.name),
        city: Text::non_blank(event.venue.city),
        starts_at: Timestamp::from_millis(starts_at.as_millisecond()),
        time_zone: Text::non_blank(event.venue.time_zone),
        price: money(asking_price)?,
        face_value: Some(money(face_value)?),
        category: Some(event.category),
        section: seated(section),
        row: seated(row),
        seat: None,
        seats,
        quantity: Some(count),
        split: Some(Split::Sizes(blocks.to_vec())),
        description: Text::non_blank(event.about),
    })
}

/// Creates the listings in this order.
pub(super) async fn create(sessions: &[Session], listings: Vec<ListingRequest>) -> Result<Vec<CreatedListing>> {
    let mut created = Vec::new();
    let now = jiff::Timestamp::now().as_millisecond();
    for (number, ListingRequest { seller, request }) in listings.into_iter().enumerate() {
        let session = sessions.get(seller).context("a seller without a session")?;
        // If a failed request has created the listing, a repeat without the key would be refused: its seats are listed.
        let id = session.create_retrying(&request, &format!("demo-{now}-{number}")).await?.id;
        created.push(CreatedListing { id, seller, listing: request.body });
    }
    Ok(created)
}

/// Lowers the prices of a few listings; web's first page shows them as price drops.
pub(super) async fn lower_prices(sessions: &[Session], listings: &[CreatedListing]) -> Result<()> {
    for CreatedListing { id, seller, listing } in LOWERED.iter().filter_map(|index| listings.get(*index)) {
        let mut body = listing.clone();
        body.price.amount = body.price.amount * REDUCED_TO_PERCENT / 100;
        let session = sessions.get(*seller).context("a seller without a session")?;
        session.send(&ReplaceListing { id: *id, body }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn demo_has_many_future_listings() {
        let now = "2027-02-28T23:59:59Z";
        let listings: Vec<_> = all(&now.parse().unwrap()).unwrap().into_iter().map(|one| one.request.body).collect();
        assert_eq!(listings.len(), 60 + CROWDED.iter().map(|(_, count)| count).sum::<usize>());
        let mut seats = HashSet::new();
        for listing in &listings {
            for name in listing.seats.iter().flatten() {
                assert!(
                    seats.insert((&listing.title, &listing.section, &listing.row, name)),
                    "listed twice: {listing:?}"
                );
            }
            assert!(listing.blocks().is_ok() && listing.seat_names().len() <= SEATS_PER_LISTING, "{listing:?}");
            assert!(listing.starts_at > now.parse().unwrap(), "{listing:?}");
            assert!(listing.price.amount >= 1_000, "{listing:?}");
        }
        let several = listings.iter().filter(|listing| listing.seat_names().len() > 1);
        assert!(several.count() > 100);
        assert_eq!(listings.iter().map(|listing| listing.category).collect::<HashSet<_>>().len(), 6);
        assert!(listings.iter().map(|listing| &listing.city).collect::<HashSet<_>>().len() >= 8);
    }

    #[test]
    fn event_starts_at_its_local_time() {
        // Daylight saving time ends before the event.
        let now = "2026-10-20T12:00:00Z".parse().unwrap();
        let first = &all(&now).unwrap()[0].request.body;
        assert_eq!(first.starts_at, "2026-10-30T00:00:00Z".parse().unwrap(), "20:00 in New York on the 29th");
    }
}
