//! Orders.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::endpoints;
use super::page::{Page, PageQuery};
use crate::events::order::{CancelReason, OrderState, OrderStatus};
use crate::events::payment::Refunded;
use crate::events::show::ShowStatus;
use crate::events::ticket::{Refusal, TicketTerms};
use crate::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use crate::money::Money;
use crate::timestamp::Timestamp;

endpoints! { Orders;
    /// Create an order, which holds a ticket until it is paid or expires.
    CreateOrder { body: NewOrder } = POST "/api/orders" -> Order,
        403 "own-ticket", 404 "not-found", 409 "ticket-withdrawn", 409 "ticket-begun", 409 "show-cancelled",
        409 "ticket-taken", 409 "ticket-held", 409 "too-many-holds";
    /// List your orders.
    ListOrders { query: PageQuery } = GET "/api/orders" -> Page<Order>;
    /// Read one of your orders.
    ReadOrder { id: OrderId } = GET "/api/orders/{id}" -> Order;
    /// Cancel one of your orders.
    CancelOrder { id: OrderId } = DELETE "/api/orders/{id}" -> Order,
        409 "order-authorized", 409 "order-completed", 409 "order-closed";
    /// Read the admission pass of one of your completed orders.
    ReadPass { id: OrderId } = GET "/api/orders/{id}/pass" -> Pass, 409 "order-not-completed";
    /// List the completed orders of cancelled shows whose charge was not refunded yet, as a member of the staff.
    ListOrdersToRefund { query: PageQuery } = GET "/api/orders/to-refund" -> Page<OrderToRefund>,
        403 "role-required";
}

/// An order to create.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrder {
    /// The ticket, at the current price and terms of its listing.
    pub ticket_id: TicketId,
}

/// An order as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The id of the order.
    pub id: OrderId,
    /// 0 at creation; incremented by each change.
    pub version: u64,
    /// The status of the order.
    pub status: OrderStatus,
    /// Why the order was cancelled; null unless `status` is `cancelled`.
    pub cancel_reason: Option<CancelReason>,
    /// Why the ticket was refused; null unless `cancelReason` is `refused`.
    pub refusal: Option<Refusal>,
    /// When the hold ends if the order is not paid.
    pub expires_at: Timestamp,
    /// The price that the buyer agreed to.
    pub price: Money,
    /// The terms of the listing that the buyer agreed to.
    pub ticket: TicketTerms,
    /// The show of the listing when the order was created; it may have been merged into another one since.
    pub show_id: ShowId,
    /// The present status of the show. Absent in the responses to commands, and while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_status: Option<ShowStatus>,
    /// When the show starts at present; absent unless that differs from the terms of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_starts_at: Option<Timestamp>,
    /// The buyer.
    pub buyer_id: UserId,
    /// When the order was created.
    pub created_at: Timestamp,
    /// When the order was last changed.
    pub updated_at: Timestamp,
}

impl From<Order> for OrderState {
    /// The state to show right after a command, until its event arrives. The payment is not part of the order in the
    /// public API, so it is left empty.
    fn from(order: Order) -> Self {
        Self {
            id: order.id,
            buyer_id: order.buyer_id,
            status: order.status,
            cancel_reason: order.cancel_reason,
            refusal: order.refusal,
            payment_id: None,
            ticket: order.ticket,
            show_id: order.show_id,
            price: order.price,
            expires_at: order.expires_at,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// The admission pass of a completed order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// A compact JWS (`EdDSA`, `typ` ticket-pass+jwt) for a QR code, verified by the keys at `/api/orders/jwks.json`:
    /// `iss` the marketplace, `aud` admission, `sub` the order, `iat` the time of completion, `tid` the ticket,
    /// `title`, `venue`, `start`, and, if present, `sec`, `row` and `seat`. Times are seconds since the Unix epoch;
    /// long texts are truncated.
    pub pass: String,
    /// The present status of the show; absent while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_status: Option<ShowStatus>,
    /// When the show starts at present; absent unless that differs from the start in the pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_starts_at: Option<Timestamp>,
}

/// A completed order of a cancelled show. Its charge is to be refunded at the payment provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderToRefund {
    /// The order.
    pub order: Order,
    /// Why the show was cancelled.
    pub show_cancel_reason: Option<String>,
    /// The payment.
    pub payment_id: PaymentId,
    /// The payment provider's id of the payment; null while it is unknown.
    pub provider_ref: Option<String>,
    /// The amount that was charged.
    pub charged: Money,
    /// The part of the charge that was refunded; null if none was.
    pub refunded: Option<Refunded>,
    /// Whether the cardholder has disputed the charge at their bank, which may have taken it back: check the dispute
    /// before you refund.
    pub disputed: bool,
}
