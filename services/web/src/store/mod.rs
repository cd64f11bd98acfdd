//! The indexes and queries of the read model; this folder alone names MongoDB.

pub mod model;

use std::collections::BTreeMap;

use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use common::id::{TicketId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::store::Versioned;
use platform::store::error::StoreError;
use platform::store::page::{Page, PageRequest};
use platform::store::replica::Replica;

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

/// Indexes of the replica of tickets.
pub fn ticket_indexes() -> Vec<IndexModel> {
    let words = IndexOptions::builder()
        .name("words_v1".to_owned())
        // No stemming and no stop words: titles are names, in any language.
        .default_language("none".to_owned())
        .build();
    let keys = doc! { "state.title": "text", "state.venue": "text", "state.city": "text" };
    vec![
        index("soonest_v1", doc! { "state.status": 1, "state.startsAt": 1, "_id": 1 }),
        IndexModel::builder().keys(keys).options(words).build(),
    ]
}

/// Indexes of the replica of orders.
pub fn order_indexes() -> Vec<IndexModel> {
    vec![index("buyer_v1", doc! { "state.buyerId": 1, "_id": -1 })]
}

/// Indexes of the replica of payments.
pub fn payment_indexes() -> Vec<IndexModel> {
    vec![index("order_v1", doc! { "state.orderId": 1 })]
}

/// A place in the list of what is for sale: behind this ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the ticket's event begins.
    pub starts_at: Timestamp,
    /// The ticket.
    pub id: TicketId,
}

/// What is for sale at `now`, soonest first, at most `limit`, behind a place.
///
/// `words` narrows to what has all of them in title, venue or city.
pub async fn for_sale(
    tickets: &Replica<TicketState>,
    words: &[String],
    now: Timestamp,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Versioned<TicketState>>, StoreError> {
    let mut filter = doc! { "state.status": "available", "state.startsAt": { "$gt": now.to_string() } };
    if let Some(Place { starts_at, id }) = after {
        let (starts_at, id) = (starts_at.to_string(), id.to_string());
        let behind = [
            doc! { "state.startsAt": { "$gt": &starts_at } },
            doc! { "state.startsAt": &starts_at, "_id": { "$gt": id } },
        ];
        filter.insert("$or", behind.to_vec());
    }
    if !words.is_empty() {
        // Each word quoted: all of them must occur, and none is taken for an operator.
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        filter.insert("$text", doc! { "$search": quoted.join(" ") });
    }
    tickets.find_some(filter, doc! { "state.startsAt": 1, "_id": 1 }, limit).await
}

/// How these users are called, as far as it is known.
pub async fn names(
    users: &Replica<UserState>,
    ids: impl IntoIterator<Item = UserId>,
) -> Result<BTreeMap<UserId, String>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    let found = users.find(doc! { "_id": { "$in": ids } }).await?;
    Ok(found.into_iter().map(|user| (user.state.id, user.state.display_name)).collect())
}

/// One page of a buyer's orders, newest first.
pub async fn orders_of(
    orders: &Replica<OrderState>,
    buyer: UserId,
    request: &PageRequest,
) -> Result<Page<OrderState>, StoreError> {
    let filter = request.narrow(doc! { "state.buyerId": buyer.to_string() });
    let found = orders.find_some(filter, doc! { "_id": -1 }, request.limit + 1).await?;
    Ok(request.cut(found, |order| order.id.to_string()).map(|order| order.state))
}

/// The payments of these orders.
pub async fn payments_of(
    payments: &Replica<PaymentState>,
    orders: &[OrderState],
) -> Result<Vec<PaymentState>, StoreError> {
    let ids: Vec<_> = orders.iter().map(|order| order.id.to_string()).collect();
    let found = payments.find(doc! { "state.orderId": { "$in": ids } }).await?;
    Ok(found.into_iter().map(|payment| payment.state).collect())
}
