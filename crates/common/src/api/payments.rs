//! The API of payments: endpoints, requests and responses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::endpoints;
use crate::events::payment::{PaymentStatus, Refunded};
use crate::id::{OrderId, PaymentId};
use crate::money::Money;
use crate::text::Text;
use crate::timestamp::Timestamp;
use crate::validate::invalid;

endpoints! { Payments;
    /// Pay for an order.
    CreatePayment { body: NewPayment } = POST "/api/payments" -> Payment,
        402 "card-declined", 404 "not-found", 409 "order-paid", 409 "order-closed", 409 "order-being-paid",
        410 "hold-expired", 503 "order-not-confirmed", 503 "payment-pending";
    /// Read one of your payments.
    ReadPayment { id: PaymentId } = GET "/api/payments/{id}" -> Payment;
    /// Refresh a payment's status from the payment provider.
    RefreshPayment { id: PaymentId } = POST "/api/payments/{id}/refresh" -> Payment;
}

/// A payment to create.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPayment {
    /// The order to pay for.
    pub order_id: OrderId,
    /// The payment provider's id of a payment method; never a card number.
    #[validate(length(min = 1, max = 255), custom(function = "is_payment_method_id"))]
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = "^pm_[A-Za-z0-9_]+$", example = "pm_card_visa")]
    pub payment_method: Text,
}

/// Validates the syntax of a payment method's id: `pm_`, then letters, digits and underscores. Any other text may be a
/// card number, so it is neither stored nor sent to the provider. Whether the id exists is not checked here, because
/// only the provider knows.
fn is_payment_method_id(id: &Text) -> Result<(), ValidationError> {
    let rest = id.strip_prefix("pm_").unwrap_or_default();
    let fits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits {
        Ok(())
    } else {
        Err(invalid("payment_method", "must be the id of a payment method, such as pm_card_visa"))
    }
}

/// A payment as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The id of the payment.
    pub id: PaymentId,
    /// 0 at creation; incremented by each change.
    pub version: u64,
    /// The order that it pays for.
    pub order_id: OrderId,
    /// The status of the payment.
    pub status: PaymentStatus,
    /// The amount in the currency of the order.
    pub amount: Money,
    /// The payment provider: `stripe`.
    pub provider: String,
    /// The provider's id of the payment; null until it is known.
    pub provider_ref: Option<String>,
    /// The provider's decline code, or `superseded` if the buyer switched to another card at the 3-D Secure step.
    pub decline_reason: Option<String>,
    /// The refunded part of the charge; null if there is none.
    pub refunded: Option<Refunded>,
    /// Whether the cardholder has disputed the charge at their bank.
    pub disputed: bool,
    /// When the payment was created.
    pub created_at: Timestamp,
    /// When the payment was last changed.
    pub updated_at: Timestamp,
    /// The client secret for the 3-D Secure step in the browser; only in responses with status 202.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payment_method_must_have_the_syntax_of_ids() {
        let is_valid =
            |text: &str| NewPayment { order_id: OrderId::new(), payment_method: Text::new(text) }.validate().is_ok();
        for id in ["pm_card_visa", "pm_1MqLiJLkdIwHu7ixUEgbFdYF", " pm_a "] {
            assert!(is_valid(id), "{id}");
        }
        for text in
            ["", "pm_", "visa", "4242424242424242", "tok_visa", "pm_card visa", "pm_\u{e9}", "PM_card", "pm_a\nb"]
        {
            assert!(!is_valid(text), "{text:?}");
        }
    }
}
