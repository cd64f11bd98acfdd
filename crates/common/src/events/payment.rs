//! Events of payments, published by payments. Never a card datum or a client secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{changes, text_enum};
use crate::id::{OrderId, PaymentId, UserId};
use crate::money::Money;
use crate::timestamp::Timestamp;

changes! {
    /// What can happen to a payment.
    PaymentChange of "payment" by "payments" with PaymentState {
        Started = "started": "The buyer gave a payment method; the provider has yet to answer.",
        AuthorizationDelayed = "authorizationDelayed": "What came of the request to the provider is not known; the same request is repeated.",
        ActionRequired = "actionRequired": "The buyer must pass 3-D Secure.",
        Authorized = "authorized": "The amount is set aside on the card; nothing is charged yet.",
        CaptureDelayed = "captureDelayed": "A capture failed for the first time; it is tried again.",
        Captured = "captured": "The card was charged.",
        Declined = "declined": "The card was declined or given up for another; nothing is charged.",
        Failed = "failed": "The capture failed for good and the authorisation was cancelled; nothing is charged.",
        Voided = "voided": "The authorisation was given back; nothing is charged.",
        RefundStarted = "refundStarted": "The card was charged for an order that is closed; the provider is asked to give it back.",
        Refunded = "refunded": "Some or all of the charge was given back, by us or in the provider's dashboard; `refunded` says how much.",
        Disputed = "disputed": "The cardholder disputes the charge at their bank.",
    }
}

text_enum! {
    /// Where a payment stands.
    PaymentStatus {
        /// Submitted to the provider, whose answer is not known.
        Authorizing,
        /// The buyer must pass 3-D Secure.
        RequiresAction,
        /// The amount is set aside.
        Authorized,
        /// Charged; final.
        Captured,
        /// Not charged; another card may be tried; final.
        Declined,
        /// The capture failed and nothing is charged; final.
        Failed,
        /// The authorisation was given back; final.
        Voided,
    }
}

impl PaymentStatus {
    /// All statuses but declined.
    pub const NOT_DECLINED: [Self; 6] =
        [Self::Authorizing, Self::RequiresAction, Self::Authorized, Self::Captured, Self::Failed, Self::Voided];

    /// Whether it changes no more.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Authorizing | Self::RequiresAction | Self::Authorized)
    }
}

/// What was given back of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Refunded {
    /// How much in all, in the payment's currency.
    pub amount: Money,
    /// When we learned of the last of it.
    pub at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_undisputed(disputed: &bool) -> bool {
    !disputed
}

/// A payment as the other services know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentState {
    /// The payment.
    pub id: PaymentId,
    /// What it pays for.
    pub order_id: OrderId,
    /// Who pays.
    pub buyer_id: UserId,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much, in the order's currency.
    pub amount: Money,
    /// The payment provider: `stripe`.
    pub provider: String,
    /// The provider's id of it, once known.
    pub provider_ref: Option<String>,
    /// The provider's code, or `superseded`; with declined and failed.
    pub decline_reason: Option<String>,
    /// When the amount was set aside on the card; absent when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_at: Option<Timestamp>,
    /// What of the charge was given back; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Refunded>,
    /// Whether the cardholder disputes the charge at their bank.
    #[serde(default, skip_serializing_if = "is_undisputed")]
    pub disputed: bool,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl PaymentState {
    /// The decline reason of a payment that its buyer left at the 3-D Secure step for another card.
    pub const SUPERSEDED: &'static str = "superseded";
}
