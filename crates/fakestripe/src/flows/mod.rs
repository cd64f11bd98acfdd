//! The state machine: one file per command, each a function over the world. No HTTP in here.

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

use serde_json::Value;

use crate::error::ApiError;
use crate::objects::intent::{self, Intent};
use crate::world::{Caller, World};

/// The intent of that id, with the client secret checked for callers from a page.
pub(crate) fn find<'a>(
    world: &'a World,
    caller: &Caller,
    id: &str,
    secret: Option<&str>,
) -> Result<&'a Intent, ApiError> {
    let intent = world.intents.get(id).ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))?;
    match secret {
        None if caller.publishable => Err(ApiError::missing("client_secret")),
        Some(secret) if secret != intent.client_secret => {
            let message = "The client_secret provided does not match the client_secret \
                           associated with this PaymentIntent.";
            Err(ApiError::parameter("client_secret", message).code("payment_intent_invalid_parameter"))
        }
        _ => Ok(intent),
    }
}

/// The answer about an intent that is known to exist.
pub(crate) fn shown(world: &World, id: &str) -> Result<Value, ApiError> {
    world.intents.get(id).map(intent::render).ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))
}

/// Changes a stored intent.
pub(crate) fn change(world: &mut World, id: &str, edit: impl FnOnce(&mut Intent)) -> Result<(), ApiError> {
    let intent = world.intents.get_mut(id).ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))?;
    edit(intent);
    Ok(())
}
