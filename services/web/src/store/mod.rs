//! The indexes and queries of the read model; this folder alone names MongoDB.

pub mod findable;
mod generations;
pub mod lists;
pub mod model;
pub mod own;
pub mod search;
pub mod vocabulary;

use std::collections::BTreeMap;

use common::aggregate::Versioned;
use common::api::page::Page;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::user::UserState;
use common::id::{OrderId, UserId};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use platform::store::replica::Replica;

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

/// Indexes of the replica of orders.
pub fn order_indexes() -> Vec<IndexModel> {
    vec![index("buyer_v1", doc! { "state.buyerId": 1, "_id": -1 })]
}

/// Indexes of the replica of payments.
pub fn payment_indexes() -> Vec<IndexModel> {
    vec![index("order_v2", doc! { "state.orderId": 1, "_id": -1 })]
}

/// How these users are called, as far as it is known.
pub async fn names(
    users: &Replica<UserState>,
    ids: impl IntoIterator<Item = UserId>,
) -> Result<BTreeMap<UserId, String>, StoreError> {
    let mut ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = users.find(doc! { "_id": { "$in": ids } }).await?;
    Ok(found.into_iter().map(|user| (user.state.id, user.state.display_name)).collect())
}

/// One page of a buyer's orders, newest first.
pub async fn orders_of(
    orders: &Replica<OrderState>,
    buyer: UserId,
    request: &PageRequest,
) -> Result<Page<Versioned<OrderState>>, StoreError> {
    let filter = request.narrow(doc! { "state.buyerId": buyer.to_string() });
    let found = orders.find_some(filter, doc! { "_id": -1 }, request.limit + 1).await?;
    Ok(request.cut(found, |order| order.id.to_string()))
}

/// How many payments of an order are shown: more than anybody is let make.
const PAYMENTS: i64 = 50;

/// The latest payments of an order, oldest first.
pub async fn payments_of(payments: &Replica<PaymentState>, order: OrderId) -> Result<Vec<PaymentState>, StoreError> {
    let filter = doc! { "state.orderId": order.to_string() };
    let found = payments.find_some(filter, doc! { "_id": -1 }, PAYMENTS).await?;
    Ok(found.into_iter().rev().map(|payment| payment.state).collect())
}
