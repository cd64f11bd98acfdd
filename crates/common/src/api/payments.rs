//! Payments.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::endpoints;
use crate::events::payment::{PaymentStatus, Refunded};
use crate::id::{OrderId, PaymentId};
use crate::money::Money;
use crate::text::{self, Text};
use crate::timestamp::Timestamp;

endpoints! { Payments;
    /// Pay for an order.
    CreatePayment { body: NewPayment } = POST "/api/payments" -> Payment,
        402 "card-declined", 404 "not-found", 409 "order-paid", 409 "order-closed", 409 "order-being-paid",
        410 "hold-expired", 503 "order-not-confirmed", 503 "payment-pending";
    /// Read one of your payments.
    ReadPayment { id: PaymentId } = GET "/api/payments/{id}" -> Payment;
    /// Ask the provider how a payment stands.
    RefreshPayment { id: PaymentId } = POST "/api/payments/{id}/refresh" -> Payment;
}

/// What is to be paid, and with what.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPayment {
    /// The order.
    pub order_id: OrderId,
    /// The provider's id of a payment method; never a card's number.
    #[validate(length(min = 1, max = 255), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "pm_card_visa")]
    pub payment_method: Text,
}

/// A payment, as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// 0 at creation, one more with each change.
    pub version: u64,
    /// What it pays for.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much.
    pub amount: Money,
    /// The payment provider.
    pub provider: String,
    /// The provider's id of it, once known.
    pub provider_ref: Option<String>,
    /// The provider's code, or `superseded`.
    pub decline_reason: Option<String>,
    /// What was given back of what was charged; null when nothing was.
    pub refunded: Option<Refunded>,
    /// Whether the cardholder disputes the charge at their bank.
    pub disputed: bool,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// For the browser's 3-D Secure step; in the 202 answer alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}
