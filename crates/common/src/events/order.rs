//! Events of orders, published by orders.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ticket::{Refusal, TicketTerms};
use super::{changes, text_enum};
use crate::id::{OrderId, PaymentId, UserId};
use crate::money::Money;
use crate::timestamp::Timestamp;

changes! {
    /// What can happen to an order.
    OrderChange of "order" by "orders" with OrderState {
        Created = "created": "A buyer holds a ticket; tickets has yet to confirm.",
        Confirmed = "confirmed": "The ticket is reserved for it; it may be paid.",
        Authorized = "authorized": "A payment is authorised and the order is won; `paymentId` names that payment.",
        Completed = "completed": "The winning payment was captured; the buyer has the ticket.",
        Cancelled = "cancelled": "It ended without a sale; `cancelReason` says why.",
    }
}

text_enum! {
    /// Where an order stands.
    OrderStatus {
        /// Holds the ticket; not yet confirmed by tickets.
        Created,
        /// Confirmed; may be paid until `expiresAt`.
        AwaitingPayment,
        /// Won: its payment is authorised and will be captured.
        Authorized,
        /// Paid; final.
        Completed,
        /// Ended without a sale; final.
        Cancelled,
    }
}

impl OrderStatus {
    /// Whether the order holds its ticket.
    pub fn is_open(self) -> bool {
        self != Self::Cancelled
    }

    /// Whether it changes no more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

text_enum! {
    /// Why an order ended without a sale.
    CancelReason {
        /// The buyer gave it up.
        Buyer,
        /// It was not paid in time.
        Expired,
        /// The listing could not be had; see `refusal`.
        Refused,
        /// The winning payment could not be captured; nothing was charged.
        PaymentFailed,
    }
}

/// An order as the other services know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderState {
    /// The order.
    pub id: OrderId,
    /// Who buys.
    pub buyer_id: UserId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it ended without a sale; with cancelled alone.
    pub cancel_reason: Option<CancelReason>,
    /// Why the listing could not be had; with `cancelReason` refused alone.
    pub refusal: Option<Refusal>,
    /// The payment that won; from authorized on.
    pub payment_id: Option<PaymentId>,
    /// What the buyer agreed to.
    pub ticket: TicketTerms,
    /// What the buyer agreed to pay.
    pub price: Money,
    /// When an unpaid hold ends.
    pub expires_at: Timestamp,
    /// When the hold began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
