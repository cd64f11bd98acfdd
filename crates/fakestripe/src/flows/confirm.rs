//! `POST /v1/payment_intents/{id}/confirm`.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::attempt::{ConfirmOptions, NO_METHOD, attempt};
use crate::flows::create::{CAPTURE_METHODS, shipping};
use crate::flows::{find, payment_method};
use crate::objects::intent::{self, Status};
use crate::params::Params;
use crate::store::{Context, Store};

const PARAMS: &str = "\
    allowed_payment_method_types amount_details amount_to_confirm capture_method client_secret \
    confirmation_token error_on_requires_action excluded_payment_method_types expand \
    expected_payment_method_type hooks key mandate mandate_data metadata off_session payment_details \
    payment_method payment_method_data payment_method_options payment_method_types radar_options \
    receipt_email return_url setup_future_usage shipping use_stripe_sdk";

pub(crate) fn confirm(store: &mut Store, context: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown(PARAMS)?;
    let options = ConfirmOptions::parse(params)?;
    let capture_method = params.one_of("capture_method", &CAPTURE_METHODS)?;
    let intent = find(store, context, id, params.text("client_secret"))?;
    match intent.status {
        Status::Succeeded => {
            let message = "You cannot confirm this PaymentIntent because it has already \
                           succeeded after being previously confirmed.";
            return Err(ApiError::unexpected_state(message, intent::render(intent)));
        }
        status if !status.is_confirmable() => {
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
    let method = payment_method::resolve(store, params)?;
    let intent = store.intent_mut(id)?;
    intent.set_details(method, capture_method, shipping(params));
    if let Some(url) = params.string("return_url") {
        intent.return_url = Some(url);
    }
    if let Some(email) = params.string("receipt_email") {
        intent.receipt_email = Some(email);
    }
    if intent.payment_method.is_none() {
        return Err(ApiError::unexpected_state(NO_METHOD, intent::render(intent)));
    }
    attempt(store, context, id, options)?;
    store.intent(id).map(intent::render)
}
