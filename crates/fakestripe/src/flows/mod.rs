//! The state machine: one file per command, each a function on the store. No HTTP in here.

pub(crate) mod attempt;
pub(crate) mod authenticate;
pub(crate) mod cancel;
pub(crate) mod capture;
pub(crate) mod confirm;
pub(crate) mod create;
pub(crate) mod dispute;
pub(crate) mod payment_method;
pub(crate) mod refund;
pub(crate) mod update;

use crate::error::ApiError;
use crate::objects::intent::Intent;
use crate::store::{Context, Store};

/// The intent with this id. Browsers, which have the publishable key, must send its client secret.
pub(crate) fn find<'a>(
    store: &'a Store,
    context: &Context,
    id: &str,
    secret: Option<&str>,
) -> Result<&'a Intent, ApiError> {
    let intent = store.intent(id)?;
    match secret {
        None if context.is_publishable => Err(ApiError::missing("client_secret")),
        Some(secret) if secret != intent.client_secret => {
            let message = "The client_secret provided does not match the client_secret \
                           associated with this PaymentIntent.";
            Err(ApiError::parameter("client_secret", message).code("payment_intent_invalid_parameter"))
        }
        _ => Ok(intent),
    }
}
