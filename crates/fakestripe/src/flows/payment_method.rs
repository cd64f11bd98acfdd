//! Payment methods: from a test card's number, from its name, from inline data.

use crate::cards::{self, TestCard};
use crate::error::ApiError;
use crate::objects::payment_method::{PaymentMethod, billing_details};
use crate::params::Params;
use crate::world::World;

/// Reads `type=card`, `card[…]`, `billing_details[…]`, `metadata[…]`, all below `prefix`.
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
        let message = "Your card's expiration month is invalid.";
        return Err(ApiError::card("invalid_expiry_month", message).param("exp_month"));
    }
    // 31,556,952 seconds are a mean year: enough to tell a year that is over.
    if !(1970 + method.created / 31_556_952..2100).contains(&year) {
        let message = "Your card's expiration year is invalid.";
        return Err(ApiError::card("invalid_expiry_year", message).param("exp_year"));
    }
    if let Some(cvc) = params.text(&at("cvc"))
        && (!(3..=4).contains(&cvc.len()) || !cvc.chars().all(|digit| digit.is_ascii_digit()))
    {
        let message = "Your card's security code is invalid.";
        return Err(ApiError::card("invalid_cvc", message).param("cvc"));
    }
    method.exp = (month, year);
    Ok(method)
}

fn test_card(number: &str) -> Result<&'static TestCard, ApiError> {
    if let Some(card) = cards::by_number(number) {
        return Ok(card);
    }
    if !cards::checksum_holds(number) {
        let message = "Your card number is incorrect.";
        return Err(ApiError::card("incorrect_number", message).param("number"));
    }
    let message = "Your card was declined. Your request was in test mode, but used a non test \
                   card. For a list of valid test cards, visit: https://stripe.com/docs/testing.";
    Err(ApiError::card("card_declined", message).with("decline_code", "test_mode_live_card".into()))
}

/// Stores the method that `payment_method` or `payment_method_data` names; answers its id.
pub(crate) fn take(world: &mut World, params: &Params) -> Result<Option<String>, ApiError> {
    let method = match params.text("payment_method") {
        None if params.get("payment_method_data").is_some() => from_params(params, "payment_method_data.")?,
        None => return Ok(None),
        Some(id) => match (world.methods.get(id), cards::by_name(id)) {
            (Some(_), _) => return Ok(Some(id.to_owned())),
            (None, Some(card)) if id.starts_with("pm_") => PaymentMethod::new(card),
            _ => return Err(ApiError::no_such("PaymentMethod", id, "payment_method")),
        },
    };
    let id = method.id.clone();
    world.methods.insert(method);
    Ok(Some(id))
}

/// A stored method, or a fresh one for a test card's name.
pub(crate) fn find(world: &mut World, id: &str) -> Result<PaymentMethod, ApiError> {
    if let Some(method) = world.methods.get(id) {
        return Ok(method.clone());
    }
    let Some(card) = cards::by_name(id).filter(|_| id.starts_with("pm_")) else {
        let error = ApiError::no_such("PaymentMethod", id, "payment_method");
        return Err(error.status(404));
    };
    let method = PaymentMethod::new(card);
    world.methods.insert(method.clone());
    Ok(method)
}
