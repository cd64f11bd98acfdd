//! The currencies that can be charged: Stripe's presentment currencies with their number of decimals, increments and
//! minimum charges (docs.stripe.com/currencies).
//!
//! Most currencies have two decimals, and some have none. In currencies with three decimals, the last digit of an
//! amount must be zero. Amounts in four currencies have two decimals but must be whole units. ISK and UGX have lost
//! their decimals, but Stripe still expects amounts in hundredths. Stripe charges HUF and TWD in hundredths but pays
//! them out in whole units, so the seller would never receive a fraction.

use super::{Currency, InvalidCurrency};

/// The minimum charge, in minor units, of currencies for which Stripe documents none. It is a guess, which is too low
/// for most of them: Stripe converts the amount to the account's settlement currency, and declines the charge if it is
/// below the minimum of that currency.
pub(super) const DEFAULT_MINIMUM: i64 = 50;

/// Stripe's rules for amounts of one currency.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChargeRules {
    /// The number of decimal places.
    pub(super) decimals: usize,
    /// The number of minor units that every amount must be a multiple of.
    pub(super) increment: i64,
    /// The minimum charge, in minor units.
    pub(super) minimum: i64,
}

/// Returns the rules of the currency with this code, or `None` if Stripe can't charge it.
pub(super) fn rules_for(code: &str) -> Option<ChargeRules> {
    let contains = |codes: &str| codes.split(' ').any(|listed| listed == code);
    let (decimals, increment, _) = FORMATS.into_iter().find(|(.., codes)| contains(codes))?;
    let documented = MINIMUMS.into_iter().find(|(_, codes)| contains(codes)).map(|(minimum, _)| minimum);
    Some(ChargeRules { decimals, increment, minimum: documented.unwrap_or(DEFAULT_MINIMUM.max(increment)) })
}

/// Parses a currency that can be charged.
///
/// # Errors
/// A predicate such as `must be an ISO 4217 code …`, whose subject the caller prepends.
pub fn parse(text: &str) -> Result<Currency, String> {
    let currency: Currency = text.parse().map_err(|error: InvalidCurrency| error.to_string())?;
    if currency.rules().is_some() { Ok(currency) } else { Err("can't be charged by the card network".to_owned()) }
}

/// The number of decimals, the increment in minor units, and the currencies with this format.
const FORMATS: [(usize, i64, &str); 4] = [
    (
        2,
        1,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP \
         CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG IDR ILS INR JMD KES KGS KHR \
         KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN \
         PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TZS UAH USD \
         UYU UZS WST XCD YER ZAR ZMW",
    ),
    (0, 1, "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"),
    (3, 10, "BHD JOD KWD OMR TND"),
    (2, 100, "HUF ISK TWD UGX"),
];

/// The documented minimum charge in minor units, and the currencies with this minimum.
const MINIMUMS: [(i64, &str); 11] = [
    (30, "GBP"),
    (50, "AUD BRL CAD CHF EUR INR JPY NZD SGD TRY USD ZAR"),
    (100, "BGN KRW"),
    (200, "AED MYR PLN RON"),
    (250, "DKK"),
    (300, "NOK SEK"),
    (400, "HKD"),
    (1_000, "MXN THB"),
    (1_500, "CZK"),
    (17_500, "HUF"),
    (200_000, "COP"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_minimums_are_multiples_of_the_increment() {
        let codes: Vec<_> = FORMATS.iter().flat_map(|(.., codes)| codes.split(' ')).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        for code in codes {
            let currency = parse(code).unwrap();
            assert!(currency.min_charge() > 0 && currency.min_charge() % currency.increment() == 0, "{currency}");
        }
        for code in MINIMUMS.iter().flat_map(|(_, codes)| codes.split(' ')) {
            assert!(rules_for(code).is_some(), "{code}");
        }
    }

    #[test]
    fn special_currencies_have_the_expected_rules() {
        for (code, decimals, increment, minimum) in [
            ("USD", 2, 1, 50),
            ("JPY", 0, 1, 50),
            ("KRW", 0, 1, 100),
            ("KWD", 3, 10, 50),
            ("ISK", 2, 100, 100),
            ("HUF", 2, 100, 17_500),
            ("TWD", 2, 100, 100),
            ("UGX", 2, 100, 100),
        ] {
            let currency = parse(code).unwrap();
            let rules = (currency.decimals(), currency.increment(), currency.min_charge());
            assert_eq!(rules, (decimals, increment, minimum), "{code}");
        }
    }

    #[test]
    fn unsupported_currencies_are_rejected() {
        for (text, error) in [("XAU", "can't be charged"), ("IQD", "can't be charged"), ("usd", "ISO 4217")] {
            assert!(parse(text).unwrap_err().contains(error), "{text}");
        }
    }
}
