//! `POST /v1/payment_intents/{id}/cancel`.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::find;
use crate::objects::intent::{self, Status};
use crate::params::Params;
use crate::store::{Context, Store};

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];

pub(crate) fn cancel(store: &mut Store, context: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown("cancellation_reason expand")?;
    let reason = params.one_of("cancellation_reason", &REASONS)?;
    let intent = find(store, context, id, None)?;
    if matches!(intent.status, Status::Succeeded | Status::Canceled) {
        let message = format!(
            "You cannot cancel this PaymentIntent because it has a status of {}. Only a \
             PaymentIntent with one of the following statuses may be canceled: \
             requires_payment_method, requires_capture, requires_confirmation, requires_action, \
             processing.",
            intent.status.name()
        );
        return Err(ApiError::unexpected_state(message, intent::render(intent)));
    }
    let is_authorized = intent.status == Status::RequiresCapture;
    let charge_id = intent.latest_charge.clone().filter(|_| is_authorized);
    let now = store.now();
    let intent = store.intent_mut(id)?;
    intent.status = Status::Canceled;
    intent.canceled_at = Some(now);
    intent.cancellation_reason = reason;
    intent.next_action = Value::Null;
    // As at Stripe, a voided authorization is a refunded charge.
    if let Some(charge_id) = charge_id {
        if let Some(charge) = store.charges.get_mut(&charge_id) {
            charge.amount_refunded = charge.amount;
        }
        store.emit_charge(context, "charge.refunded", &charge_id);
    }
    store.emit_intent(context, "payment_intent.canceled", id);
    store.intent(id).map(intent::render)
}
