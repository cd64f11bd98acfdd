//! `POST /v1/payment_intents/{id}`.

use serde_json::Value;

use crate::error::ApiError;
use crate::flows::create::{CAPTURE_METHODS, reject_customer, shipping};
use crate::flows::{find, payment_method};
use crate::objects::intent;
use crate::params::Params;
use crate::store::{Context, Store, money};

const PARAMS: &str = "\
    allowed_payment_method_types amount amount_details application_fee_amount capture_method currency \
    customer customer_account description excluded_payment_method_types expand hooks metadata \
    payment_details payment_method payment_method_configuration payment_method_data payment_method_options \
    payment_method_types receipt_email setup_future_usage shipping statement_descriptor \
    statement_descriptor_suffix transfer_group";

/// Parameters that may be changed in every status.
const ALWAYS: &str = "description expand metadata receipt_email shipping transfer_group";

pub(crate) fn update(store: &mut Store, context: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown(PARAMS)?;
    reject_customer(params)?;
    let capture_method = params.one_of("capture_method", &CAPTURE_METHODS)?;
    let amount = params.integer("amount")?;
    let currency = params.text("currency").map(money::currency).transpose()?;
    let intent = find(store, context, id, None)?;
    if !intent.status.is_confirmable() && params.reject_unknown(ALWAYS).is_err() {
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
    let method = payment_method::resolve(store, params)?;
    let intent = store.intent_mut(id)?;
    intent.amount = amount;
    intent.currency = currency;
    intent.metadata = metadata;
    intent.set_details(method, capture_method, shipping(params));
    let texts = [
        ("description", &mut intent.description),
        ("receipt_email", &mut intent.receipt_email),
        ("statement_descriptor", &mut intent.statement_descriptor),
        ("statement_descriptor_suffix", &mut intent.statement_descriptor_suffix),
        ("transfer_group", &mut intent.transfer_group),
    ];
    for (name, field) in texts {
        if params.get(name).is_some() {
            *field = params.string(name);
        }
    }
    Ok(intent::render(intent))
}
