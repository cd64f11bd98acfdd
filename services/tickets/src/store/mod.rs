//! The indexes and queries of the collections of `tickets`. No file outside this folder uses MongoDB's API.

pub(crate) mod same_seats;
pub(crate) mod show_names;
pub(crate) mod shows;

use std::cmp::Reverse;

use common::aggregate::Versioned;
use common::api::page::{Page, PageQuery};
use common::api::tickets::ListingQuery;
use common::error::Error;
use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::TicketStatus;
use common::id::{OrderId, UserId};
use common::timestamp::Timestamp;
use futures::future::{try_join, try_join_all};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use platform::store::error::StoreError;
use platform::store::index::{self, PartialIndex};
use platform::store::page::PageRequest;
use platform::store::replica::Replica;
use platform::store::{Store, StoredAggregate};

use crate::domain::reconcile::{decides_new_orders, pending_order_ids};
use crate::domain::search_tokens::search_tokens;
use crate::domain::ticket::Ticket;

/// The user whose listings the smoke test of a deployment buys, if there is one. These listings can be read and ordered
/// by their ids, but no list contains them and no number of seats or lowest price includes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HiddenSeller(pub(crate) Option<UserId>);

impl HiddenSeller {
    /// Excludes the seller's listings from those that the filter matches.
    pub(crate) fn exclude(self, filter: &mut Document) {
        if let Some(seller) = self.0 {
            filter.insert("state.sellerId", doc! { "$ne": seller.to_string() });
        }
    }
}

pub(crate) fn ticket_indexes() -> Vec<IndexModel> {
    let [offers, show] = shows::listing_indexes();
    let seats = same_seats::index();
    vec![
        index::named("status_v1", doc! { "state.status.name": 1, "_id": -1 }),
        index::named("seller_v1", doc! { "state.sellerId": 1, "_id": -1 }),
        index::named("words_v1", doc! { "state.words": 1, "_id": -1 }),
        offers,
        show,
        seats,
    ]
}

pub(crate) fn order_indexes() -> Vec<IndexModel> {
    vec![UNFINISHED_ORDERS.model()]
}

/// The index of unfinished orders by ticket. Since it has no finished orders, a query examines only a few documents,
/// however often the ticket was reserved and released.
static UNFINISHED_ORDERS: PartialIndex<OrderStatus> = PartialIndex {
    name: "open_ticket_v1",
    field: "state.ticket.id",
    status: "state.status",
    among: &[OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Authorized],
    unique: false,
};

/// Reads the orders that can lead to a transition of the listing:
///
/// - its pending orders, which are those that seats are reserved for and those that it refused, since they may have
///   finished;
/// - its unfinished orders, if it decides new orders.
///
/// `seen` is the order whose event is being handled. If it is pending, it is not read again.
pub(crate) async fn relevant_orders(
    orders: &Replica<OrderState>,
    ticket: &Ticket,
    seen: Option<Versioned<OrderState>>,
) -> Result<Vec<Versioned<OrderState>>, Error> {
    let (known, pending): (Vec<OrderId>, Vec<OrderId>) =
        pending_order_ids(ticket).partition(|id| seen.as_ref().is_some_and(|seen| seen.id == *id));
    let pending = try_join_all(pending.into_iter().map(|id| orders.get(id)));
    // Unfinished orders are read even if `seen` is one of them, because it may have finished after its event.
    let unfinished = async {
        if decides_new_orders(ticket) { orders.find_in(&UNFINISHED_ORDERS, ticket.id).await } else { Ok(Vec::new()) }
    };
    let (mut found, pending) = try_join(unfinished, pending).await?;
    found.extend(pending.into_iter().flatten());
    if let Some(seen) = seen {
        let is_expected = decides_new_orders(ticket) && UNFINISHED_ORDERS.among.contains(&seen.status);
        if !known.is_empty() {
            found.push(seen);
        } else if is_expected && !found.iter().any(|found| found.id == seen.id) {
            // The query did not find this order: either the order has finished since its event, or the query has read
            // a state from before the event. `get_since` fails if the order is still absent or older than the event.
            found.push(orders.get_since(seen.id, seen.version).await?);
        }
    }
    // An order that two of the reads found may have changed between them; keep its newer version.
    found.sort_by_key(|order| (order.id, Reverse(order.version)));
    found.dedup_by_key(|order| order.id);
    Ok(found)
}

/// One page of listings, newest first. Withdrawn listings are excluded unless the query has that status. A query for
/// available listings excludes those whose event has started by `now` or is cancelled.
pub(crate) async fn page(
    tickets: &Store<Ticket>,
    hidden: HiddenSeller,
    query: ListingQuery,
    now: Timestamp,
) -> Result<Page<StoredAggregate>, StoreError> {
    let ListingQuery { status, seller, q, limit, cursor } = query;
    let mut filter = doc! { "state.status.name": { "$ne": TicketStatus::Withdrawn.as_ref() } };
    if let Some(status) = status {
        filter.insert("state.status.name", status.as_ref());
    }
    if status == Some(TicketStatus::Available) {
        filter.insert("state.listing.startsAt", doc! { "$gt": now.to_string() });
        filter.insert("state.show.isCancelled", false);
    }
    hidden.exclude(&mut filter);
    if let Some(seller) = seller {
        if hidden.0 == Some(seller) {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        }
        filter.insert("state.sellerId", seller.to_string());
    }
    if let Some(text) = q {
        let tokens = search_tokens([text.as_ref()]);
        if tokens.is_empty() {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        }
        filter.insert("state.words", doc! { "$all": tokens });
    }
    tickets.page_of_stored(filter, &PageRequest::from(&PageQuery { limit, cursor })).await
}
