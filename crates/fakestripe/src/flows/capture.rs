//! `POST /v1/payment_intents/{id}/capture`.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::find;
use crate::objects::intent::{self, Status};
use crate::params::Params;
use crate::store::{Context, Store};

const PARAMS: &str = "\
    amount_details amount_to_capture application_fee_amount expand final_capture hooks metadata \
    payment_details statement_descriptor statement_descriptor_suffix transfer_data transfer_group";

pub(crate) fn capture(store: &mut Store, context: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown(PARAMS)?;
    let requested = params.positive("amount_to_capture", "This value must be greater than or equal to 1.")?;
    let intent = find(store, context, id, None)?;
    if intent.status == Status::Succeeded {
        let message = "This PaymentIntent could not be captured because it has already been captured.";
        return Err(ApiError::unexpected_state(message, intent::render(intent)));
    }
    if intent.status != Status::RequiresCapture {
        let message = format!(
            "This PaymentIntent could not be captured because it has a status of {}. Only a \
             PaymentIntent with one of the following statuses may be captured: requires_capture.",
            intent.status.name()
        );
        return Err(ApiError::unexpected_state(message, intent::render(intent)));
    }
    let amount = requested.unwrap_or(intent.amount);
    if amount > intent.amount {
        let message = "The amount_to_capture must be less than or equal to the amount that can \
                       be captured.";
        return Err(ApiError::invalid(message)
            .code("amount_too_large")
            .param("amount_to_capture")
            .with("payment_intent", intent::render(intent)));
    }
    let mut metadata = intent.metadata.clone();
    params.metadata(&mut metadata)?;
    let charge_id = intent.latest_charge.clone().unwrap_or_default();
    if let Some(charge) = store.charges.get_mut(&charge_id) {
        charge.captured = true;
        charge.amount_captured = amount;
        // The uncaptured remainder is released and reported as refunded.
        charge.amount_refunded = charge.amount - amount;
    }
    let intent = store.intent_mut(id)?;
    intent.status = Status::Succeeded;
    intent.amount_received = amount;
    intent.metadata = metadata;
    store.emit_charge(context, "charge.captured", &charge_id);
    store.emit_intent(context, "payment_intent.succeeded", id);
    store.intent(id).map(intent::render)
}
