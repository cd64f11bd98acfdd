//! One attempt at the card: approved, refused, or sent to 3-D Secure first.

use serde_json::{Value, json};

use crate::cards::{Behaviour, Decline};
use crate::error::ApiError;
use crate::flows::change;
use crate::id::new_id;
use crate::objects::charge::Charge;
use crate::objects::intent::{self, Intent, Status};
use crate::objects::payment_method::{self, PaymentMethod};
use crate::params::Params;
use crate::world::{Caller, World};

pub(crate) const NO_METHOD: &str = "You cannot confirm this PaymentIntent because it's missing a \
    payment method. You can either update the PaymentIntent with a payment method and then confirm \
    it again, or confirm it again directly with a payment method or ConfirmationToken.";

/// How an attempt is to deal with a card that asks for 3-D Secure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// The buyer is not there: such a card is declined.
    pub(crate) off_session: bool,
    pub(crate) error_on_requires_action: bool,
    /// Stripe.js shows the challenge itself, without leaving the page.
    pub(crate) use_stripe_sdk: bool,
}

impl Terms {
    pub(crate) fn read(params: &Params) -> Result<Self, ApiError> {
        let off_session = match params.text("off_session") {
            Some("one_off" | "recurring") => true,
            _ => params.flag("off_session")?,
        };
        Ok(Self {
            off_session,
            error_on_requires_action: params.flag("error_on_requires_action")?,
            use_stripe_sdk: params.flag("use_stripe_sdk")?,
        })
    }
}

/// Tries the intent's payment method. A refusal is the 402 that Stripe answers, and is stored too.
pub(crate) fn attempt(world: &mut World, caller: &Caller, id: &str, terms: Terms) -> Result<(), ApiError> {
    let Some(intent) = world.intents.get(id).cloned() else {
        return Err(ApiError::no_such("payment_intent", id, "intent"));
    };
    let method = intent.payment_method.as_deref();
    let Some(method) = method.and_then(|id| world.methods.get(id)).cloned() else {
        return Err(ApiError::missing("payment_method"));
    };
    let declined = match method.card.behaviour {
        Behaviour::Approve => None,
        Behaviour::Decline(reason) => Some(reason),
        Behaviour::Challenge(then) if intent.authenticated => then,
        Behaviour::Challenge(_) if terms.off_session || terms.error_on_requires_action => {
            Some(Decline::AuthenticationRequired)
        }
        Behaviour::Challenge(_) => return challenge(world, caller, &intent, terms),
    };
    let charge = charge(world.now(), caller, &intent, &method, declined);
    let charge_id = charge.id.clone();
    world.charges.insert(charge);
    match declined {
        None => approve(world, caller, id, charge_id),
        Some(reason) => Err(refuse(world, caller, id, charge_id, &method, reason)?),
    }
}

fn challenge(world: &mut World, caller: &Caller, intent: &Intent, terms: Terms) -> Result<(), ApiError> {
    let url = format!("{}/3ds/{}", caller.base_url, intent.id);
    let action = match &intent.return_url {
        Some(return_url) if !terms.use_stripe_sdk => json!({
            "type": "redirect_to_url",
            "redirect_to_url": { "return_url": return_url, "url": url },
        }),
        _ => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": { "type": "three_d_secure_redirect", "stripe_js": url },
        }),
    };
    change(world, &intent.id, |intent| {
        intent.status = Status::RequiresAction;
        intent.next_action = action;
    })?;
    if intent.status != Status::RequiresAction {
        world.emit_intent(caller, "payment_intent.requires_action", &intent.id);
    }
    Ok(())
}

fn approve(world: &mut World, caller: &Caller, id: &str, charge_id: String) -> Result<(), ApiError> {
    let mut event = "payment_intent.succeeded";
    world.emit_charge(caller, "charge.succeeded", &charge_id);
    change(world, id, |intent| {
        intent.latest_charge = Some(charge_id);
        intent.next_action = Value::Null;
        intent.last_payment_error = Value::Null;
        if intent.is_manual_capture() {
            intent.status = Status::RequiresCapture;
            event = "payment_intent.amount_capturable_updated";
        } else {
            intent.status = Status::Succeeded;
            intent.amount_received = intent.amount;
        }
    })?;
    world.emit_intent(caller, event, id);
    Ok(())
}

/// Stores the refusal and answers the error to send.
fn refuse(
    world: &mut World,
    caller: &Caller,
    id: &str,
    charge_id: String,
    method: &PaymentMethod,
    reason: Decline,
) -> Result<ApiError, ApiError> {
    let (code, decline_code, advice, message) = reason.words();
    let mut error = ApiError::card(code, message)
        .with("charge", json!(charge_id))
        .with("payment_method", payment_method::render(method));
    if code == "card_declined" || code == "authentication_required" {
        error = error.with("decline_code", json!(decline_code));
    }
    if let Some(advice) = advice {
        error = error.with("advice_code", json!(advice));
    }
    if code == "incorrect_cvc" {
        error = error.param("cvc");
    }
    world.emit_charge(caller, "charge.failed", &charge_id);
    change(world, id, |intent| {
        intent.latest_charge = Some(charge_id);
        fail(intent, error.detail());
    })?;
    world.emit_intent(caller, "payment_intent.payment_failed", id);
    match world.intents.get(id) {
        Some(intent) => Ok(error.with("payment_intent", intent::render(intent))),
        None => Ok(error),
    }
}

/// Back to the start, for another card.
pub(crate) fn fail(intent: &mut Intent, error: Value) {
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.authenticated = false;
    intent.next_action = Value::Null;
    intent.last_payment_error = error;
}

fn charge(now: i64, caller: &Caller, intent: &Intent, method: &PaymentMethod, declined: Option<Decline>) -> Charge {
    let captured = declined.is_none() && !intent.is_manual_capture();
    Charge {
        id: new_id("ch"),
        created: now,
        amount: intent.amount,
        amount_captured: if captured { intent.amount } else { 0 },
        amount_refunded: 0,
        captured,
        disputed: false,
        currency: intent.currency,
        payment_intent: intent.id.clone(),
        payment_method: method.id.clone(),
        card: method.card,
        authenticated: intent.authenticated,
        exp: method.exp,
        billing_details: method.billing_details.clone(),
        declined,
        metadata: intent.metadata.clone(),
        description: intent.description.clone(),
        receipt_email: intent.receipt_email.clone(),
        shipping: intent.shipping.clone(),
        statement_descriptor: intent.statement_descriptor.clone(),
        statement_descriptor_suffix: intent.statement_descriptor_suffix.clone(),
        transfer_group: intent.transfer_group.clone(),
        base_url: caller.base_url.clone(),
    }
}
