//! Amounts: currencies, the smallest charge of each, and how messages write them.

use crate::error::ApiError;

/// Currency and its smallest charge in the smallest unit.
const CURRENCIES: [(&str, i64); 28] = [
    ("usd", 50),
    ("eur", 50),
    ("gbp", 30),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("cop", 200_000),
    ("czk", 1500),
    ("dkk", 250),
    ("hkd", 400),
    ("huf", 17500),
    ("inr", 50),
    ("jpy", 50),
    ("krw", 100),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
    ("try", 50),
    ("zar", 50),
];

/// The lower-case currency, if it is one that is supported.
pub(crate) fn currency(text: &str) -> Result<&'static str, ApiError> {
    let wanted = text.to_lowercase();
    CURRENCIES.iter().find(|(name, _)| *name == wanted).map(|(name, _)| *name).ok_or_else(|| {
        let names: Vec<&str> = CURRENCIES.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        let message = format!("Invalid currency: {wanted}. Stripe currently supports these currencies: {names}");
        ApiError::parameter("currency", message)
    })
}

/// Refuses what is too small or too large for a card payment.
pub(crate) fn check(amount: i64, currency: &str) -> Result<(), ApiError> {
    let least = CURRENCIES.iter().find(|(name, _)| *name == currency).map_or(50, |(_, least)| *least);
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        Err(ApiError::parameter("amount", message).code("parameter_invalid_integer"))
    } else if amount < least {
        let message = format!("Amount must be at least {}", display(least, currency));
        Err(ApiError::parameter("amount", message).code("amount_too_small"))
    } else if amount > 99_999_999 {
        let most = display(99_999_999, currency);
        let message = format!("Amount must be no more than {most}");
        Err(ApiError::parameter("amount", message).code("amount_too_large"))
    } else {
        Ok(())
    }
}

/// `$12.50 usd`, `500 jpy`.
pub(crate) fn display(amount: i64, currency: &str) -> String {
    let sign = match currency {
        "usd" => "$",
        "eur" => "€",
        "gbp" => "£",
        _ => "",
    };
    if matches!(currency, "jpy" | "krw") {
        format!("{amount} {currency}")
    } else {
        format!("{sign}{}.{:02} {currency}", amount / 100, amount % 100)
    }
}
