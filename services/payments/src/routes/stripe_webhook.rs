//! POST /api/payments/webhooks/stripe: synchronises the payment that an event is about, unless the payment already shows
//! what the event reports. Of the event, only the type and the intent's id are used. The intent's state is read from
//! Stripe, because events may be late, repeated or out of order.

use axum::extract::State;
use common::error::Error;
use http::{HeaderMap, StatusCode};

use crate::flows::sync_payment::sync_payment;
use crate::providers::webhook::{self, IntentEvent};
use crate::state::AppState;
use crate::store;

/// Receive an event from Stripe.
#[utoipa::path(post, path = super::WEBHOOK, tag = "payments",
    request_body(content = String, content_type = "application/json"),
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature over the raw body.")),
    responses((status = 204)))]
pub(super) async fn stripe_webhook(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: String,
) -> Result<StatusCode, Error> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    webhook::verify(signature, body.as_bytes(), &state.config.stripe_webhook_secrets, state.clock.now())
        .map_err(|bad| Error::field("Stripe-Signature", bad.to_string()))?;
    // An event can arrive before the intent's id is stored. Then the request in progress or the reconciler reads the
    // intent.
    if let Some(event) = IntentEvent::parse(body.as_bytes())
        && let Some(payment) = store::by_reference(&state.payments, &event.reference).await?
        && !event.is_known_at(payment.status_name())
    {
        sync_payment(&state, &payment).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
