//! Payment events, published by `payments`. They contain neither card data nor client secrets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::changes;
use crate::id::{OrderId, PaymentId, UserId};
use crate::money::Money;
use crate::string_form::text_enum;
use crate::timestamp::Timestamp;

changes! {
    /// The changes of a payment.
    PaymentChange(entity "payment", source "payments", payload PaymentState) {
        Started = "started": "The buyer submitted a payment method; the provider has not responded yet.",
        AuthorizationDelayed = "authorizationDelayed": "The outcome of the authorisation request is unknown; the same request is retried.",
        ActionRequired = "actionRequired": "The buyer must complete 3-D Secure.",
        Authorized = "authorized": "The amount is authorised on the card; nothing is charged yet.",
        CaptureDelayed = "captureDelayed": "The first attempt to capture the payment failed; it is retried.",
        Captured = "captured": "The card was charged.",
        Declined = "declined": "The card was declined, or the buyer switched to another card; nothing is charged.",
        Failed = "failed": "The capture failed permanently and the authorisation was cancelled; nothing is charged.",
        Voided = "voided": "The authorisation was cancelled; nothing is charged.",
        RefundStarted = "refundStarted": "The card was charged for an order that is closed; a refund is requested from the provider.",
        Overpaid = "overpaid": "The payment provider received more than the amount of the order; see `received`.",
        Refunded = "refunded": "Some or all of the charge was refunded, by us or in the provider's dashboard; see `refunded`.",
        Disputed = "disputed": "The cardholder disputed the charge at their bank.",
    }
}

text_enum! {
    /// The status of a payment.
    PaymentStatus {
        /// Submitted to the provider; the outcome is unknown.
        Authorizing,
        /// The buyer must complete 3-D Secure.
        RequiresAction,
        /// The amount is authorised on the card; nothing is charged yet.
        Authorized,
        /// Charged. Final; refunds and disputes do not change the status.
        Captured,
        /// Declined; nothing is charged and the buyer may try another card. Final.
        Declined,
        /// The capture failed permanently; nothing is charged. Final.
        Failed,
        /// The authorisation was cancelled; nothing is charged. Final.
        Voided,
    }
}

impl PaymentStatus {
    /// All statuses except `Declined`, listed because the filter of a partial index can't negate.
    pub const NOT_DECLINED: [Self; 6] =
        [Self::Authorizing, Self::RequiresAction, Self::Authorized, Self::Captured, Self::Failed, Self::Voided];

    /// Whether the status never changes again.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Authorizing | Self::RequiresAction | Self::Authorized)
    }
}

/// The refunded part of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Refunded {
    /// The total refunded amount, in the payment's currency.
    pub amount: Money,
    /// When the last refund was recorded.
    pub at: Timestamp,
}

/// The public state of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentState {
    /// The id of the payment.
    pub id: PaymentId,
    /// The order that it pays for.
    pub order_id: OrderId,
    /// The buyer.
    pub buyer_id: UserId,
    /// The status of the payment.
    pub status: PaymentStatus,
    /// The amount in the currency of the order.
    pub amount: Money,
    /// The payment provider: `stripe`.
    pub provider: String,
    /// The provider's id of the payment; null until it is known.
    pub provider_ref: Option<String>,
    /// The provider's decline code, or `superseded`; null unless `status` is `declined` or `failed`.
    pub decline_reason: Option<String>,
    /// When the payment was authorised; absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_at: Option<Timestamp>,
    /// The amount that the payment provider received, if it is more than `amount`; otherwise absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Money>,
    /// The refunded part of the charge; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Refunded>,
    /// Whether the cardholder has disputed the charge at their bank.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
    /// When the payment was created.
    pub created_at: Timestamp,
    /// When the payment was last changed.
    pub updated_at: Timestamp,
}

impl PaymentState {
    /// Whether the whole charge was refunded.
    pub fn is_refunded(&self) -> bool {
        let received = self.received.as_ref().unwrap_or(&self.amount);
        self.refunded.as_ref().is_some_and(|refunded| refunded.amount.amount >= received.amount)
    }

    /// The decline reason of a payment whose buyer switched to another card at the 3-D Secure step.
    pub const SUPERSEDED: &'static str = "superseded";
}
