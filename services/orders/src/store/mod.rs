//! The indexes and queries of the service's collections; the only file that names MongoDB.

use common::events::payment::PaymentState;
use common::id::{OrderId, TicketId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::store::error::StoreError;
use platform::store::page::{Page, PageRequest};
use platform::store::partial::PartialIndex;
use platform::store::replica::Replica;
use platform::store::{Store, Versioned};

use crate::domain::order::{Order, Status};

/// The index that decides who holds a ticket: at most one open order of each. A completed one is open for ever.
pub static OPEN: PartialIndex = PartialIndex {
    name: "open_ticket_v1",
    field: "state.ticket.id",
    status: "state.status.name",
    among: &["created", "awaitingPayment", "authorized", "completed"],
    unique: true,
};

/// The payments of an order that can still decide something, or have: all but the declined ones.
static NOT_DECLINED: PartialIndex = PartialIndex {
    name: "not_declined_v1",
    field: "state.orderId",
    status: "state.status",
    among: &["authorizing", "requiresAction", "authorized", "captured", "failed", "voided"],
    unique: false,
};

/// The states that the end of the hold ends.
const UNPAID: [&str; 2] = ["created", "awaitingPayment"];

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
    vec![
        OPEN.model(),
        among("authorized_v1", doc! { "state.updatedAt": 1 }, doc! { "state.status.name": "authorized" }),
        among("unpaid_v1", doc! { "state.expiresAt": 1 }, doc! { "state.status.name": in_state(&UNPAID) }),
        index("buyer_v1", doc! { "state.buyerId": 1, "_id": -1 }),
    ]
}

/// Indexes of the replica of payments.
pub fn payment_indexes() -> Vec<IndexModel> {
    vec![NOT_DECLINED.model()]
}

/// The payments that can move an order as it stands: the one that won it, or else those that are not declined.
pub async fn deciding_payments(
    payments: &Replica<PaymentState>,
    order: &Order,
) -> Result<Vec<Versioned<PaymentState>>, StoreError> {
    match order.status {
        Status::AwaitingPayment => payments.find_in(&NOT_DECLINED, order.id).await,
        Status::Authorized { payment_id } => Ok(payments.get(payment_id).await?.into_iter().collect()),
        Status::Created | Status::Completed { .. } | Status::Cancelled { .. } => Ok(Vec::new()),
    }
}

/// The order that holds a ticket, if there is one.
pub async fn open_of(orders: &Store<Order>, ticket: TicketId) -> Result<Option<Versioned<Order>>, StoreError> {
    Ok(orders.find_in(&OPEN, ticket).await?.into_iter().next())
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
    Ok(open_of(orders, ticket).await?.is_some_and(|order| order.buyer_id == buyer))
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
