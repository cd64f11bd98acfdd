//! `POST /v1/payment_intents`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::flows::attempt::{ConfirmOptions, NO_METHOD, attempt};
use crate::flows::payment_method;
use crate::id::{new_id, random};
use crate::objects::intent::{self, Intent};
use crate::objects::payment_method::address;
use crate::params::Params;
use crate::store::{Context, Store, money};

const PARAMS: &str = "\
    allowed_payment_method_types amount amount_details application_fee_amount automatic_payment_methods \
    capture_method confirm confirmation_method confirmation_token currency customer customer_account \
    description error_on_requires_action excluded_payment_method_types expand hooks managed_payments mandate \
    mandate_data metadata off_session on_behalf_of payment_details payment_method \
    payment_method_configuration payment_method_data payment_method_options payment_method_types \
    radar_options receipt_email return_url setup_future_usage shipping statement_descriptor \
    statement_descriptor_suffix transfer_data transfer_group use_stripe_sdk";

pub(crate) const CAPTURE_METHODS: [&str; 3] = ["automatic", "automatic_async", "manual"];

pub(crate) fn create(store: &mut Store, context: &Context, params: &Params) -> Result<Value, ApiError> {
    let mut intent = parse(store.now(), params)?;
    let confirm = params.flag("confirm")?;
    let options = ConfirmOptions::parse(params)?;
    if let Some(method) = payment_method::resolve(store, params)? {
        intent.set_payment_method(method);
    }
    if confirm && intent.payment_method.is_none() {
        return Err(ApiError::invalid(NO_METHOD).code("payment_intent_unexpected_state").param("payment_method"));
    }
    let id = intent.id.clone();
    store.intents.insert(intent);
    store.emit_intent(context, "payment_intent.created", &id);
    if confirm {
        attempt(store, context, &id, options)?;
    }
    store.intent(&id).map(intent::render)
}

fn parse(now: i64, params: &Params) -> Result<Intent, ApiError> {
    params.reject_unknown(PARAMS)?;
    reject_customer(params)?;
    let amount = params.integer("amount")?.ok_or_else(|| ApiError::missing("amount"))?;
    let currency = params.text("currency").ok_or_else(|| ApiError::missing("currency"))?;
    let currency = money::currency(currency)?;
    money::check(amount, currency)?;
    let mut metadata = BTreeMap::new();
    params.metadata(&mut metadata)?;
    let types = method_types(params)?;
    let automatic = match (params.get("automatic_payment_methods"), &types) {
        (Some(_), _) => {
            let known = ["always", "never"];
            let redirects = params.one_of("automatic_payment_methods.allow_redirects", &known)?;
            json!({
                "enabled": params.flag("automatic_payment_methods.enabled")?,
                "allow_redirects": redirects.as_deref().unwrap_or("always"),
            })
        }
        (None, Some(_)) => Value::Null,
        (None, None) => json!({ "enabled": true, "allow_redirects": "always" }),
    };
    let capture_method = params.one_of("capture_method", &CAPTURE_METHODS)?;
    let confirmation_method = params.one_of("confirmation_method", &["automatic", "manual"])?;
    let id = new_id("pi");
    Ok(Intent {
        client_secret: format!("{id}_secret_{}", random(25)),
        id,
        created: now,
        amount,
        currency,
        capture_method: capture_method.unwrap_or_else(|| "automatic_async".to_owned()),
        confirmation_method: confirmation_method.unwrap_or_else(|| "automatic".to_owned()),
        payment_method_types: types.unwrap_or_else(|| vec!["card".to_owned()]),
        automatic_payment_methods: automatic,
        return_url: params.string("return_url"),
        metadata,
        description: params.string("description"),
        receipt_email: params.string("receipt_email"),
        setup_future_usage: params.one_of("setup_future_usage", &["off_session", "on_session"])?,
        shipping: shipping(params),
        statement_descriptor: params.string("statement_descriptor"),
        statement_descriptor_suffix: params.string("statement_descriptor_suffix"),
        transfer_group: params.string("transfer_group"),
        ..Intent::default()
    })
}

/// Customers are not emulated, so every customer id is unknown.
pub(crate) fn reject_customer(params: &Params) -> Result<(), ApiError> {
    params.text("customer").map_or(Ok(()), |id| Err(ApiError::no_such("customer", id, "customer")))
}

fn method_types(params: &Params) -> Result<Option<Vec<String>>, ApiError> {
    let mut types = params.list("payment_method_types");
    types.extend(params.list("allowed_payment_method_types"));
    if let Some(other) = types.iter().find(|kind| *kind != "card" && *kind != "link") {
        let message = format!("The payment method type \"{other}\" is invalid.");
        return Err(ApiError::parameter("payment_method_types", message));
    }
    Ok(Some(types).filter(|types| !types.is_empty()))
}

pub(crate) fn shipping(params: &Params) -> Value {
    let Some(given) = params.get("shipping").filter(|given| given.is_object()) else {
        return Value::Null;
    };
    json!({
        "address": address(&given["address"]),
        "carrier": params.text("shipping.carrier"),
        "name": params.text("shipping.name"),
        "phone": params.text("shipping.phone"),
        "tracking_number": params.text("shipping.tracking_number"),
    })
}
