//! Orders.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::endpoints;
use super::page::{Page, PageQuery};
use crate::events::order::{CancelReason, OrderState, OrderStatus};
use crate::events::ticket::{Refusal, TicketTerms};
use crate::id::{OrderId, TicketId, UserId};
use crate::money::Money;
use crate::timestamp::Timestamp;

endpoints! { Orders;
    /// Hold a ticket.
    CreateOrder { body: NewOrder } = POST "/api/orders" -> Order,
        403 "own-ticket", 404 "not-found", 409 "ticket-withdrawn", 409 "ticket-begun", 409 "ticket-taken",
        409 "ticket-held", 409 "too-many-holds";
    /// List your orders.
    ListOrders { query: PageQuery } = GET "/api/orders" -> Page<Order>;
    /// Read one of your orders.
    ReadOrder { id: OrderId } = GET "/api/orders/{id}" -> Order;
    /// Cancel one of your orders.
    CancelOrder { id: OrderId } = DELETE "/api/orders/{id}" -> Order,
        409 "order-authorized", 409 "order-completed", 409 "order-closed";
    /// The pass of one of your completed orders.
    ReadPass { id: OrderId } = GET "/api/orders/{id}/pass" -> Pass, 409 "order-not-completed";
}

/// What is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrder {
    /// The ticket, at the price and terms that its listing has now.
    pub ticket_id: TicketId,
}

/// An order, as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// 0 at creation, one more with each change.
    pub version: u64,
    /// Where it stands.
    pub status: OrderStatus,
    /// With cancelled alone.
    pub cancel_reason: Option<CancelReason>,
    /// With `cancelReason` refused alone.
    pub refusal: Option<Refusal>,
    /// When an unpaid hold ends.
    pub expires_at: Timestamp,
    /// What the buyer agreed to pay.
    pub price: Money,
    /// What the buyer agreed to.
    pub ticket: TicketTerms,
    /// Who buys.
    pub buyer_id: UserId,
    /// When the hold began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl From<Order> for OrderState {
    /// With the fields that the buyer sees: the payment is left empty.
    fn from(order: Order) -> Self {
        Self {
            id: order.id,
            buyer_id: order.buyer_id,
            status: order.status,
            cancel_reason: order.cancel_reason,
            refusal: order.refusal,
            payment_id: None,
            ticket: order.ticket,
            price: order.price,
            expires_at: order.expires_at,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// What is shown at the entrance.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Pass {
    /// A compact JWS (`EdDSA`, `typ` ticket-pass+jwt) for a QR code, verified by the keys at
    /// `/api/orders/jwks.json`: `iss` the marketplace, `aud` admission, `sub` the order, `iat` when it
    /// was completed, `tid` the ticket, `title`, `venue`, `start`, and `sec`, `row`, `seat` where there
    /// are such. Times are seconds since the Unix epoch; long texts are cut.
    pub pass: String,
}
