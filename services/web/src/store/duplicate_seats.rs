//! Queries for listings that have the same seats, by the keys of their open seats.

use common::aggregate::Versioned;
use common::events::ticket::TicketState;
use common::id::UserId;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::doc;
use platform::store::error::StoreError;
use platform::store::index::any_of;
use platform::store::replica::Replica;
use serde::Deserialize;

use super::model::Replicas;
use crate::domain::duplicate_seats::{OPEN, seat_keys};

/// Maximum number of listings that are found for one page of listings: all of a page, and many that share their seats.
const MAX_FOUND: i64 = 300;
/// Maximum number of listings that one listing is compared with.
const MAX_COMPARED: i64 = 10;

/// A listing, and some that have one of its open seats.
#[derive(Debug, Deserialize)]
pub(crate) struct SameSeats {
    pub ticket: TicketState,
    /// May contain the listing itself.
    pub listings: Vec<TicketState>,
}

/// The listings that have one of the open seats of these, which are among them.
pub(crate) async fn listings_with_seats_of(
    tickets: &Replica<TicketState>,
    listings: &[Versioned<TicketState>],
) -> Result<Vec<Versioned<TicketState>>, StoreError> {
    let keys: Vec<_> = listings.iter().flat_map(|ticket| seat_keys(ticket)).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    tickets.find_sorted(doc! { "openSeats": { "$in": keys } }, doc! { "_id": -1 }, MAX_FOUND).await
}

/// The open listings of a seller that share a seat with another one. At most `limit` of the seller's listings are
/// compared: those of the next shows.
pub(crate) async fn duplicates_of_seller(
    model: &Replicas,
    seller: UserId,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<SameSeats>, StoreError> {
    let open = doc! {
        "state.sellerId": seller.to_string(),
        "state.startsAt": { "$gt": now.to_string() },
        "state.status": any_of(&OPEN),
        "state.showCancelled": { "$ne": true },
        "openSeats.0": { "$exists": true },
    };
    let same = doc! { "$lookup": {
        "from": model.ticket_documents.name(), "localField": "openSeats", "foreignField": "openSeats",
        "pipeline": [{ "$limit": MAX_COMPARED }, { "$replaceWith": "$state" }], "as": "listings",
    } };
    let stages = [
        doc! { "$match": open },
        doc! { "$sort": { "state.startsAt": 1 } },
        doc! { "$limit": limit },
        same,
        // The first may be the listing itself.
        doc! { "$match": { "listings.1": { "$exists": true } } },
        doc! { "$project": { "_id": 0, "ticket": "$state", "listings": 1 } },
    ];
    let found = model.ticket_documents.aggregate(stages).with_type::<SameSeats>().await?;
    Ok(found.try_collect().await?)
}
