//! Queries for seats that are listed more than once.

use common::aggregate::Aggregate as _;
use common::api::tickets::DuplicateSeat;
use common::events::ticket::TicketStatus;
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database, IndexModel};
use platform::store::Store;
use platform::store::error::StoreError;
use platform::store::index::{self, any_of};

use super::HiddenSeller;
use crate::domain::ticket::Ticket;

/// The index of the listings of a show by seller and by the place of their seats. The seller precedes the place, so
/// that a seller who lists and withdraws a seat again and again slows no other seller down.
const OWN_SEATS_INDEX: &str = "own_seats_v1";
/// Maximum number of seats in the list for the staff.
const MAX_DUPLICATES: i64 = 100;
/// The statuses of a seat that is not withdrawn.
const LISTED: [TicketStatus; 3] = [TicketStatus::Available, TicketStatus::Reserved, TicketStatus::Sold];

pub(super) fn index() -> IndexModel {
    let place = doc! {
        "state.show.id": 1, "state.sellerId": 1, "state.listing.section": 1, "state.listing.row": 1,
        "state.seats.name": 1,
    };
    index::named(OWN_SEATS_INDEX, place)
}

/// Returns the name of a seat of this listing that its seller has in another listing, where it is not withdrawn.
pub(crate) async fn find_own(tickets: &Store<Ticket>, ticket: &Ticket) -> Result<Option<String>, StoreError> {
    let names: Vec<String> = ticket.seats.names().flatten().cloned().collect();
    if names.is_empty() {
        return Ok(None);
    }
    let filter = doc! {
        "state.show.id": ticket.show.id.to_string(),
        "state.listing.section": ticket.listing.section.clone(),
        "state.listing.row": ticket.listing.row.clone(),
        "state.seats": { "$elemMatch": { "name": { "$in": &names }, "status": any_of(&LISTED) } },
        "state.sellerId": ticket.seller_id.to_string(),
        "_id": { "$ne": ticket.id.to_string() },
    };
    let found = tickets.find_by_index(OWN_SEATS_INDEX, filter, doc! {}, 1).await?;
    let Some(other) = found.into_iter().next() else { return Ok(None) };
    let is_listed = |name: &String| {
        let same = |seat: &&common::events::ticket::Seat| seat.name.as_ref() == Some(name);
        other.seats.as_slice().iter().find(same).is_some_and(|seat| seat.status != TicketStatus::Withdrawn)
    };
    Ok(names.into_iter().find(is_listed))
}

/// Finds seats that more than one listing has.
#[derive(Clone)]
pub(crate) struct DuplicateSeats {
    listings: Collection<Document>,
    hidden: HiddenSeller,
}

impl DuplicateSeats {
    pub(crate) fn new(database: &Database, hidden: HiddenSeller) -> Self {
        Self { listings: database.collection(Ticket::COLLECTION), hidden }
    }

    /// Returns named seats that are not withdrawn in two or more listings, at most 100. The shows start after `now`. A
    /// seat that one listing has sold is the most urgent: the other listings still offer it, or have sold it too.
    ///
    /// # Why
    /// The query reads all listings of these shows that are not withdrawn, but the staff makes it only now and then. If
    /// each listing stored which others have its seats, each change of a listing would have to be spread to those.
    pub(crate) async fn find(&self, now: Timestamp) -> Result<Vec<DuplicateSeat>, StoreError> {
        let mut listed =
            doc! { "state.status.name": any_of(&LISTED), "state.listing.startsAt": { "$gt": now.to_string() } };
        self.hidden.exclude(&mut listed);
        let named = doc! { "state.seats.name": { "$ne": null }, "state.seats.status": any_of(&LISTED) };
        let by_place = doc! {
            "_id": {
                "showId": "$state.show.id", "section": "$state.listing.section", "row": "$state.listing.row",
                "seat": "$state.seats.name",
            },
            "listings": { "$push": {
                "id": "$_id", "sellerId": "$state.sellerId", "status": "$state.seats.status",
            } },
        };
        let pipeline = [
            doc! { "$match": listed },
            doc! { "$unwind": "$state.seats" },
            doc! { "$match": named },
            doc! { "$group": by_place },
            doc! { "$match": { "listings.1": { "$exists": true } } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": MAX_DUPLICATES },
            doc! { "$replaceWith": { "$mergeObjects": [
                "$_id",
                { "listings": { "$sortArray": { "input": "$listings", "sortBy": { "id": 1 } } } },
            ] } },
        ];
        let found = self.listings.aggregate(pipeline).with_type::<DuplicateSeat>().await?;
        Ok(found.try_collect().await?)
    }
}
