//! The end of the 3-D Secure challenge, as the buyer or a test decides it.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::attempt::{self, Terms};
use crate::flows::{change, shown};
use crate::objects::intent::{self, Status};
use crate::objects::payment_method;
use crate::world::{Caller, World};

const FAILED: &str = "The provided PaymentMethod has failed authentication. You can provide \
    payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.";

/// Passes or fails the challenge; only an intent in `requires_action` has one.
pub(crate) fn authenticate(world: &mut World, caller: &Caller, id: &str, passed: bool) -> Result<Value, ApiError> {
    let Some(intent) = world.intents.get(id) else {
        return Err(ApiError::no_such("payment_intent", id, "intent"));
    };
    if intent.status != Status::RequiresAction {
        let status = intent.status.name();
        let message = format!("There is no challenge: the status is {status}.");
        return Err(ApiError::unexpected_state(message, intent::render(intent)));
    }
    if !passed {
        let method = intent.payment_method.as_deref();
        let method = method.and_then(|id| world.methods.get(id));
        let error = ApiError::invalid(FAILED)
            .code("payment_intent_authentication_failure")
            .with("payment_method", method.map(payment_method::render).into());
        change(world, id, |intent| attempt::fail(intent, error.detail()))?;
        world.emit_intent(caller, "payment_intent.payment_failed", id);
        return shown(world, id);
    }
    let manual = intent.confirmation_method == "manual";
    change(world, id, |intent| {
        intent.authenticated = true;
        if manual {
            intent.status = Status::RequiresConfirmation;
            intent.next_action = Value::Null;
        }
    })?;
    if !manual {
        // A refusal after the challenge is told by the intent itself.
        let _ = attempt::attempt(world, caller, id, Terms::default());
    }
    shown(world, id)
}
