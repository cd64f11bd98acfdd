//! The API's representation of a payment.

use common::aggregate::Versioned;
use common::api;

use crate::domain::payment::Payment;

/// The payment as the first response to the request that started it showed it, without later changes; `None` if there
/// was no such response.
pub fn first_response(payment: &Versioned<Payment>) -> Option<api::payments::Payment> {
    let response = payment.first_response.as_ref()?;
    Some(api::payments::Payment {
        version: response.version,
        status: response.status,
        decline_reason: None,
        refunded: None,
        disputed: false,
        updated_at: response.at,
        ..self::payment(payment)
    })
}

/// The payment without `client_secret`, which is never stored.
pub fn payment(payment: &Versioned<Payment>) -> api::payments::Payment {
    api::payments::Payment {
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
