//! POST /v1/refunds and /v1/refunds/{id}.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::ApiError;
use crate::id::new_id;
use crate::objects::charge::Charge;
use crate::objects::refund::{self, Refund};
use crate::params::Params;
use crate::world::{Caller, World, money};

const PARAMS: &str = "\
    amount charge currency customer expand instructions_email metadata origin payment_intent reason \
    refund_application_fee reverse_transfer";

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

pub(crate) fn create(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, ApiError> {
    params.only(PARAMS)?;
    let reason = params.one_of("reason", &REASONS)?;
    let wanted = params.integer("amount")?;
    if wanted.is_some_and(|amount| amount < 1) {
        let message = "Invalid positive integer";
        return Err(ApiError::parameter("amount", message).code("parameter_invalid_integer"));
    }
    let mut metadata = BTreeMap::new();
    params.metadata(&mut metadata)?;
    let charge = target(world, params)?;
    let rest = charge.rest();
    if rest == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(ApiError::invalid(message).code("charge_already_refunded"));
    }
    let amount = wanted.unwrap_or(rest);
    if amount > rest {
        let (asked, rest) = (money::display(amount, charge.currency), money::display(rest, charge.currency));
        let message = format!("Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})");
        return Err(ApiError::invalid(message).param("amount"));
    }
    let refund = Refund {
        id: new_id("re"),
        created: world.now(),
        amount,
        currency: charge.currency,
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        payment_method: charge.payment_method.clone(),
        reason,
        metadata,
    };
    let answer = refund::render(&refund);
    if let Some(charge) = world.charges.get_mut(&refund.charge) {
        charge.amount_refunded += amount;
    }
    let charge_id = refund.charge.clone();
    world.refunds.insert(refund);
    world.emit(caller, "refund.created", answer.clone());
    world.emit_charge(caller, "charge.refunded", &charge_id);
    Ok(answer)
}

/// The captured charge that the parameters name.
fn target<'a>(world: &'a World, params: &Params) -> Result<&'a Charge, ApiError> {
    let charge = match (params.text("charge"), params.text("payment_intent")) {
        (Some(id), _) => world.charges.get(id).ok_or_else(|| ApiError::no_such("charge", id, "charge"))?,
        (None, Some(id)) => {
            let intent =
                world.intents.get(id).ok_or_else(|| ApiError::no_such("payment_intent", id, "payment_intent"))?;
            let charge = intent.latest_charge.as_deref();
            charge.and_then(|id| world.charges.get(id)).ok_or_else(|| without_charge(id))?
        }
        (None, None) => {
            let message = "One of the following params should be provided for this request: \
                           payment_intent or charge.";
            return Err(ApiError::invalid(message).code("parameter_missing").fleeting());
        }
    };
    if charge.captured { Ok(charge) } else { Err(without_charge(&charge.payment_intent)) }
}

fn without_charge(intent: &str) -> ApiError {
    ApiError::invalid(format!("This PaymentIntent ({intent}) does not have a successful charge to refund."))
}

pub(crate) fn update(world: &mut World, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.only("metadata expand")?;
    let refund = world.refunds.get_mut(id).ok_or_else(|| ApiError::no_such("refund", id, "id"))?;
    let mut metadata = refund.metadata.clone();
    params.metadata(&mut metadata)?;
    refund.metadata = metadata;
    Ok(refund::render(refund))
}
