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

/// A row of the table: how Stripe takes amounts of one currency.
#[derive(Debug)]
pub(super) struct Chargeable {
    pub(super) code: &'static str,
    pub(super) digits: usize,
    pub(super) step: i64,
    named_minimum: Option<i64>,
}

impl Chargeable {
    /// The least amount, in minor units.
    pub(super) fn minimum(&self) -> i64 {
        self.named_minimum.unwrap_or(LEAST.max(self.step))
    }
}

/// The currency, if it can be charged.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn parse(text: &str) -> Result<Currency, String> {
    let currency: Currency = text.parse().map_err(|error: InvalidCurrency| error.to_string())?;
    match currency.chargeable() {
        Some(_) => Ok(currency),
        None => Err("can't be charged by the card network".to_owned()),
    }
}

/// Code, decimals, step in minor units, Stripe's minimum in minor units.
const fn currency(code: &'static str, digits: usize, step: i64, named_minimum: Option<i64>) -> Chargeable {
    Chargeable { code, digits, step, named_minimum }
}

pub(super) static TABLE: [Chargeable; 139] = [
    currency("AED", 2, 1, Some(200)),
    currency("AFN", 2, 1, None),
    currency("ALL", 2, 1, None),
    currency("AMD", 2, 1, None),
    currency("ANG", 2, 1, None),
    currency("AOA", 2, 1, None),
    currency("ARS", 2, 1, None),
    currency("AUD", 2, 1, Some(50)),
    currency("AWG", 2, 1, None),
    currency("AZN", 2, 1, None),
    currency("BAM", 2, 1, None),
    currency("BBD", 2, 1, None),
    currency("BDT", 2, 1, None),
    currency("BGN", 2, 1, Some(100)),
    currency("BHD", 3, 10, None),
    currency("BIF", 0, 1, None),
    currency("BMD", 2, 1, None),
    currency("BND", 2, 1, None),
    currency("BOB", 2, 1, None),
    currency("BRL", 2, 1, Some(50)),
    currency("BSD", 2, 1, None),
    currency("BWP", 2, 1, None),
    currency("BYN", 2, 1, None),
    currency("BZD", 2, 1, None),
    currency("CAD", 2, 1, Some(50)),
    currency("CDF", 2, 1, None),
    currency("CHF", 2, 1, Some(50)),
    currency("CLP", 0, 1, None),
    currency("CNY", 2, 1, None),
    currency("COP", 2, 1, Some(200_000)),
    currency("CRC", 2, 1, None),
    currency("CVE", 2, 1, None),
    currency("CZK", 2, 1, Some(1_500)),
    currency("DJF", 0, 1, None),
    currency("DKK", 2, 1, Some(250)),
    currency("DOP", 2, 1, None),
    currency("DZD", 2, 1, None),
    currency("EGP", 2, 1, None),
    currency("ETB", 2, 1, None),
    currency("EUR", 2, 1, Some(50)),
    currency("FJD", 2, 1, None),
    currency("FKP", 2, 1, None),
    currency("GBP", 2, 1, Some(30)),
    currency("GEL", 2, 1, None),
    currency("GIP", 2, 1, None),
    currency("GMD", 2, 1, None),
    currency("GNF", 0, 1, None),
    currency("GTQ", 2, 1, None),
    currency("GYD", 2, 1, None),
    currency("HKD", 2, 1, Some(400)),
    currency("HNL", 2, 1, None),
    currency("HTG", 2, 1, None),
    currency("HUF", 2, 100, Some(17_500)),
    currency("IDR", 2, 1, None),
    currency("ILS", 2, 1, None),
    currency("INR", 2, 1, Some(50)),
    currency("ISK", 2, 100, None),
    currency("JMD", 2, 1, None),
    currency("JOD", 3, 10, None),
    currency("JPY", 0, 1, Some(50)),
    currency("KES", 2, 1, None),
    currency("KGS", 2, 1, None),
    currency("KHR", 2, 1, None),
    currency("KMF", 0, 1, None),
    currency("KRW", 0, 1, Some(100)),
    currency("KWD", 3, 10, None),
    currency("KYD", 2, 1, None),
    currency("KZT", 2, 1, None),
    currency("LAK", 2, 1, None),
    currency("LBP", 2, 1, None),
    currency("LKR", 2, 1, None),
    currency("LRD", 2, 1, None),
    currency("LSL", 2, 1, None),
    currency("MAD", 2, 1, None),
    currency("MDL", 2, 1, None),
    currency("MGA", 0, 1, None),
    currency("MKD", 2, 1, None),
    currency("MMK", 2, 1, None),
    currency("MNT", 2, 1, None),
    currency("MOP", 2, 1, None),
    currency("MUR", 2, 1, None),
    currency("MVR", 2, 1, None),
    currency("MWK", 2, 1, None),
    currency("MXN", 2, 1, Some(1_000)),
    currency("MYR", 2, 1, Some(200)),
    currency("MZN", 2, 1, None),
    currency("NAD", 2, 1, None),
    currency("NGN", 2, 1, None),
    currency("NIO", 2, 1, None),
    currency("NOK", 2, 1, Some(300)),
    currency("NPR", 2, 1, None),
    currency("NZD", 2, 1, Some(50)),
    currency("OMR", 3, 10, None),
    currency("PAB", 2, 1, None),
    currency("PEN", 2, 1, None),
    currency("PGK", 2, 1, None),
    currency("PHP", 2, 1, None),
    currency("PKR", 2, 1, None),
    currency("PLN", 2, 1, Some(200)),
    currency("PYG", 0, 1, None),
    currency("QAR", 2, 1, None),
    currency("RON", 2, 1, Some(200)),
    currency("RSD", 2, 1, None),
    currency("RUB", 2, 1, None),
    currency("RWF", 0, 1, None),
    currency("SAR", 2, 1, None),
    currency("SBD", 2, 1, None),
    currency("SCR", 2, 1, None),
    currency("SEK", 2, 1, Some(300)),
    currency("SGD", 2, 1, Some(50)),
    currency("SHP", 2, 1, None),
    currency("SLE", 2, 1, None),
    currency("SOS", 2, 1, None),
    currency("SRD", 2, 1, None),
    currency("STD", 2, 1, None),
    currency("SZL", 2, 1, None),
    currency("THB", 2, 1, Some(1_000)),
    currency("TJS", 2, 1, None),
    currency("TND", 3, 10, None),
    currency("TOP", 2, 1, None),
    currency("TRY", 2, 1, Some(50)),
    currency("TTD", 2, 1, None),
    currency("TWD", 2, 100, None),
    currency("TZS", 2, 1, None),
    currency("UAH", 2, 1, None),
    currency("UGX", 2, 100, None),
    currency("USD", 2, 1, Some(50)),
    currency("UYU", 2, 1, None),
    currency("UZS", 2, 1, None),
    currency("VND", 0, 1, None),
    currency("VUV", 0, 1, None),
    currency("WST", 2, 1, None),
    currency("XAF", 0, 1, None),
    currency("XCD", 2, 1, None),
    currency("XOF", 0, 1, None),
    currency("XPF", 0, 1, None),
    currency("YER", 2, 1, None),
    currency("ZAR", 2, 1, Some(50)),
    currency("ZMW", 2, 1, None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_and_its_minimum_can_be_charged() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} is not before {}", pair[0].code, pair[1].code);
        }
        for chargeable in &TABLE {
            let currency = parse(chargeable.code).unwrap();
            assert!(currency.minimum() > 0 && currency.minimum() % currency.step() == 0, "{currency}");
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
