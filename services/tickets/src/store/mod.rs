//! The indexes and queries of the service's collections; the only file that names MongoDB.

use std::collections::BTreeMap;

use common::aggregate::Versioned;
use common::api::page::Page;
use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::TicketStatus;
use common::id::{OrderId, TicketId, UserId};
use common::timestamp::Timestamp;
use futures::future::{join, join_all};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::store::Store;
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use platform::store::partial::PartialIndex;
use platform::store::replica::Replica;

use crate::domain::ticket::Ticket;
use crate::domain::words::words;

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

/// Indexes of the listings.
pub fn ticket_indexes() -> Vec<IndexModel> {
    vec![
        index("status_v1", doc! { "state.status.name": 1, "_id": -1 }),
        index("seller_v1", doc! { "state.sellerId": 1, "_id": -1 }),
        index("words_v1", doc! { "state.words": 1, "_id": -1 }),
    ]
}

/// Indexes of the replica of orders.
pub fn order_indexes() -> Vec<IndexModel> {
    vec![OPEN.model()]
}

/// The orders of a ticket that have yet to end. There is a bound on them, however often the ticket was held.
static OPEN: PartialIndex<OrderStatus> = PartialIndex {
    name: "open_ticket_v1",
    field: "state.ticket.id",
    status: "state.status",
    among: &[OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Authorized],
    unique: false,
};

/// The orders that can move a ticket: those that have yet to end, and these, whose end it waits for.
pub async fn deciding_orders(
    orders: &Replica<OrderState>,
    ticket: TicketId,
    awaited: impl Iterator<Item = OrderId>,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    let (open, awaited) = join(orders.find_in(&OPEN, ticket), join_all(awaited.map(|id| orders.get(id)))).await;
    let mut found: BTreeMap<OrderId, Versioned<OrderState>> = BTreeMap::new();
    for order in open?.into_iter().map(Some).map(Ok).chain(awaited) {
        let Some(order) = order? else { continue };
        // The two look-ups are not of one moment.
        if found.get(&order.id).is_none_or(|known| known.version < order.version) {
            found.insert(order.id, order);
        }
    }
    Ok(found.into_values().collect())
}

/// What a list of listings is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this status; all but withdrawn unless told.
    pub status: Option<TicketStatus>,
    /// Of this seller.
    pub seller: Option<UserId>,
    /// With all words of this text in title, venue or city.
    pub text: Option<String>,
}

/// One page of listings, newest first; available ones leave out events that have begun by `now`.
pub async fn page(
    tickets: &Store<Ticket>,
    filter: &Filter,
    now: Timestamp,
    request: &PageRequest,
) -> Result<Page<Versioned<Ticket>>, StoreError> {
    let mut query = Document::new();
    match filter.status {
        Some(status) => query.insert("state.status.name", status.as_ref()),
        None => query.insert("state.status.name", doc! { "$ne": TicketStatus::Withdrawn.as_ref() }),
    };
    if filter.status == Some(TicketStatus::Available) {
        query.insert("state.listing.startsAt", doc! { "$gt": now.to_string() });
    }
    if let Some(seller) = filter.seller {
        query.insert("state.sellerId", seller.to_string());
    }
    if let Some(text) = &filter.text {
        let words = words([text.as_str()]);
        if words.is_empty() {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        }
        query.insert("state.words", doc! { "$all": words });
    }
    tickets.page(query, request).await
}
