//! The indexes and queries of the service's collections; the only file that names MongoDB.

use common::aggregate::Versioned;
use common::api::page::Page;
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::id::{OrderId, TicketId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::store::Store;
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use platform::store::partial::{PartialIndex, any_of};
use platform::store::replica::Replica;

use crate::domain::order::{Order, Status};

/// The index that decides who holds a ticket: at most one open order of each. A completed one is open for ever.
pub static OPEN: PartialIndex<OrderStatus> = PartialIndex {
    name: "open_ticket_v1",
    field: "state.ticket.id",
    status: "state.status.name",
    among: &[OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Authorized, OrderStatus::Completed],
    unique: true,
};

/// The payments of an order that can still decide something, or have: all but the declined ones.
static NOT_DECLINED: PartialIndex<PaymentStatus> = PartialIndex {
    name: "not_declined_v1",
    field: "state.orderId",
    status: "state.status",
    among: &PaymentStatus::NOT_DECLINED,
    unique: false,
};

/// The unpaid orders of a buyer.
static HOLDS: PartialIndex<OrderStatus> = PartialIndex {
    name: "holds_v1",
    field: "state.buyerId",
    status: "state.status.name",
    among: &UNPAID,
    unique: false,
};

/// The index of the holds of a ticket that its buyers let go, or that ran out.
const ENDED: &str = "ended_v1";
/// How such holds ended.
const ENDS: [CancelReason; 2] = [CancelReason::Buyer, CancelReason::Expired];

/// The states that the end of the hold ends.
const UNPAID: [OrderStatus; 2] = [OrderStatus::Created, OrderStatus::AwaitingPayment];

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

fn among(name: &str, keys: Document, only: Document) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).partial_filter_expression(only).build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// Indexes of the orders.
pub fn order_indexes() -> Vec<IndexModel> {
    vec![
        OPEN.model(),
        HOLDS.model(),
        among(
            ENDED,
            doc! { "state.ticket.id": 1, "state.buyerId": 1, "state.updatedAt": -1 },
            doc! { "state.status.reason": any_of(&ENDS) },
        ),
        among(
            "authorized_v1",
            doc! { "state.updatedAt": 1 },
            doc! { "state.status.name": OrderStatus::Authorized.as_ref() },
        ),
        among("unpaid_v1", doc! { "state.expiresAt": 1 }, doc! { "state.status.name": any_of(&UNPAID) }),
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

/// What a buyer holds without having paid, by id.
pub async fn holds_of(orders: &Store<Order>, buyer: UserId) -> Result<Vec<OrderId>, StoreError> {
    Ok(orders.find_in(&HOLDS, buyer).await?.into_iter().map(|order| order.id).collect())
}

/// When the buyer's holds of a ticket ended since then, let go or run out: the latest `limit` of them, latest first.
pub async fn ended_since(
    orders: &Store<Order>,
    ticket: TicketId,
    buyer: UserId,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Timestamp>, StoreError> {
    let filter = doc! {
        "state.ticket.id": ticket.to_string(),
        "state.buyerId": buyer.to_string(),
        "state.status.reason": any_of(&ENDS),
        "state.updatedAt": { "$gt": since.to_string() },
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = orders.find_by_index(ENDED, filter, doc! { "state.updatedAt": -1 }, limit).await?;
    Ok(found.into_iter().map(|order| order.updated_at).collect())
}

/// Whether this buyer is the one who holds, or has bought, the ticket.
pub async fn is_holder(orders: &Store<Order>, ticket: TicketId, buyer: UserId) -> Result<bool, StoreError> {
    Ok(open_of(orders, ticket).await?.is_some_and(|order| order.buyer_id == buyer))
}

/// Of the orders that are won and not paid yet, the one that has been so for the longest.
pub async fn oldest_authorized(orders: &Store<Order>) -> Result<Option<Versioned<Order>>, StoreError> {
    orders.first(doc! { "state.status.name": OrderStatus::Authorized.as_ref() }, doc! { "state.updatedAt": 1 }).await
}

/// Of the unpaid orders whose hold should have ended by now, the one that outlives it for the longest.
pub async fn oldest_overdue(orders: &Store<Order>, now: Timestamp) -> Result<Option<Versioned<Order>>, StoreError> {
    let filter = doc! { "state.status.name": any_of(&UNPAID), "state.expiresAt": { "$lt": now.to_string() } };
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
