//! Currencies, their minimum charges, and amounts in error messages.

use crate::error::ApiError;

/// Minimum charges, in the smallest unit, each with its currencies. Stripe documents none for the currencies of the
/// first two rows: theirs is one [`increment`], or 1.00 TWD.
const MINIMUM_CHARGES: [(i64, &str); 13] = [
    (10, "bhd jod kwd omr tnd"),
    (100, "isk twd ugx"),
    (30, "gbp"),
    (50, "usd eur aud brl cad chf inr jpy nzd sgd try zar"),
    (100, "bgn krw"),
    (200, "aed myr pln ron"),
    (250, "dkk"),
    (300, "nok sek"),
    (400, "hkd"),
    (1000, "mxn thb"),
    (1500, "czk"),
    (17500, "huf"),
    (200_000, "cop"),
];

/// All currencies with their minimum charges.
fn currencies() -> impl Iterator<Item = (&'static str, i64)> {
    MINIMUM_CHARGES.into_iter().flat_map(|(minimum, names)| names.split(' ').map(move |name| (name, minimum)))
}

/// The currency in lower case; an error unless it is supported.
pub(crate) fn currency(text: &str) -> Result<&'static str, ApiError> {
    let code = text.to_lowercase();
    currencies().map(|(name, _)| name).find(|name| *name == code).ok_or_else(|| {
        let names = currencies().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        let message = format!("Invalid currency: {code}. Stripe currently supports these currencies: {names}");
        ApiError::parameter("currency", message)
    })
}

/// The number that every amount must be a multiple of.
fn increment(currency: &str) -> i64 {
    match currency {
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
        // These currencies have no decimals any more, but their amounts still have two.
        "isk" | "ugx" => 100,
        _ => 1,
    }
}

/// Rejects amounts that are too small or too large for a card payment, or have a fraction that the currency does not.
pub(crate) fn check(amount: i64, currency: &str) -> Result<(), ApiError> {
    let minimum = currencies().find(|(name, _)| *name == currency).map_or(50, |(_, minimum)| minimum);
    let (message, code) = if amount < 1 {
        ("This value must be greater than or equal to 1.".to_owned(), "parameter_invalid_integer")
    } else if amount < minimum {
        (format!("Amount must be at least {}", display(minimum, currency)), "amount_too_small")
    } else if amount > 99_999_999 {
        (format!("Amount must be no more than {}", display(99_999_999, currency)), "amount_too_large")
    } else if amount % increment(currency) != 0 {
        (format!("Amount must be a multiple of {} in {currency}", increment(currency)), "invalid_charge_amount")
    } else {
        return Ok(());
    };
    Err(ApiError::parameter("amount", message).code(code))
}

/// An amount as in `$12.50 usd` or `500 jpy`.
pub(crate) fn display(amount: i64, currency: &str) -> String {
    let sign = match currency {
        "usd" => "$",
        "eur" => "€",
        "gbp" => "£",
        _ => "",
    };
    match currency {
        "jpy" | "krw" => format!("{amount} {currency}"),
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => format!("{}.{:03} {currency}", amount / 1000, amount % 1000),
        _ => format!("{sign}{}.{:02} {currency}", amount / 100, amount % 100),
    }
}

/// An amount as people write it: `$12.50`, or `500 jpy` in a currency whose sign is not known here.
pub(crate) fn display_to_people(amount: i64, currency: &str) -> String {
    let text = display(amount, currency);
    let has_sign = text.starts_with(['$', '€', '£']);
    if has_sign { text.trim_end_matches(currency).trim_end().to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_must_be_multiples_of_the_increment() {
        for (amount, currency, accepted) in [
            (12_340, "kwd", true),
            (12_345, "kwd", false),
            (150_000, "isk", true),
            (150_050, "isk", false),
            (500_000, "ugx", true),
            (500_001, "ugx", false),
            (1_050, "twd", true),
            (1_051, "usd", true),
        ] {
            assert!(currencies().any(|(name, _)| name == currency), "{currency}");
            assert_eq!(check(amount, currency).is_ok(), accepted, "{amount} {currency}");
        }
        assert_eq!(display(12_340, "kwd"), "12.340 kwd");
        assert_eq!(display(10_692, "eur"), "€106.92 eur");
        let shown = ["eur", "jpy", "kwd"].map(|currency| display_to_people(10_692, currency));
        assert_eq!(shown, ["€106.92", "10692 jpy", "10.692 kwd"]);
    }
}
