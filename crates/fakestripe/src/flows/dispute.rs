//! A cardholder's dispute of a charge, opened through the control API.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::id::new_id;
use crate::store::{Context, Store};

/// Marks the intent's charge as disputed; it must be captured.
pub(crate) fn dispute(store: &mut Store, context: &Context, id: &str) -> Result<Value, ApiError> {
    let charge_id = store.intent(id)?.latest_charge.clone().unwrap_or_default();
    let Some(charge) = store.charges.get_mut(&charge_id).filter(|charge| charge.captured) else {
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
    store.emit(context, "charge.dispute.created", dispute.clone());
    Ok(dispute)
}
