//! Conversions between API listings and domain listings.

use common::aggregate::Versioned;
use common::api;
use common::api::tickets::{ListedSeat, NewListing};
use common::error::Error;
use common::id::ShowId;
use common::text::Text;
use common::validate;

use super::listing_json::only_name;
use crate::domain::ticket::{ListingDetails, Ticket};

/// The details of a new listing and the names of its seats, by slot.
pub(super) fn to_details(new: NewListing) -> Result<(ListingDetails, Vec<Option<String>>), Error> {
    let text = |text: Option<Text>| text.map(String::from);
    let (names, blocks) = (new.seat_names(), new.blocks());
    let details = ListingDetails {
        title: new.title.into(),
        venue: new.venue.into(),
        city: text(new.city),
        starts_at: new.starts_at,
        time_zone: new.time_zone.and_then(|name| validate::time_zone(&name)).unwrap_or_else(|| "UTC".to_owned()),
        price: new.price,
        face_value: new.face_value,
        category: new.category,
        section: text(new.section),
        row: text(new.row),
        blocks: blocks.map_err(|error| Error::field("split", error.to_string()))?,
        description: text(new.description),
    };
    Ok((details, names))
}

/// The show, the details and the names of the seats of a listing as the public sees it.
pub(super) fn of_view(listing: api::tickets::Listing) -> (ShowId, ListingDetails, Vec<Option<String>>) {
    let details = ListingDetails {
        title: listing.title,
        venue: listing.venue,
        city: listing.city,
        starts_at: listing.starts_at,
        time_zone: listing.time_zone,
        price: listing.price,
        face_value: listing.face_value,
        category: listing.category,
        section: listing.section,
        row: listing.row,
        blocks: listing.blocks,
        description: listing.description,
    };
    (listing.show_id, details, listing.seats.into_iter().map(|seat| seat.name).collect())
}

/// The listing as the public sees it.
pub(super) fn to_view(ticket: Versioned<Ticket>) -> api::tickets::Listing {
    let Versioned { version, state: ticket } = ticket;
    let (seats, listing) = (ticket.seats.as_slice(), ticket.listing);
    api::tickets::Listing {
        id: ticket.id,
        show_id: ticket.show.id,
        version,
        title: listing.title,
        venue: listing.venue,
        city: listing.city,
        starts_at: listing.starts_at,
        time_zone: listing.time_zone,
        price: listing.price,
        face_value: listing.face_value,
        category: listing.category,
        section: listing.section,
        row: listing.row,
        seat: only_name(seats, |seat| seat.name.clone()),
        seats: seats.iter().cloned().map(ListedSeat::from).collect(),
        blocks: listing.blocks,
        free: ticket.status.free,
        description: listing.description,
        status: ticket.status.name,
        seller_id: ticket.seller_id,
        created_at: ticket.created_at,
        updated_at: ticket.updated_at,
    }
}
