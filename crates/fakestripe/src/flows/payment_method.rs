//! Creates payment methods from a card number, a `pm_card_…` or `tok_…` name, or inline data.

use crate::cards::{self, TestCard};
use crate::error::ApiError;
use crate::objects::payment_method::{PaymentMethod, billing_details};
use crate::params::Params;
use crate::store::Store;

/// Parses `type=card`, `card[…]` and `billing_details[…]` below `prefix`. `metadata[…]` is read only without a prefix:
/// alongside `payment_method_data`, it belongs to the intent.
pub(crate) fn from_params(params: &Params, prefix: &str) -> Result<PaymentMethod, ApiError> {
    let at = |name: &str| format!("{prefix}{name}");
    match params.text(&at("type")) {
        None => return Err(ApiError::missing("type")),
        Some("card") => {}
        Some(other) => {
            let message = format!("The payment method type \"{other}\" is invalid.");
            return Err(ApiError::parameter("type", message));
        }
    }
    let mut method = match params.text(&at("card.token")) {
        Some(token) => {
            PaymentMethod::new(cards::by_name(token).ok_or_else(|| ApiError::no_such("token", token, "card[token]"))?)
        }
        None => from_number(params, &at("card"))?,
    };
    if let Some(given) = params.get(&at("billing_details")) {
        method.billing_details = billing_details(given);
    }
    if prefix.is_empty() {
        params.metadata(&mut method.metadata)?;
    }
    Ok(method)
}

fn from_number(params: &Params, card: &str) -> Result<PaymentMethod, ApiError> {
    let at = |name: &str| format!("{card}.{name}");
    let number = params.text(&at("number")).ok_or_else(|| ApiError::missing("card[number]"))?.replace([' ', '-'], "");
    let month = params.integer(&at("exp_month"))?.ok_or_else(|| ApiError::missing("card[exp_month]"))?;
    let year = params.integer(&at("exp_year"))?.ok_or_else(|| ApiError::missing("card[exp_year]"))?;
    let mut method = PaymentMethod::new(test_card(&number)?);
    let year = if year < 100 { year + 2000 } else { year };
    if !(1..=12).contains(&month) {
        return Err(
            ApiError::card("invalid_expiry_month", "Your card's expiration month is invalid.").param("exp_month")
        );
    }
    // 31,556,952 seconds are a mean year: accurate enough to reject past years.
    if !(1970 + method.created / 31_556_952..2100).contains(&year) {
        return Err(ApiError::card("invalid_expiry_year", "Your card's expiration year is invalid.").param("exp_year"));
    }
    if let Some(cvc) = params.text(&at("cvc"))
        && (!(3..=4).contains(&cvc.len()) || !cvc.chars().all(|digit| digit.is_ascii_digit()))
    {
        return Err(ApiError::card("invalid_cvc", "Your card's security code is invalid.").param("cvc"));
    }
    method.expiry = (month, year);
    Ok(method)
}

fn test_card(number: &str) -> Result<&'static TestCard, ApiError> {
    if let Some(card) = cards::by_number(number) {
        return Ok(card);
    }
    if !cards::passes_luhn(number) {
        return Err(ApiError::card("incorrect_number", "Your card number is incorrect.").param("number"));
    }
    let message = "Your card was declined. Your request was in test mode, but used a non test \
                   card. For a list of valid test cards, visit: https://stripe.com/docs/testing.";
    Err(ApiError::card("card_declined", message).with("decline_code", "test_mode_live_card".into()))
}

/// Stores the method that `payment_method` or `payment_method_data` describes; returns its id.
pub(crate) fn resolve(store: &mut Store, params: &Params) -> Result<Option<String>, ApiError> {
    if let Some(id) = params.text("payment_method") {
        return Ok(Some(find(store, id)?.id));
    }
    if params.get("payment_method_data").is_none() {
        return Ok(None);
    }
    let method = from_params(params, "payment_method_data.")?;
    let id = method.id.clone();
    store.methods.insert(method);
    Ok(Some(id))
}

/// The stored method with this id, or a new one for the name of a test card.
pub(crate) fn find(store: &mut Store, id: &str) -> Result<PaymentMethod, ApiError> {
    if let Some(method) = store.methods.get(id) {
        return Ok(method.clone());
    }
    let card = cards::by_name(id).filter(|_| id.starts_with("pm_"));
    let card = card.ok_or_else(|| ApiError::no_such("PaymentMethod", id, "payment_method"))?;
    let method = PaymentMethod::new(card);
    store.methods.insert(method.clone());
    Ok(method)
}
