//! An order as its buyer sees it.

use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::{Refusal, TicketTerms};
use common::id::{OrderId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use platform::store::Versioned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::order::Order;

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub(super) struct OrderView {
    id: OrderId,
    /// 0 at creation, one more with each change.
    version: u64,
    status: OrderStatus,
    /// With cancelled alone.
    cancel_reason: Option<CancelReason>,
    /// With `cancelReason` refused alone.
    refusal: Option<Refusal>,
    /// When an unpaid hold ends.
    expires_at: Timestamp,
    /// What the buyer agreed to pay.
    price: Money,
    /// What the buyer agreed to.
    ticket: TicketTerms,
    buyer_id: UserId,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Versioned<Order>> for OrderView {
    fn from(order: Versioned<Order>) -> Self {
        let Versioned { version, state: order } = order;
        Self {
            id: order.id,
            version,
            status: order.status_name(),
            cancel_reason: order.cancel_reason(),
            refusal: order.refusal().cloned(),
            expires_at: order.expires_at,
            price: order.price,
            ticket: order.ticket,
            buyer_id: order.buyer_id,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

impl OrderView {
    pub(super) fn id(&self) -> OrderId {
        self.id
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
