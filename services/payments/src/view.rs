//! A payment as its buyer sees it.

use common::events::payment::{PaymentStatus, Refunded};
use common::id::{OrderId, PaymentId};
use common::money::Money;
use common::timestamp::Timestamp;
use platform::store::Versioned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::payment::Payment;

/// A payment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
pub struct PaymentView {
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

impl From<&Versioned<Payment>> for PaymentView {
    fn from(payment: &Versioned<Payment>) -> Self {
        Self {
            id: payment.id,
            version: payment.version,
            order_id: payment.order_id,
            status: payment.status_name(),
            amount: payment.amount.clone(),
            provider: payment.provider.clone(),
            provider_ref: payment.provider_ref.clone(),
            decline_reason: payment.reason().map(ToOwned::to_owned),
            refunded: payment.refunded.clone(),
            disputed: payment.disputed,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
            client_secret: None,
        }
    }
}
