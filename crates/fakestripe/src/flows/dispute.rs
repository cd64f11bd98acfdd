//! A cardholder disputes a charge at their bank, as a test decides it.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::id::new_id;
use crate::world::{Caller, World};

/// Marks the intent's charge as disputed; only one that was captured can be.
pub(crate) fn dispute(world: &mut World, caller: &Caller, id: &str) -> Result<Value, ApiError> {
    let Some(intent) = world.intents.get(id) else {
        return Err(ApiError::no_such("payment_intent", id, "intent"));
    };
    let charge_id = intent.latest_charge.clone().unwrap_or_default();
    let Some(charge) = world.charges.get_mut(&charge_id).filter(|charge| charge.captured) else {
        return Err(ApiError::invalid("There is no captured charge to dispute."));
    };
    charge.disputed = true;
    let dispute = json!({
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge.amount_captured,
        "charge": charge_id,
        "currency": charge.currency,
        "payment_intent": id,
        "reason": "fraudulent",
        "status": "needs_response",
    });
    world.emit(caller, "charge.dispute.created", dispute.clone());
    Ok(dispute)
}
