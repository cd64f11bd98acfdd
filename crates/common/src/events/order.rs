//! Order events, published by `orders`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes;
use super::ticket::{Refusal, TicketTerms};
use crate::id::{OrderId, PaymentId, ShowId, UserId};
use crate::money::Money;
use crate::seats::Slot;
use crate::string_form::text_enum;
use crate::timestamp::Timestamp;

changes! {
    /// The changes of an order.
    OrderChange(entity "order", source "orders", payload OrderState) {
        Created = "created": "A buyer requested seats of a listing; `tickets` has not confirmed the reservation yet.",
        Confirmed = "confirmed": "The seats are reserved for the order, which may now be paid.",
        Authorized = "authorized": "A payment (`paymentId`) is authorised; the order gets the seats on capture.",
        Completed = "completed": "The authorised payment was captured; the seats are sold to the buyer.",
        Cancelled = "cancelled": "The order ended without a sale; see `cancelReason`.",
    }
}

text_enum! {
    /// The status of an order.
    OrderStatus {
        /// Holds the seats; `tickets` has not confirmed the reservation yet.
        Created,
        /// The seats are reserved; the order may be paid until `expiresAt`.
        AwaitingPayment,
        /// A payment is authorised and will be captured.
        Authorized,
        /// Paid. Final.
        Completed,
        /// Ended without a sale. Final.
        Cancelled,
    }
}

impl OrderStatus {
    /// Whether the order occupies its seats, so that no other order can: in every status except `Cancelled`.
    pub fn occupies_seats(self) -> bool {
        self != Self::Cancelled
    }

    /// Whether the status never changes again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

text_enum! {
    /// Why an order ended without a sale.
    CancelReason {
        /// The buyer cancelled the order.
        Buyer,
        /// The order was not paid in time.
        Expired,
        /// The seats could not be reserved; see `refusal`.
        Refused,
        /// The authorised payment could not be captured; nothing was charged.
        PaymentFailed,
        /// The show was cancelled.
        ShowCancelled,
    }
}

/// The public state of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderState {
    /// The id of the order.
    pub id: OrderId,
    /// The buyer.
    pub buyer_id: UserId,
    /// The status of the order.
    pub status: OrderStatus,
    /// Why the order was cancelled; null unless `status` is `cancelled`.
    pub cancel_reason: Option<CancelReason>,
    /// Why the seats were refused; null unless `cancelReason` is `refused`.
    pub refusal: Option<Refusal>,
    /// The authorised payment; null until `status` is `authorized`.
    pub payment_id: Option<PaymentId>,
    /// The terms of the listing that the buyer agreed to.
    pub ticket: TicketTerms,
    /// The show of the listing when the order was created; it may have been merged into another one since.
    pub show_id: ShowId,
    /// The slots of the listing that the order takes, ascending; never empty.
    pub slots: Vec<Slot>,
    /// The names of these seats that the buyer agreed to, by slot; null for a seat without a name.
    pub seats: Vec<Option<String>>,
    /// The price of a seat that the buyer agreed to.
    pub unit_price: Money,
    /// The price of all seats of the order.
    pub price: Money,
    /// When the hold ends if the order is not paid.
    pub expires_at: Timestamp,
    /// When the order was created.
    pub created_at: Timestamp,
    /// When the order was last changed.
    pub updated_at: Timestamp,
}
