//! One attempt to charge the card: approved, declined, or sent to 3-D Secure first.

use serde_json::{Value, json};

use crate::cards::{Behaviour, Decline};
use crate::error::ApiError;
use crate::id::new_id;
use crate::objects::charge::Charge;
use crate::objects::intent::{self, Intent, Status};
use crate::objects::payment_method::{self, PaymentMethod};
use crate::params::Params;
use crate::store::{Context, Store};

pub(crate) const NO_METHOD: &str = "You cannot confirm this PaymentIntent because it's missing a \
    payment method. You can either update the PaymentIntent with a payment method and then confirm \
    it again, or confirm it again directly with a payment method or ConfirmationToken.";

/// How to handle a card that requires 3-D Secure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConfirmOptions {
    /// The buyer is absent: such a card is declined.
    pub(crate) off_session: bool,
    pub(crate) error_on_requires_action: bool,
    /// Stripe.js shows the challenge itself, without leaving the page.
    pub(crate) use_stripe_sdk: bool,
}

impl ConfirmOptions {
    pub(crate) fn parse(params: &Params) -> Result<Self, ApiError> {
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

/// Charges the intent's payment method. A decline is stored, and returned as Stripe's 402 error.
pub(crate) fn attempt(store: &mut Store, context: &Context, id: &str, options: ConfirmOptions) -> Result<(), ApiError> {
    let intent = store.intent(id)?.clone();
    let method = intent.payment_method.as_deref();
    let Some(method) = method.and_then(|id| store.methods.get(id)).cloned() else {
        return Err(ApiError::missing("payment_method"));
    };
    let declined = match method.card.behaviour {
        Behaviour::Approve => None,
        Behaviour::Decline(reason) => Some(reason),
        Behaviour::Challenge(then) if intent.authenticated => then,
        Behaviour::Challenge(_) if options.off_session || options.error_on_requires_action => {
            Some(Decline::AuthenticationRequired)
        }
        Behaviour::Challenge(_) => return challenge(store, context, &intent, options),
    };
    let charge = charge(store.now(), context, &intent, &method, declined);
    let charge_id = charge.id.clone();
    store.charges.insert(charge);
    match declined {
        None => approve(store, context, id, charge_id),
        Some(reason) => Err(decline(store, context, id, charge_id, &method, reason)?),
    }
}

fn challenge(store: &mut Store, context: &Context, before: &Intent, options: ConfirmOptions) -> Result<(), ApiError> {
    let url = format!("{}/3ds/{}", context.base_url, before.id);
    let intent = store.intent_mut(&before.id)?;
    intent.next_action = match &before.return_url {
        Some(return_url) if !options.use_stripe_sdk => json!({
            "type": "redirect_to_url",
            "redirect_to_url": { "return_url": return_url, "url": url },
        }),
        _ => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": { "type": "three_d_secure_redirect", "stripe_js": url },
        }),
    };
    intent.status = Status::RequiresAction;
    if before.status != Status::RequiresAction {
        store.emit_intent(context, "payment_intent.requires_action", &before.id);
    }
    Ok(())
}

fn approve(store: &mut Store, context: &Context, id: &str, charge_id: String) -> Result<(), ApiError> {
    store.emit_charge(context, "charge.succeeded", &charge_id);
    let intent = store.intent_mut(id)?;
    intent.latest_charge = Some(charge_id);
    intent.next_action = Value::Null;
    intent.last_payment_error = Value::Null;
    let event = if intent.is_manual_capture() {
        intent.status = Status::RequiresCapture;
        "payment_intent.amount_capturable_updated"
    } else {
        intent.status = Status::Succeeded;
        intent.amount_received = intent.amount;
        "payment_intent.succeeded"
    };
    store.emit_intent(context, event, id);
    Ok(())
}

/// Stores the decline and returns the error to send.
fn decline(
    store: &mut Store,
    context: &Context,
    id: &str,
    charge_id: String,
    method: &PaymentMethod,
    reason: Decline,
) -> Result<ApiError, ApiError> {
    let (code, decline_code, advice, message) = reason.error_fields();
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
    store.emit_charge(context, "charge.failed", &charge_id);
    let intent = store.intent_mut(id)?;
    intent.latest_charge = Some(charge_id);
    intent.require_payment_method(error.detail());
    store.emit_intent(context, "payment_intent.payment_failed", id);
    Ok(error.with("payment_intent", intent::render(store.intent(id)?)))
}

fn charge(now: i64, context: &Context, intent: &Intent, method: &PaymentMethod, declined: Option<Decline>) -> Charge {
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
        expiry: method.expiry,
        billing_details: method.billing_details.clone(),
        declined,
        metadata: intent.metadata.clone(),
        description: intent.description.clone(),
        receipt_email: intent.receipt_email.clone(),
        shipping: intent.shipping.clone(),
        statement_descriptor: intent.statement_descriptor.clone(),
        statement_descriptor_suffix: intent.statement_descriptor_suffix.clone(),
        transfer_group: intent.transfer_group.clone(),
        base_url: context.base_url.clone(),
    }
}
