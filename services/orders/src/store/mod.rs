//! The indexes and queries of the service's collections. Only this module depends on MongoDB.

pub mod refunds_due;

use std::collections::{BTreeMap, BTreeSet};

use common::aggregate::Versioned;
use common::api::page::Page;
use common::error::Error;
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::show::ShowState;
use common::id::{OrderId, ShowId, TicketId, UserId};
use common::timestamp::Timestamp;
use futures::future::try_join_all;
use mongodb::IndexModel;
use mongodb::bson::doc;
use platform::store::Store;
use platform::store::causal::CausalStore;
use platform::store::error::StoreError;
use platform::store::index::{self, PartialIndex, any_of};
use platform::store::page::PageRequest;
use platform::store::replica::Replica;

use crate::domain::order::{Order, Status, UNPAID};

type Result<T> = std::result::Result<T, StoreError>;

/// The unique index that decides which order holds a seat: no slot of a listing is in two orders that are not
/// cancelled. Its second field is the array of slots; MongoDB compares each of them with those of other documents.
pub static OPEN_SEATS: PartialIndex<OrderStatus> = PartialIndex {
    name: "open_seats_v1",
    field: "state.ticket.id",
    status: "state.status.name",
    among: &[OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Authorized, OrderStatus::Completed],
    unique: true,
};

/// The unique index that allows a buyer one unpaid order of a listing, so that a second click makes no second hold.
pub static ONE_HOLD: PartialIndex<OrderStatus> = PartialIndex {
    name: "one_hold_v1",
    field: "state.ticket.id",
    status: "state.status.name",
    among: &UNPAID,
    unique: true,
};

/// The payments of an order that are not declined.
static NOT_DECLINED: PartialIndex<PaymentStatus> = PartialIndex {
    name: "not_declined_v1",
    field: "state.orderId",
    status: "state.status",
    among: &PaymentStatus::NOT_DECLINED,
    unique: false,
};

/// The unpaid orders of a buyer.
static UNPAID_BY_BUYER: PartialIndex<OrderStatus> = PartialIndex {
    name: "holds_v1",
    field: "state.buyerId",
    status: "state.status.name",
    among: &UNPAID,
    unique: false,
};

/// The index of the completed orders of a show.
const COMPLETED_BY_SHOW: &str = "show_completed_v1";
/// Maximum number of orders of a show that are read at once.
const SHOW_BATCH: i64 = 100;

/// The index of the holds of a listing that were cancelled by their buyers or expired.
const ABANDONED: &str = "ended_v1";
const ABANDON_REASONS: [CancelReason; 2] = [CancelReason::Buyer, CancelReason::Expired];

/// Indexes of the orders.
pub fn order_indexes() -> Vec<IndexModel> {
    let authorized = doc! { "state.status.name": OrderStatus::Authorized.as_ref() };
    let completed = doc! { "state.status.name": OrderStatus::Completed.as_ref() };
    let abandoned_keys = doc! { "state.ticket.id": 1, "state.buyerId": 1, "state.updatedAt": -1 };
    vec![
        OPEN_SEATS.compound_model(&["state.slots"]),
        ONE_HOLD.compound_model(&["state.buyerId"]),
        UNPAID_BY_BUYER.model(),
        index::partial(COMPLETED_BY_SHOW, doc! { "state.showId": 1, "_id": 1 }, completed),
        index::partial(ABANDONED, abandoned_keys, doc! { "state.status.reason": any_of(&ABANDON_REASONS) }),
        index::partial("authorized_v1", doc! { "state.updatedAt": 1 }, authorized),
        index::partial("unpaid_v1", doc! { "state.expiresAt": 1 }, doc! { "state.status.name": any_of(&UNPAID) }),
        index::named("buyer_v1", doc! { "state.buyerId": 1, "_id": -1 }),
    ]
}

/// Indexes of the replica of shows.
pub fn show_indexes() -> Vec<IndexModel> {
    vec![index::named("merged_v1", doc! { "state.mergedInto": 1 })]
}

/// Indexes of the replica of payments.
pub fn payment_indexes() -> Vec<IndexModel> {
    vec![NOT_DECLINED.model()]
}

/// The payments that can affect the order in its present status: the payment that authorised it, or, before that, those
/// that are not declined. Nothing older than `seen` is returned for the same payment.
pub async fn relevant_payments(
    payments: &Replica<PaymentState>,
    order: &Order,
    seen: Option<Versioned<PaymentState>>,
) -> std::result::Result<Vec<Versioned<PaymentState>>, Error> {
    match order.status {
        Status::AwaitingPayment => {
            let mut found = payments.find_in(&NOT_DECLINED, order.id).await?;
            if let Some(seen) = seen.filter(|seen| seen.status != PaymentStatus::Declined) {
                match found.iter_mut().find(|found| found.id == seen.id) {
                    Some(older) if older.version < seen.version => *older = seen,
                    Some(_) => {}
                    // The payment is declined by now, or the read is older than the event.
                    None => found.push(payments.get_since(seen.id, seen.version).await?),
                }
            }
            Ok(found)
        }
        Status::Authorized { payment_id } => match seen.filter(|seen| seen.id == payment_id) {
            Some(seen) => Ok(vec![seen]),
            None => Ok(payments.get(payment_id).await?.into_iter().collect()),
        },
        Status::Created | Status::Completed { .. } | Status::Cancelled { .. } => Ok(Vec::new()),
    }
}

/// The orders that occupy seats of a listing: at most as many as it has seats.
pub async fn open_orders(orders: &Store<Order>, ticket: TicketId) -> Result<Vec<Versioned<Order>>> {
    orders.find_in(&OPEN_SEATS, ticket).await
}

/// Whether an order that could not be inserted collided with another one of the listing.
pub fn is_collision(error: &StoreError) -> bool {
    error.is_duplicate_of(OPEN_SEATS.name) || error.is_duplicate_of(ONE_HOLD.name)
}

/// Like [`open_orders`], in the session of a failed insert, so that the result includes the order that it collided
/// with.
pub async fn open_orders_since(orders: &mut CausalStore<'_, Order>, ticket: TicketId) -> Result<Vec<Versioned<Order>>> {
    orders.find_in(&OPEN_SEATS, ticket).await
}

/// The buyer's order with this id.
pub async fn find_of_buyer(orders: &Store<Order>, id: OrderId, buyer: UserId) -> Result<Option<Versioned<Order>>> {
    orders.find_one(doc! { "_id": id.to_string(), "state.buyerId": buyer.to_string() }).await
}

/// The ids of a buyer's unpaid orders, ascending.
pub async fn unpaid_order_ids(orders: &Store<Order>, buyer: UserId) -> Result<Vec<OrderId>> {
    Ok(orders.find_in(&UNPAID_BY_BUYER, buyer).await?.into_iter().map(|order| order.id).collect())
}

/// When the buyer's holds of a listing were cancelled by the buyer or expired: the latest `limit` times after `since`,
/// latest first.
pub async fn abandoned_since(
    orders: &Store<Order>,
    ticket: TicketId,
    buyer: UserId,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let filter = doc! {
        "state.ticket.id": ticket.to_string(),
        "state.buyerId": buyer.to_string(),
        "state.status.reason": any_of(&ABANDON_REASONS),
        "state.updatedAt": { "$gt": since.to_string() },
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = orders.find_by_index(ABANDONED, filter, doc! { "state.updatedAt": -1 }, limit).await?;
    Ok(found.into_iter().map(|order| order.updated_at).collect())
}

/// The show with this id, or the one that it was merged into, however many merges there are. `None` while the event of
/// either has not arrived.
pub async fn find_show(shows: &Replica<ShowState>, id: ShowId) -> Result<Option<Versioned<ShowState>>> {
    let (mut id, mut passed) = (id, BTreeSet::new());
    // `tickets` never merges shows in a circle. If it did, no show would remain.
    while passed.insert(id) {
        match shows.get(id).await? {
            Some(Versioned { state: ShowState { merged_into: Some(into), .. }, .. }) => id = into,
            found => return Ok(found),
        }
    }
    Ok(None)
}

/// The shows with these ids, each by its id. A merged show is replaced by the one that remains.
pub async fn find_shows(
    shows: &Replica<ShowState>,
    ids: impl Iterator<Item = ShowId>,
) -> Result<BTreeMap<ShowId, Versioned<ShowState>>> {
    let ids: BTreeSet<ShowId> = ids.collect();
    let found = ids.into_iter().map(|id| async move {
        let show = find_show(shows, id).await?;
        Ok::<_, StoreError>(show.map(|show| (id, show)))
    });
    Ok(try_join_all(found).await?.into_iter().flatten().collect())
}

/// This show and all shows that were merged into it, directly or through others.
pub async fn merged_shows(shows: &Replica<ShowState>, id: ShowId) -> Result<Vec<ShowId>> {
    let (mut found, mut next) = (vec![id], 0);
    while let Some(into) = found.get(next).copied() {
        for merged in shows.find_by("state.mergedInto", into).await? {
            if !found.contains(&merged.id) {
                found.push(merged.id);
            }
        }
        next += 1;
    }
    Ok(found)
}

/// The next batch of the completed orders of a show, by id. `after` is the last id of the previous batch.
pub async fn completed_of_show(orders: &Store<Order>, show: ShowId, after: &str) -> Result<Vec<Versioned<Order>>> {
    let filter = doc! {
        "state.showId": show.to_string(),
        "state.status.name": OrderStatus::Completed.as_ref(),
        "_id": { "$gt": after },
    };
    orders.find_by_index(COMPLETED_BY_SHOW, filter, doc! { "_id": 1 }, SHOW_BATCH).await
}

/// The order that has been authorised for the longest and is not completed.
pub async fn oldest_authorized(orders: &Store<Order>) -> Result<Option<Versioned<Order>>> {
    orders
        .find_first(doc! { "state.status.name": OrderStatus::Authorized.as_ref() }, doc! { "state.updatedAt": 1 })
        .await
}

/// The unpaid order whose hold ended the longest ago.
pub async fn oldest_overdue(orders: &Store<Order>, now: Timestamp) -> Result<Option<Versioned<Order>>> {
    let filter = doc! { "state.status.name": any_of(&UNPAID), "state.expiresAt": { "$lt": now.to_string() } };
    orders.find_first(filter, doc! { "state.expiresAt": 1 }).await
}

/// One page of the buyer's orders, newest first.
pub async fn page_by_buyer(
    orders: &Store<Order>,
    buyer: UserId,
    request: &PageRequest,
) -> Result<Page<Versioned<Order>>> {
    orders.page(doc! { "state.buyerId": buyer.to_string() }, request).await
}
