//! Conversions between API listings and domain listings.

use common::aggregate::Versioned;
use common::api;
use common::api::tickets::NewListing;
use common::id::ShowId;
use common::text::Text;
use common::validate;

use crate::domain::ticket::{ListingDetails, Ticket};

pub(super) fn to_details(new: NewListing) -> ListingDetails {
    let text = |text: Option<Text>| text.map(String::from);
    ListingDetails {
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
        seat: text(new.seat),
        description: text(new.description),
    }
}

/// The show and the details of a listing as the public sees it.
pub(super) fn of_view(listing: api::tickets::Listing) -> (ShowId, ListingDetails) {
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
        seat: listing.seat,
        description: listing.description,
    };
    (listing.show_id, details)
}

/// The listing as the public sees it.
pub(super) fn to_view(ticket: Versioned<Ticket>) -> api::tickets::Listing {
    let Versioned { version, state: ticket } = ticket;
    let status = ticket.status_name();
    let listing = ticket.listing;
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
        seat: listing.seat,
        description: listing.description,
        status,
        seller_id: ticket.seller_id,
        created_at: ticket.created_at,
        updated_at: ticket.updated_at,
    }
}
