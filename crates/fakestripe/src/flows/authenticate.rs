//! Completes a 3-D Secure challenge, from the challenge page or the control API.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::attempt::{ConfirmOptions, attempt};
use crate::objects::intent::{self, Status};
use crate::objects::payment_method;
use crate::store::{Context, Store};

const FAILED: &str = "The provided PaymentMethod has failed authentication. You can provide \
    payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.";

/// Passes or fails the challenge; only an intent in `requires_action` has one.
pub(crate) fn authenticate(store: &mut Store, context: &Context, id: &str, passed: bool) -> Result<Value, ApiError> {
    let intent = store.intent(id)?;
    if intent.status != Status::RequiresAction {
        let status = intent.status.name();
        let message = format!("There is no challenge: the status is {status}.");
        return Err(ApiError::unexpected_state(message, intent::render(intent)));
    }
    if passed {
        let is_manual = intent.confirmation_method == "manual";
        let intent = store.intent_mut(id)?;
        intent.authenticated = true;
        if is_manual {
            intent.status = Status::RequiresConfirmation;
            intent.next_action = Value::Null;
        } else {
            // A decline after authentication is reported in the intent's `last_payment_error`, not as an API error.
            let _ = attempt(store, context, id, ConfirmOptions::default());
        }
    } else {
        let method = intent.payment_method.as_deref();
        let method = method.and_then(|id| store.methods.get(id));
        let error = ApiError::invalid(FAILED)
            .code("payment_intent_authentication_failure")
            .with("payment_method", method.map(payment_method::render).into());
        store.intent_mut(id)?.require_payment_method(error.detail());
        store.emit_intent(context, "payment_intent.payment_failed", id);
    }
    store.intent(id).map(intent::render)
}
