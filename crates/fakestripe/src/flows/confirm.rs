//! `POST /v1/payment_intents/{id}/confirm`.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::attempt::{NO_METHOD, Terms, attempt};
use crate::flows::create::{CAPTURE_METHODS, shipping};
use crate::flows::{change, find, payment_method, shown};
use crate::objects::intent::{self, Status};
use crate::params::Params;
use crate::world::{Caller, World};

pub(crate) const PARAMS: &str = "\
    allowed_payment_method_types amount_details amount_to_confirm capture_method client_secret \
    confirmation_token error_on_requires_action excluded_payment_method_types expand \
    expected_payment_method_type hooks key mandate mandate_data metadata off_session payment_details \
    payment_method payment_method_data payment_method_options payment_method_types radar_options \
    receipt_email return_url setup_future_usage shipping use_stripe_sdk";

pub(crate) fn confirm(world: &mut World, caller: &Caller, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.only(PARAMS)?;
    let terms = Terms::read(params)?;
    let capture_method = params.one_of("capture_method", &CAPTURE_METHODS)?;
    let intent = find(world, caller, id, params.text("client_secret"))?;
    match intent.status {
        Status::Succeeded => {
            let message = "You cannot confirm this PaymentIntent because it has already \
                           succeeded after being previously confirmed.";
            return Err(ApiError::unexpected_state(message, intent::render(intent)));
        }
        status if !status.is_open() => {
            let message = format!(
                "You cannot confirm this PaymentIntent because it has a status of {}. Only a \
                 PaymentIntent with one of the following statuses may be confirmed: \
                 requires_confirmation, requires_action, requires_payment_method.",
                status.name()
            );
            return Err(ApiError::unexpected_state(message, intent::render(intent)));
        }
        _ => {}
    }
    let given = payment_method::take(world, params)?;
    let shipping = shipping(params);
    change(world, id, |intent| {
        if let Some(method) = given {
            intent.take_method(method);
        }
        if let Some(method) = capture_method {
            intent.capture_method = method;
        }
        if let Some(url) = params.owned("return_url") {
            intent.return_url = Some(url);
        }
        if let Some(email) = params.owned("receipt_email") {
            intent.receipt_email = Some(email);
        }
        if !shipping.is_null() {
            intent.shipping = shipping;
        }
    })?;
    let intent = find(world, caller, id, params.text("client_secret"))?;
    if intent.payment_method.is_none() {
        return Err(ApiError::unexpected_state(NO_METHOD, intent::render(intent)));
    }
    attempt(world, caller, id, terms)?;
    shown(world, id)
}
