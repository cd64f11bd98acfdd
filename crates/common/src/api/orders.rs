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
use crate::seats::Slot;
use crate::timestamp::Timestamp;

endpoints! { Orders;
    /// Create an order, which holds seats of a listing until it is paid or expires.
    CreateOrder { body: NewOrder } = POST "/api/orders" -> Order,
        403 "own-ticket", 404 "not-found", 409 "ticket-withdrawn", 409 "ticket-begun", 409 "show-cancelled",
        409 "ticket-taken", 409 "held-already", 409 "no-seats", 409 "seats-taken", 409 "too-many-holds";
    /// List your orders.
    ListOrders { query: PageQuery } = GET "/api/orders" -> Page<Order>;
    /// Read one of your orders.
    ReadOrder { id: OrderId } = GET "/api/orders/{id}" -> Order;
    /// Cancel one of your orders.
    CancelOrder { id: OrderId } = DELETE "/api/orders/{id}" -> Order,
        409 "order-authorized", 409 "order-completed", 409 "order-closed";
    /// Read the admission pass of one of your completed orders of one seat.
    ReadPass { id: OrderId } = GET "/api/orders/{id}/pass" -> Pass,
        409 "order-not-completed", 409 "several-passes";
    /// Read the admission passes of one of your completed orders, one for each seat.
    ListPasses { id: OrderId } = GET "/api/orders/{id}/passes" -> Passes, 409 "order-not-completed";
    /// List the completed orders of cancelled shows whose charge was not refunded yet, as a member of the staff.
    ListOrdersToRefund { query: PageQuery } = GET "/api/orders/to-refund" -> Page<OrderToRefund>,
        403 "role-required";
}

/// An order to create.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrder {
    /// The listing, at its current price and terms.
    pub ticket_id: TicketId,
    /// The number of seats; by default all of a listing of one block, else the smallest number that can be ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 8))]
    #[schema(minimum = 1, maximum = 8, example = 2)]
    pub quantity: Option<u8>,
}

/// The terms of the listing that a buyer agreed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderedTicket {
    /// The terms.
    #[serde(flatten)]
    pub terms: TicketTerms,
    /// The name of the seat, if the order is of one seat and it has a name.
    pub seat: Option<String>,
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
    /// Why the seats were refused; null unless `cancelReason` is `refused`.
    pub refusal: Option<Refusal>,
    /// When the hold ends if the order is not paid.
    pub expires_at: Timestamp,
    /// The price of all seats of the order.
    pub price: Money,
    /// The price of a seat.
    pub unit_price: Money,
    /// The number of seats.
    #[schema(minimum = 1, maximum = 8)]
    pub quantity: u8,
    /// The names of the seats, in the order of the listing; null for a seat without a name.
    pub seats: Vec<Option<String>>,
    /// The places of the seats in the listing, counted from 0.
    pub slots: Vec<Slot>,
    /// The terms of the listing that the buyer agreed to.
    pub ticket: OrderedTicket,
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
            ticket: order.ticket.terms,
            show_id: order.show_id,
            slots: order.slots,
            seats: order.seats,
            unit_price: order.unit_price,
            price: order.price,
            expires_at: order.expires_at,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// The admission pass for one seat of a completed order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// A compact JWS (`EdDSA`) for a QR code, verified by the keys at `/api/orders/jwks.json`. docs/passes.md has its
    /// content; order and slot identify it.
    pub pass: String,
    /// The place of the seat in its listing, counted from 0.
    pub slot: Slot,
    /// The name of the seat; null if it has none.
    pub seat: Option<String>,
    /// The present status of the show; absent while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_status: Option<ShowStatus>,
    /// When the show starts at present; absent unless that differs from the start in the pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_starts_at: Option<Timestamp>,
}

/// The admission passes of a completed order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passes {
    /// One pass for each seat, by slot.
    pub items: Vec<Pass>,
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
