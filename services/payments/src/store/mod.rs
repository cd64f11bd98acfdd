//! The indexes and queries of the service's collections. Only this module depends on MongoDB.

pub mod declined_archive;

use std::time::Duration;

use common::aggregate::Versioned;
use common::api::page::Page;
use common::events::order::OrderState;
use common::events::payment::PaymentStatus;
use common::id::{OrderId, PaymentId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use platform::mongo;
use platform::store::Store;
use platform::store::error::StoreError;
use platform::store::index::{self, PartialIndex, any_of};
use platform::store::page::PageRequest;

use crate::domain::payment::Payment;

type Result<T> = std::result::Result<T, StoreError>;

/// The unique index that allows only one payment per order, not counting declined ones. Captured, failed and voided
/// payments count.
pub static ONE_PER_ORDER: PartialIndex<PaymentStatus> = PartialIndex {
    name: "one_per_order_v1",
    field: "state.orderId",
    status: "state.status.name",
    among: &PaymentStatus::NOT_DECLINED,
    unique: true,
};

/// The unique index by order and attempt, which rejects one of two payments that are started at once.
pub const ATTEMPT_INDEX: &str = "attempts_v1";

const OPEN_REFUND_INDEX: &str = "refunding_v1";

/// The statuses that are not final, which the reconciler advances.
const NON_FINAL: [PaymentStatus; 3] =
    [PaymentStatus::Authorizing, PaymentStatus::RequiresAction, PaymentStatus::Authorized];

fn is_non_final() -> Document {
    doc! { "state.status.name": any_of(&NON_FINAL) }
}

fn has_open_refund() -> Document {
    doc! { "state.refund.isOpen": true }
}

/// Indexes of the payments.
pub fn payment_indexes() -> Vec<IndexModel> {
    vec![
        ONE_PER_ORDER.model(),
        declined_archive::declined_index(),
        index::unique(ATTEMPT_INDEX, doc! { "state.orderId": 1, "state.attempt": 1 }),
        index::partial(OPEN_REFUND_INDEX, doc! { "state.refund.since": 1 }, has_open_refund()),
        index::named("reference_v1", doc! { "state.providerRef": 1 }),
        index::partial("live_v1", doc! { "state.updatedAt": 1 }, is_non_final()),
    ]
}

/// The buyer's payment with this id.
pub async fn find_of_buyer(
    payments: &Store<Payment>,
    id: PaymentId,
    buyer: UserId,
) -> Result<Option<Versioned<Payment>>> {
    payments.find_one(doc! { "_id": id.to_string(), "state.buyerId": buyer.to_string() }).await
}

/// The payments that a change of an order can affect: the one that is not declined, and the one that the order names.
pub async fn affected_by(payments: &Store<Payment>, order: &OrderState) -> Result<Vec<Versioned<Payment>>> {
    let mut found = payments.find_in(&ONE_PER_ORDER, order.id).await?;
    if let Some(winner) = order.payment_id.filter(|winner| found.iter().all(|payment| payment.id != *winner)) {
        found.extend(payments.get(winner).await?);
    }
    Ok(found)
}

/// The payment that was started last for an order. All earlier ones are declined: only then is another one inserted.
pub async fn latest_attempt(payments: &Store<Payment>, order: OrderId) -> Result<Option<Versioned<Payment>>> {
    let (filter, latest_first) = (doc! { "state.orderId": order.to_string() }, doc! { "state.attempt": -1 });
    Ok(payments.find_by_index(ATTEMPT_INDEX, filter, latest_first, 1).await?.into_iter().next())
}

/// The payment whose intent has this id at the provider.
pub async fn by_reference(payments: &Store<Payment>, reference: &str) -> Result<Option<Versioned<Payment>>> {
    Ok(payments.find_by("state.providerRef", reference, Document::new()).await?.into_iter().next())
}

/// One page of the payments that are not final and have not changed for `idle_time`.
pub async fn find_idle(
    payments: &Store<Payment>,
    now: Timestamp,
    idle_time: Duration,
    page: &PageRequest,
) -> Result<Page<Versioned<Payment>>> {
    let mut filter = mongo::idle_since("state.updatedAt", now, idle_time);
    filter.extend(is_non_final());
    payments.page(filter, page).await
}

/// The payments with an open refund, at most `limit`, the latest first: old ones will probably fail again.
pub async fn find_open_refunds(payments: &Store<Payment>, limit: i64) -> Result<Vec<Versioned<Payment>>> {
    payments.find_by_index(OPEN_REFUND_INDEX, has_open_refund(), doc! { "state.refund.since": -1 }, limit).await
}

/// The payment that has not changed for the longest, of those that are not final or have an open refund.
pub async fn oldest_unsettled(payments: &Store<Payment>) -> Result<Option<Versioned<Payment>>> {
    let non_final = payments.find_first(is_non_final(), doc! { "state.updatedAt": 1 }).await?;
    let refunding = payments.find_first(has_open_refund(), doc! { "state.refund.since": 1 }).await?;
    Ok(non_final.into_iter().chain(refunding).min_by_key(|payment| payment.updated_at))
}
