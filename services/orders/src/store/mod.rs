//! The indexes and queries of the service's collections; the only file that names MongoDB.

use common::events::payment::PaymentState;
use common::id::{OrderId, TicketId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::store::error::StoreError;
use platform::store::page::{Page, PageRequest};
use platform::store::replica::Replica;
use platform::store::{Store, Versioned};

use crate::domain::order::Order;

/// The index that decides who holds a ticket: at most one open order of each.
pub const OPEN_INDEX: &str = "open_ticket_v1";

/// The states in which an order holds its ticket. A completed one does so for ever.
const OPEN: [&str; 4] = ["created", "awaitingPayment", "authorized", "completed"];
/// The states that the end of the hold ends.
const UNPAID: [&str; 2] = ["created", "awaitingPayment"];
/// The states that an order has yet to leave.
const UNFINISHED: [&str; 3] = ["created", "awaitingPayment", "authorized"];

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

fn among(name: &str, keys: Document, only: Document) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).partial_filter_expression(only).build();
    IndexModel::builder().keys(keys).options(options).build()
}

fn in_state(names: &[&str]) -> Document {
    doc! { "$in": names }
}

/// Indexes of the orders.
pub fn order_indexes() -> Vec<IndexModel> {
    let open = IndexOptions::builder()
        .name(OPEN_INDEX.to_owned())
        .unique(true)
        .partial_filter_expression(doc! { "state.status.name": in_state(&OPEN) })
        .build();
    vec![
        IndexModel::builder().keys(doc! { "state.ticket.id": 1 }).options(open).build(),
        among("authorized_v1", doc! { "state.updatedAt": 1 }, doc! { "state.status.name": "authorized" }),
        among("unpaid_v1", doc! { "state.expiresAt": 1 }, doc! { "state.status.name": in_state(&UNPAID) }),
        index("ticket_v1", doc! { "state.ticket.id": 1, "_id": -1 }),
        index("buyer_v1", doc! { "state.buyerId": 1, "_id": -1 }),
    ]
}

/// Indexes of the replica of payments.
pub fn payment_indexes() -> Vec<IndexModel> {
    vec![index("order_v1", doc! { "state.orderId": 1 })]
}

/// Every payment of an order that is known.
pub async fn payments_of(
    payments: &Replica<PaymentState>,
    order: OrderId,
) -> Result<Vec<Versioned<PaymentState>>, StoreError> {
    payments.find_by("state.orderId", order).await
}

/// Every order of a ticket that is not final.
pub async fn unfinished_of(orders: &Store<Order>, ticket: TicketId) -> Result<Vec<Versioned<Order>>, StoreError> {
    orders.find_by("state.ticket.id", ticket, doc! { "state.status.name": in_state(&UNFINISHED) }).await
}

/// The buyer's order with this id.
pub async fn find_owned(
    orders: &Store<Order>,
    id: OrderId,
    buyer: UserId,
) -> Result<Option<Versioned<Order>>, StoreError> {
    orders.find_one(doc! { "_id": id.to_string(), "state.buyerId": buyer.to_string() }).await
}

/// Whether this buyer is the one who holds, or has bought, the ticket.
pub async fn is_holder(orders: &Store<Order>, ticket: TicketId, buyer: UserId) -> Result<bool, StoreError> {
    let filter = doc! { "state.ticket.id": ticket.to_string(), "state.status.name": in_state(&OPEN) };
    Ok(orders.find_one(filter).await?.is_some_and(|order| order.buyer_id == buyer))
}

/// Of the orders that are won and not paid yet, the one that has been so for the longest.
pub async fn oldest_authorized(orders: &Store<Order>) -> Result<Option<Versioned<Order>>, StoreError> {
    orders.first(doc! { "state.status.name": "authorized" }, doc! { "state.updatedAt": 1 }).await
}

/// Of the unpaid orders whose hold should have ended by now, the one that outlives it for the longest.
pub async fn oldest_overdue(orders: &Store<Order>, now: Timestamp) -> Result<Option<Versioned<Order>>, StoreError> {
    let filter = doc! { "state.status.name": in_state(&UNPAID), "state.expiresAt": { "$lt": now.to_string() } };
    orders.first(filter, doc! { "state.expiresAt": 1 }).await
}

/// One page of the buyer's orders, newest first.
pub async fn page_of(
    orders: &Store<Order>,
    buyer: UserId,
    request: &PageRequest,
) -> Result<Page<Versioned<Order>>, StoreError> {
    orders.page(doc! { "state.buyerId": buyer.to_string() }, request).await
}
