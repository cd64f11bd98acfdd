//! `POST /v1/refunds` and `POST /v1/refunds/{id}`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::ApiError;
use crate::id::new_id;
use crate::objects::charge::Charge;
use crate::objects::refund::{self, Refund};
use crate::params::Params;
use crate::store::{Context, Store, money};

const PARAMS: &str = "\
    amount charge currency customer expand instructions_email metadata origin payment_intent reason \
    refund_application_fee reverse_transfer";

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

pub(crate) fn create(store: &mut Store, context: &Context, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown(PARAMS)?;
    let reason = params.one_of("reason", &REASONS)?;
    let requested = params.positive("amount", "Invalid positive integer")?;
    let mut metadata = BTreeMap::new();
    params.metadata(&mut metadata)?;
    let charge = target(store, params)?;
    let refundable = charge.refundable();
    if refundable == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(ApiError::invalid(message).code("charge_already_refunded"));
    }
    let amount = requested.unwrap_or(refundable);
    if amount > refundable {
        let [requested, rest] = [amount, refundable].map(|amount| money::display(amount, charge.currency));
        let message = format!("Refund amount ({requested}) is greater than unrefunded amount on charge ({rest})");
        return Err(ApiError::invalid(message).param("amount"));
    }
    let refund = Refund {
        id: new_id("re"),
        created: store.now(),
        amount,
        currency: charge.currency,
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        payment_method: charge.payment_method.clone(),
        reason,
        metadata,
    };
    let response = refund::render(&refund);
    if let Some(charge) = store.charges.get_mut(&refund.charge) {
        charge.amount_refunded += amount;
    }
    let charge_id = refund.charge.clone();
    store.refunds.insert(refund);
    store.emit(context, "refund.created", response.clone());
    store.emit_charge(context, "charge.refunded", &charge_id);
    Ok(response)
}

/// The captured charge that the parameters name.
fn target<'a>(store: &'a Store, params: &Params) -> Result<&'a Charge, ApiError> {
    let charge = match (params.text("charge"), params.text("payment_intent")) {
        (Some(id), _) => store.charges.get(id).ok_or_else(|| ApiError::no_such("charge", id, "charge"))?,
        (None, Some(id)) => {
            let intent =
                store.intents.get(id).ok_or_else(|| ApiError::no_such("payment_intent", id, "payment_intent"))?;
            let charge = intent.latest_charge.as_deref();
            charge.and_then(|id| store.charges.get(id)).ok_or_else(|| no_successful_charge(id))?
        }
        (None, None) => {
            let message = "One of the following params should be provided for this request: \
                           payment_intent or charge.";
            return Err(ApiError::invalid(message).code("parameter_missing").not_cached());
        }
    };
    if charge.captured { Ok(charge) } else { Err(no_successful_charge(&charge.payment_intent)) }
}

fn no_successful_charge(intent: &str) -> ApiError {
    ApiError::invalid(format!("This PaymentIntent ({intent}) does not have a successful charge to refund."))
}

pub(crate) fn update(store: &mut Store, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown("metadata expand")?;
    let refund = store.refunds.get_mut(id).ok_or_else(|| ApiError::no_such("refund", id, "id"))?;
    let mut metadata = refund.metadata.clone();
    params.metadata(&mut metadata)?;
    refund.metadata = metadata;
    Ok(refund::render(refund))
}
