//! `POST /v1/payment_intents/{id}`.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::create::{CAPTURE_METHODS, refuse_customer, shipping};
use crate::flows::{change, find, payment_method, shown};
use crate::objects::intent;
use crate::params::Params;
use crate::world::{Caller, World, money};

const PARAMS: &str = "\
    allowed_payment_method_types amount amount_details application_fee_amount capture_method currency \
    customer customer_account description excluded_payment_method_types expand hooks metadata \
    payment_details payment_method payment_method_configuration payment_method_data payment_method_options \
    payment_method_types receipt_email setup_future_usage shipping statement_descriptor \
    statement_descriptor_suffix transfer_group";

/// What may be changed whatever the status.
const ALWAYS: &str = "description expand metadata receipt_email shipping transfer_group";

pub(crate) fn update(world: &mut World, caller: &Caller, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.only(PARAMS)?;
    refuse_customer(params)?;
    let capture_method = params.one_of("capture_method", &CAPTURE_METHODS)?;
    let amount = params.integer("amount")?;
    let currency = params.text("currency").map(money::currency).transpose()?;
    let intent = find(world, caller, id, None)?;
    if !intent.status.is_open() && params.only(ALWAYS).is_err() {
        let message = format!(
            "This PaymentIntent could not be updated because it has a status of {}. You may only \
             update a PaymentIntent with one of the following statuses: requires_payment_method, \
             requires_confirmation, requires_action.",
            intent.status.name()
        );
        return Err(ApiError::unexpected_state(message, intent::render(intent)));
    }
    let (amount, currency) = (amount.unwrap_or(intent.amount), currency.unwrap_or(intent.currency));
    money::check(amount, currency)?;
    let mut metadata = intent.metadata.clone();
    params.metadata(&mut metadata)?;
    let shipping = shipping(params);
    let method = payment_method::take(world, params)?;
    change(world, id, |intent| {
        intent.amount = amount;
        intent.currency = currency;
        intent.metadata = metadata;
        if let Some(method) = method {
            intent.take_method(method);
        }
        if let Some(method) = capture_method {
            intent.capture_method = method;
        }
        if !shipping.is_null() {
            intent.shipping = shipping;
        }
        let texts = [
            ("description", &mut intent.description),
            ("receipt_email", &mut intent.receipt_email),
            ("statement_descriptor", &mut intent.statement_descriptor),
            ("statement_descriptor_suffix", &mut intent.statement_descriptor_suffix),
            ("transfer_group", &mut intent.transfer_group),
        ];
        for (name, field) in texts {
            if params.get(name).is_some() {
                *field = params.owned(name);
            }
        }
    })?;
    shown(world, id)
}
