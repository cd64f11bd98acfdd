//! Queries by owner or by id: a seller's listings and sales, a buyer's orders, an order's payments, users' names, the
//! ended holds on tickets.

use std::collections::{BTreeMap, BTreeSet};

use common::aggregate::Versioned;
use common::api::page::Page;
use common::events::Payload;
use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::events::ticket::{TicketState, TicketStatus};
use common::events::user::UserState;
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, doc};
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use platform::store::replica::Replica;

use super::index;
use crate::domain::order_number::OrderNumber;
use crate::domain::order_view::is_unpaid;
use crate::domain::seats::free_slots;

/// Maximum number of payments shown for one order: more than the payments service allows.
const MAX_PAYMENTS: i64 = 50;

/// Indexes of the replica of tickets that these queries need.
pub(crate) fn ticket_indexes() -> Vec<IndexModel> {
    vec![
        index("seller_v1", doc! { "state.sellerId": 1, "_id": -1 }),
        platform::store::index::partial(
            "sales_v2",
            doc! { "state.sellerId": 1, "state.updatedAt": -1, "sold": 1 },
            doc! { "sold": { "$gt": 0 } },
        ),
    ]
}

pub(crate) fn order_indexes() -> Vec<IndexModel> {
    vec![
        platform::store::index::partial(
            "ended_by_show_v1",
            doc! { "state.buyerId": 1, "state.updatedAt": -1 },
            doc! { "state.cancelReason": CancelReason::ShowCancelled.as_ref() },
        ),
        platform::store::index::partial(
            "ended_holds_v1",
            doc! { "state.ticket.id": 1, "state.updatedAt": -1 },
            doc! { "state.status": OrderStatus::Cancelled.as_ref() },
        ),
        index("buyer_v1", doc! { "state.buyerId": 1, "_id": -1 }),
        index("buyer_status_v1", doc! { "state.buyerId": 1, "state.status": 1, "state.updatedAt": -1 }),
        index("buyer_start_v1", doc! { "state.buyerId": 1, "state.ticket.startsAt": 1, "_id": 1 }),
    ]
}

pub(crate) fn payment_indexes() -> Vec<IndexModel> {
    vec![index("order_v2", doc! { "state.orderId": 1, "_id": -1 })]
}

/// The display names of these users, where known.
pub(crate) async fn display_names(
    users: &Replica<UserState>,
    ids: impl IntoIterator<Item = UserId>,
) -> Result<BTreeMap<UserId, String>, StoreError> {
    let found = find_by_ids(users, ids, Document::new()).await?;
    Ok(found.into_iter().map(|user| (user.state.id, user.state.display_name)).collect())
}

/// Matches the seller's listings of which seats are sold.
pub(super) fn sold_by(seller: UserId) -> Document {
    doc! { "state.sellerId": seller.to_string(), "sold": { "$gt": 0 } }
}

/// The listings of which a seller has sold seats, the latest change first.
pub(crate) async fn sold_tickets(
    tickets: &Replica<TicketState>,
    seller: UserId,
    limit: i64,
) -> Result<Vec<Versioned<TicketState>>, StoreError> {
    tickets.find_sorted(sold_by(seller), doc! { "state.updatedAt": -1 }, limit).await
}

/// One page of a seller's listings, newest first.
pub(crate) async fn listings_of(
    tickets: &Replica<TicketState>,
    seller: UserId,
    request: &PageRequest,
) -> Result<Page<Versioned<TicketState>>, StoreError> {
    let filter = request.apply_cursor(doc! { "state.sellerId": seller.to_string() });
    let found = tickets.find_sorted(filter, doc! { "_id": -1 }, request.limit + 1).await?;
    Ok(request.to_page(found, |ticket| ticket.terms.id.to_string()))
}

/// A buyer's orders that are not cancelled, of events that begin at `since` or later; the soonest first.
pub(crate) async fn upcoming_orders(
    orders: &Replica<OrderState>,
    buyer: UserId,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    let filter = doc! {
        "state.buyerId": buyer.to_string(),
        "state.ticket.startsAt": { "$gte": since.to_string() },
        "state.status": { "$ne": OrderStatus::Cancelled.as_ref() },
    };
    orders.find_sorted(filter, doc! { "state.ticket.startsAt": 1, "_id": 1 }, limit).await
}

/// One page of a buyer's other orders: cancelled, or of events that began before `since`; newest first.
pub(crate) async fn past_orders(
    orders: &Replica<OrderState>,
    buyer: UserId,
    since: Timestamp,
    request: &PageRequest,
) -> Result<Page<Versioned<OrderState>>, StoreError> {
    let begun = doc! { "state.ticket.startsAt": { "$lt": since.to_string() } };
    let cancelled = doc! { "state.status": OrderStatus::Cancelled.as_ref() };
    let filter = doc! { "state.buyerId": buyer.to_string(), "$or": [cancelled, begun] };
    let found = orders.find_sorted(request.apply_cursor(filter), doc! { "_id": -1 }, request.limit + 1).await?;
    Ok(request.to_page(found, |order| order.id.to_string()))
}

/// A buyer's orders with this number. The number is part of the id, so that the index finds them.
pub(crate) async fn orders_with_number(
    orders: &Replica<OrderState>,
    buyer: UserId,
    number: OrderNumber,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    orders.find(doc! { "state.buyerId": buyer.to_string(), "_id": { "$regex": number.id_pattern() } }).await
}

/// A buyer's orders with one of these statuses, the latest change first.
pub(crate) async fn orders_with_status(
    orders: &Replica<OrderState>,
    buyer: UserId,
    statuses: &[OrderStatus],
    limit: i64,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    let statuses: Vec<Bson> = statuses.iter().filter_map(|it| mongodb::bson::serialize_to_bson(it).ok()).collect();
    let filter = doc! { "state.buyerId": buyer.to_string(), "state.status": { "$in": statuses } };
    orders.find_sorted(filter, doc! { "state.updatedAt": -1 }, limit).await
}

/// A buyer's orders that ended because their show was cancelled, the latest first.
pub(crate) async fn orders_ended_by_show(
    orders: &Replica<OrderState>,
    buyer: UserId,
    limit: i64,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    let reason = CancelReason::ShowCancelled.as_ref();
    let filter = doc! { "state.buyerId": buyer.to_string(), "state.cancelReason": reason };
    orders.find_sorted(filter, doc! { "state.updatedAt": -1 }, limit).await
}

/// When each of these listings became available again, if that was after `since`: the earliest end of the last hold on
/// one of the seats that are free now. A listing is left out if one of its free seats was not held since then, because
/// it was available all the time. At most `limit` holds are read, the latest first.
pub(crate) async fn freed_tickets(
    orders: &Replica<OrderState>,
    tickets: &[Versioned<TicketState>],
    since: Timestamp,
    limit: i64,
) -> Result<BTreeMap<TicketId, Timestamp>, StoreError> {
    let ids: Vec<_> = tickets.iter().map(|ticket| ticket.terms.id.to_string()).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let filter = doc! {
        "state.ticket.id": { "$in": ids },
        "state.updatedAt": { "$gt": since.to_string() },
        "state.status": OrderStatus::Cancelled.as_ref(),
        // A refused order never held the ticket.
        "state.cancelReason": { "$ne": CancelReason::Refused.as_ref() },
    };
    // When the last hold on each seat ended.
    let mut ends = BTreeMap::new();
    for order in orders.find_sorted(filter, doc! { "state.updatedAt": -1 }, limit).await? {
        for slot in &order.slots {
            ends.entry((order.ticket.id, *slot)).or_insert(order.updated_at);
        }
    }
    let freed = tickets.iter().filter_map(|ticket| {
        let id = ticket.terms.id;
        let freed: Option<Vec<_>> = free_slots(ticket).into_iter().map(|slot| ends.get(&(id, slot)).copied()).collect();
        Some((id, freed?.into_iter().min()?))
    });
    Ok(freed.collect())
}

/// The known shows with these ids, or those that they were merged into, by the given ids.
pub(crate) async fn shows_by_ids(
    shows: &Replica<ShowState>,
    ids: impl IntoIterator<Item = ShowId>,
) -> Result<BTreeMap<ShowId, Versioned<ShowState>>, StoreError> {
    let wanted: BTreeSet<ShowId> = ids.into_iter().collect();
    let (mut known, mut asked) = (BTreeMap::<ShowId, Versioned<ShowState>>::new(), BTreeSet::new());
    let mut next = wanted.clone();
    while !next.is_empty() {
        asked.extend(next.iter().copied());
        let found = known_shows(shows, next).await?;
        known.extend(found.into_iter().map(|show| (show.id, show)));
        next = known.values().filter_map(|show| show.merged_into).filter(|into| !asked.contains(into)).collect();
    }
    let present = |id: ShowId| {
        let mut show = known.get(&id)?;
        // A chain of merges has at most as many shows as there are.
        for _ in 0..known.len() {
            match show.merged_into {
                Some(into) => show = known.get(&into)?,
                None => return Some((id, show.clone())),
            }
        }
        None
    };
    Ok(wanted.into_iter().filter_map(present).collect())
}

/// The shows with these ids that the read model has. A show that was merged into another one is returned itself.
pub(super) async fn known_shows(
    shows: &Replica<ShowState>,
    ids: impl IntoIterator<Item = ShowId>,
) -> Result<Vec<Versioned<ShowState>>, StoreError> {
    find_by_ids(shows, ids, Document::new()).await
}

/// The known show with this id, or the one that it was merged into.
pub(crate) async fn present_show(
    shows: &Replica<ShowState>,
    id: ShowId,
) -> Result<Option<Versioned<ShowState>>, StoreError> {
    Ok(shows_by_ids(shows, [id]).await?.remove(&id))
}

/// The tickets with these ids that are known.
pub(crate) async fn tickets_by_ids(
    tickets: &Replica<TicketState>,
    ids: impl IntoIterator<Item = TicketId>,
) -> Result<Vec<Versioned<TicketState>>, StoreError> {
    find_by_ids(tickets, ids, Document::new()).await
}

/// The orders with these ids, without those of other buyers.
pub(crate) async fn own_orders_by_ids(
    orders: &Replica<OrderState>,
    buyer: Option<UserId>,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    let Some(buyer) = buyer else { return Ok(Vec::new()) };
    find_by_ids(orders, ids, doc! { "state.buyerId": buyer.to_string() }).await
}

/// The orders with these ids that are known, whoever their buyers are. Pages for other users must not show them.
pub(crate) async fn orders_by_ids(
    orders: &Replica<OrderState>,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<BTreeMap<OrderId, OrderState>, StoreError> {
    let found = find_by_ids(orders, ids, Document::new()).await?;
    Ok(found.into_iter().map(|order| (order.state.id, order.state)).collect())
}

async fn find_by_ids<S: Payload>(
    replica: &Replica<S>,
    ids: impl IntoIterator<Item = impl ToString>,
    mut filter: Document,
) -> Result<Vec<Versioned<S>>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    filter.insert("_id", doc! { "$in": ids });
    replica.find(filter).await
}

/// The payments with these ids that are known.
pub(crate) async fn payments_by_ids(
    payments: &Replica<PaymentState>,
    ids: impl IntoIterator<Item = PaymentId>,
) -> Result<Vec<PaymentState>, StoreError> {
    let found = find_by_ids(payments, ids, Document::new()).await?;
    Ok(found.into_iter().map(|payment| payment.state).collect())
}

/// The latest payments of an order, oldest first.
pub(crate) async fn payments_of(
    payments: &Replica<PaymentState>,
    order: OrderId,
) -> Result<Vec<PaymentState>, StoreError> {
    let filter = doc! { "state.orderId": order.to_string() };
    let found = payments.find_sorted(filter, doc! { "_id": -1 }, MAX_PAYMENTS).await?;
    Ok(found.into_iter().rev().map(|payment| payment.state).collect())
}

/// When the first of the unpaid holds on a listing expires; `None` if there is none, or if the listing has a free seat.
pub(crate) async fn hold_expiry(
    orders: &Replica<OrderState>,
    ticket: &TicketState,
) -> Result<Option<Timestamp>, StoreError> {
    if ticket.status != TicketStatus::Reserved {
        return Ok(None);
    }
    let holders = orders_by_ids(orders, ticket.holders()).await?;
    Ok(holders.values().filter(|order| is_unpaid(order)).map(|order| order.expires_at).min())
}
