//! What can be charged: Stripe's presentment currencies, with how it has their amounts written and its minimums
//! (docs.stripe.com/currencies).
//!
//! Most have two decimals. Some have none, and an amount of theirs is in whole units. Those with three must end
//! in a zero. Special cases, all of whose amounts are in hundredths and whole units alone: ISK and UGX have no
//! decimals any more and are written as if they had; HUF and TWD could be charged in hundredths, but are paid out in
//! whole units, so that a fraction would never reach a seller.

use super::{Currency, InvalidCurrency};

/// The least amount in minor units, where Stripe names none.
pub(super) const LEAST: i64 = 50;

/// How Stripe takes amounts of one currency.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChargeRules {
    /// How many digits the minor unit has.
    pub(super) digits: usize,
    /// What every amount has to be a multiple of, in minor units.
    pub(super) step: i64,
    /// The least amount, in minor units.
    pub(super) minimum: i64,
}

/// How amounts of this currency are taken; `None` when it can't be charged.
pub(super) fn find(code: &str) -> Option<ChargeRules> {
    let kind = KINDS.iter().find(|kind| names(kind.codes, code))?;
    let named = MINIMUMS.iter().find(|(_, codes)| names(codes, code)).map(|(minimum, _)| *minimum);
    Some(ChargeRules { digits: kind.digits, step: kind.step, minimum: named.unwrap_or(LEAST.max(kind.step)) })
}

fn names(codes: &str, code: &str) -> bool {
    codes.split(' ').any(|one| one == code)
}

/// The currency, if it can be charged.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn parse(text: &str) -> Result<Currency, String> {
    let currency: Currency = text.parse().map_err(|error: InvalidCurrency| error.to_string())?;
    if currency.chargeable().is_some() { Ok(currency) } else { Err("can't be charged by the card network".to_owned()) }
}

/// Currencies whose amounts are written alike.
struct Kind {
    digits: usize,
    step: i64,
    codes: &'static str,
}

static KINDS: [Kind; 4] = [
    Kind {
        digits: 2,
        step: 1,
        codes: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF \
                CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG IDR ILS INR \
                JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN \
                NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL \
                THB TJS TOP TRY TTD TZS UAH USD UYU UZS WST XCD YER ZAR ZMW",
    },
    Kind { digits: 0, step: 1, codes: "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF" },
    Kind { digits: 3, step: 10, codes: "BHD JOD KWD OMR TND" },
    Kind { digits: 2, step: 100, codes: "HUF ISK TWD UGX" },
];

/// Stripe's minimums in minor units.
static MINIMUMS: [(i64, &str); 11] = [
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
    fn every_code_is_there_once_and_its_minimum_can_be_charged() {
        let codes: Vec<_> = KINDS.iter().flat_map(|kind| kind.codes.split(' ')).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), 139);
        assert_eq!(codes.len(), 139);
        for code in codes {
            let currency = parse(code).unwrap();
            assert!(currency.minimum() > 0 && currency.minimum() % currency.step() == 0, "{currency}");
        }
        for code in MINIMUMS.iter().flat_map(|(_, codes)| codes.split(' ')) {
            assert!(find(code).is_some(), "{code}");
        }
    }

    #[test]
    fn amounts_are_written_as_the_card_network_wants_them() {
        for (code, digits, step, minimum) in [
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
            assert_eq!((currency.digits(), currency.step(), currency.minimum()), (digits, step, minimum), "{code}");
        }
    }

    #[test]
    fn what_can_t_be_charged_is_refused() {
        for (text, error) in [("XAU", "can't be charged"), ("IQD", "can't be charged"), ("usd", "ISO 4217")] {
            assert!(parse(text).unwrap_err().contains(error), "{text}");
        }
    }
}
