//! Lists by their owner: a seller's listings and sales, a buyer's orders.

use common::aggregate::Versioned;
use common::api::page::Page;
use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{OrderId, TicketId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Bson, doc};
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use platform::store::replica::Replica;

use super::index;

/// Indexes of the replica of tickets that these lists need.
pub fn ticket_indexes() -> Vec<IndexModel> {
    vec![
        index("seller_v1", doc! { "state.sellerId": 1, "_id": -1 }),
        index("sales_v1", doc! { "state.sellerId": 1, "state.status": 1, "state.updatedAt": -1 }),
    ]
}

/// The same for orders.
pub fn order_indexes() -> Vec<IndexModel> {
    vec![index("buyer_status_v1", doc! { "state.buyerId": 1, "state.status": 1, "state.updatedAt": -1 })]
}

/// What a seller sold, the latest first.
pub async fn sold_by(
    tickets: &Replica<TicketState>,
    seller: UserId,
    limit: i64,
) -> Result<Vec<TicketState>, StoreError> {
    let filter = doc! { "state.sellerId": seller.to_string(), "state.status": TicketStatus::Sold.as_ref() };
    let found = tickets.find_some(filter, doc! { "state.updatedAt": -1 }, limit).await?;
    Ok(found.into_iter().map(|ticket| ticket.state).collect())
}

/// How many tickets a seller has sold.
pub async fn sales_of(tickets: &Replica<TicketState>, seller: UserId) -> Result<u64, StoreError> {
    tickets.count(doc! { "state.sellerId": seller.to_string(), "state.status": TicketStatus::Sold.as_ref() }).await
}

/// One page of a seller's listings, newest first.
pub async fn listings_of(
    tickets: &Replica<TicketState>,
    seller: UserId,
    request: &PageRequest,
) -> Result<Page<Versioned<TicketState>>, StoreError> {
    let filter = request.narrow(doc! { "state.sellerId": seller.to_string() });
    let found = tickets.find_some(filter, doc! { "_id": -1 }, request.limit + 1).await?;
    Ok(request.cut(found, |ticket| ticket.terms.id.to_string()))
}

/// A buyer's orders in these states, the latest change first.
pub async fn orders_in(
    orders: &Replica<OrderState>,
    buyer: UserId,
    states: &[OrderStatus],
    limit: i64,
) -> Result<Vec<OrderState>, StoreError> {
    let states: Vec<Bson> = states.iter().filter_map(|state| mongodb::bson::serialize_to_bson(state).ok()).collect();
    let filter = doc! { "state.buyerId": buyer.to_string(), "state.status": { "$in": states } };
    let found = orders.find_some(filter, doc! { "state.updatedAt": -1 }, limit).await?;
    Ok(found.into_iter().map(|order| order.state).collect())
}

/// These tickets, as far as they are known.
pub async fn tickets(
    tickets: &Replica<TicketState>,
    ids: impl IntoIterator<Item = TicketId>,
) -> Result<Vec<TicketState>, StoreError> {
    Ok(versions_of(tickets, ids).await?.into_iter().map(|ticket| ticket.state).collect())
}

/// The same, each with its version.
pub async fn versions_of(
    tickets: &Replica<TicketState>,
    ids: impl IntoIterator<Item = TicketId>,
) -> Result<Vec<Versioned<TicketState>>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tickets.find(doc! { "_id": { "$in": ids } }).await
}

/// Those of these orders that are the buyer's own: somebody else's is as good as none.
pub async fn own_orders(
    orders: &Replica<OrderState>,
    buyer: Option<UserId>,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    let Some(buyer) = buyer.filter(|_| !ids.is_empty()) else { return Ok(Vec::new()) };
    orders.find(doc! { "_id": { "$in": ids }, "state.buyerId": buyer.to_string() }).await
}

/// When the hold on a ticket ends that this order has.
pub async fn hold_ends(orders: &Replica<OrderState>, order: impl ToString) -> Result<Option<Timestamp>, StoreError> {
    let order = orders.get(order).await?.map(|order| order.state);
    let unpaid = |order: &OrderState| matches!(order.status, OrderStatus::Created | OrderStatus::AwaitingPayment);
    Ok(order.filter(unpaid).map(|order| order.expires_at))
}
