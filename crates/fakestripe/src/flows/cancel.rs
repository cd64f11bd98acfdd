//! `POST /v1/payment_intents/{id}/cancel`.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::{change, find, shown};
use crate::objects::intent::{self, Status};
use crate::params::Params;
use crate::world::{Caller, World};

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];

pub(crate) fn cancel(world: &mut World, caller: &Caller, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.only("cancellation_reason expand")?;
    let reason = params.one_of("cancellation_reason", &REASONS)?;
    let intent = find(world, caller, id, None)?;
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
    let held = intent.status == Status::RequiresCapture;
    let charge_id = intent.latest_charge.clone().filter(|_| held);
    let now = world.now();
    change(world, id, |intent| {
        intent.status = Status::Canceled;
        intent.canceled_at = Some(now);
        intent.cancellation_reason = reason;
        intent.next_action = Value::Null;
    })?;
    if let Some(charge_id) = charge_id {
        if let Some(charge) = world.charges.get_mut(&charge_id) {
            charge.amount_refunded = charge.amount;
        }
        world.emit_charge(caller, "charge.refunded", &charge_id);
    }
    world.emit_intent(caller, "payment_intent.canceled", id);
    shown(world, id)
}
