//! The indexes and queries of the service's collections; this folder alone names MongoDB.

pub mod retention;

use std::time::Duration;

use common::aggregate::Versioned;
use common::api::page::Page;
use common::events::order::OrderState;
use common::events::payment::PaymentStatus;
use common::id::{OrderId, PaymentId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::mongo;
use platform::store::Store;
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use platform::store::partial::{PartialIndex, any_of};

use crate::domain::payment::Payment;

/// Refuses a second payment of an order while the first is not declined: what was captured, failed or voided bars
/// another one too.
pub static ONE_PER_ORDER: PartialIndex<PaymentStatus> = PartialIndex {
    name: "one_per_order_v1",
    field: "state.orderId",
    status: "state.status.name",
    among: &PaymentStatus::NOT_DECLINED,
    unique: true,
};

/// Counts the payments of an order: of two that are started at once, one is refused.
pub const ATTEMPTS: &str = "attempts_v1";

/// The statuses that change by themselves.
const LIVE: [PaymentStatus; 3] = [PaymentStatus::Authorizing, PaymentStatus::RequiresAction, PaymentStatus::Authorized];

/// Indexes of the payments.
pub fn payment_indexes() -> Vec<IndexModel> {
    let named = |name: &str| IndexOptions::builder().name(name.to_owned()).build();
    let model = |keys: Document, options| IndexModel::builder().keys(keys).options(options).build();
    let mut attempts = named(ATTEMPTS);
    attempts.unique = Some(true);
    let mut live = named("live_v1");
    live.partial_filter_expression = Some(doc! { "state.status.name": any_of(&LIVE) });
    let mut refunding = named("refunding_v1");
    refunding.partial_filter_expression = Some(doc! { "state.refund.isOpen": true });
    vec![
        ONE_PER_ORDER.model(),
        retention::declined_index(),
        model(doc! { "state.orderId": 1, "state.attempt": 1 }, attempts),
        model(doc! { "state.refund.since": 1 }, refunding),
        model(doc! { "state.providerRef": 1 }, named("reference_v1")),
        model(doc! { "state.updatedAt": 1 }, live),
    ]
}

/// A buyer's own payment.
pub async fn find_owned(
    payments: &Store<Payment>,
    id: PaymentId,
    buyer: UserId,
) -> Result<Option<Versioned<Payment>>, StoreError> {
    payments.find_one(doc! { "_id": id.to_string(), "state.buyerId": buyer.to_string() }).await
}

/// The payments that news of an order can move: the one that is not declined, and the one that the order names.
pub async fn moved_by(payments: &Store<Payment>, order: &OrderState) -> Result<Vec<Versioned<Payment>>, StoreError> {
    let mut found = payments.find_in(&ONE_PER_ORDER, order.id).await?;
    if let Some(winner) = order.payment_id.filter(|winner| found.iter().all(|payment| payment.id != *winner)) {
        found.extend(payments.get(winner).await?);
    }
    Ok(found)
}

/// The payment of an order that bars another one.
pub async fn barring(payments: &Store<Payment>, order: OrderId) -> Result<Option<Versioned<Payment>>, StoreError> {
    Ok(payments.find_in(&ONE_PER_ORDER, order).await?.into_iter().next())
}

/// How many payments of an order were started.
pub async fn attempts_of(payments: &Store<Payment>, order: OrderId) -> Result<u32, StoreError> {
    let (filter, latest_first) = (doc! { "state.orderId": order.to_string() }, doc! { "state.attempt": -1 });
    let latest = payments.find_by_index(ATTEMPTS, filter, latest_first, 1).await?;
    Ok(latest.first().map_or(0, |payment| payment.attempt))
}

/// The payment that the provider knows by this id.
pub async fn by_reference(
    payments: &Store<Payment>,
    reference: &str,
) -> Result<Option<Versioned<Payment>>, StoreError> {
    payments.find_one(doc! { "state.providerRef": reference }).await
}

/// One page of the payments that are not final and have not changed for `rest`.
pub async fn resting(
    payments: &Store<Payment>,
    now: Timestamp,
    rest: Duration,
    page: &PageRequest,
) -> Result<Page<Versioned<Payment>>, StoreError> {
    let mut filter = mongo::idle_since("state.updatedAt", now, rest);
    filter.insert("state.status.name", any_of(&LIVE));
    payments.page(filter, page).await
}

/// The payments whose charge has yet to be given back, at most `limit`, the latest first.
pub async fn refunding(payments: &Store<Payment>, limit: i64) -> Result<Vec<Versioned<Payment>>, StoreError> {
    payments
        .find_by_index("refunding_v1", doc! { "state.refund.isOpen": true }, doc! { "state.refund.since": -1 }, limit)
        .await
}

/// Of the payments that are not final, or have yet to be given back, the one that has not changed for the longest.
pub async fn oldest_unsettled(payments: &Store<Payment>) -> Result<Option<Versioned<Payment>>, StoreError> {
    let live = doc! { "state.status.name": any_of(&LIVE) };
    let live = payments.first(live, doc! { "state.updatedAt": 1 }).await?;
    let refunding = payments.first(doc! { "state.refund.isOpen": true }, doc! { "state.refund.since": 1 }).await?;
    Ok(live.into_iter().chain(refunding).min_by_key(|payment| payment.updated_at))
}
