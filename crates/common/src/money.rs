//! Money: integer minor units and an ISO 4217 currency. Never a float.
//!
//! # Why
//! The supported currencies are one table, [`chargeable`], so that a service whose configuration names an unsupported
//! one fails at start-up, not when the first buyer pays.

use std::fmt;
use std::str::FromStr;

use chargeable::ChargeRules;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::string_form::{serde_as_string, string_schema};

pub mod chargeable;

/// The text is not three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO 4217 code of three capital letters such as USD")]
pub struct InvalidCurrency;

/// An ISO 4217 code such as `USD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
pub struct Currency(String);

serde_as_string!(Currency);
string_schema!(Currency, "pattern": "^[A-Z]{3}$");

impl Currency {
    /// The smallest amount, in minor units, that can be charged in this currency.
    pub fn min_charge(&self) -> i64 {
        self.rules().map_or(chargeable::DEFAULT_MINIMUM, |rules| rules.minimum)
    }

    /// The unit, in minor units, that every amount must be a multiple of: 1 for USD, 10 for KWD, 100 for ISK.
    pub fn increment(&self) -> i64 {
        self.rules().map_or(1, |rules| rules.increment)
    }

    /// The rules of the payment provider; `None` if it does not support the currency.
    fn rules(&self) -> Option<ChargeRules> {
        chargeable::rules_for(&self.0)
    }

    /// The code in lower case, as the payment provider writes it.
    pub fn lowercase(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The number of decimal places in the payment provider's notation of amounts: 2 for USD, 0 for JPY.
    pub fn decimals(&self) -> usize {
        self.rules().map_or(2, |rules| rules.decimals)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;
    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let is_code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
        is_code.then(|| Self(text.to_owned())).ok_or(InvalidCurrency)
    }
}

/// An amount in a currency's minor units: `{"amount": 12550, "currency": "USD"}` is 125.50 US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// The amount in minor units.
    #[schema(minimum = 0, maximum = 99_999_999, example = 12_550)]
    pub amount: i64,
    /// The ISO 4217 code.
    pub currency: Currency,
}

impl Money {
    /// This amount for each of `count` seats; `None` if it is out of range.
    pub fn times(&self, count: usize) -> Option<Self> {
        let amount = i64::try_from(count).ok().and_then(|count| self.amount.checked_mul(count))?;
        Some(Self { amount, currency: self.currency.clone() })
    }
}

impl<'de> Deserialize<'de> for Money {
    /// Accepts only an object; derived code would also accept an array of the two values. Ignores unknown fields, which
    /// a later release may add to events.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MoneyVisitor { unknown_fields: UnknownFields::Ignored })
    }
}

/// Deserialises money in a request, where unknown fields are an error; for `#[serde(deserialize_with)]`.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    deserializer.deserialize_map(MoneyVisitor { unknown_fields: UnknownFields::Rejected })
}

/// Like [`exact`], for an optional field; with `#[serde(default)]`.
pub fn exact_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Exact(#[serde(deserialize_with = "exact")] Money);
    Ok(Option::<Exact>::deserialize(deserializer)?.map(|exact| exact.0))
}

#[derive(Clone, Copy)]
enum UnknownFields {
    Ignored,
    Rejected,
}

struct MoneyVisitor {
    unknown_fields: UnknownFields,
}

impl<'de> Visitor<'de> for MoneyVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with amount and currency")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Money, A::Error> {
        #[derive(Deserialize)]
        struct Fields {
            amount: i64,
            currency: Currency,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ExactFields {
            amount: i64,
            currency: Currency,
        }
        let map = MapAccessDeserializer::new(map);
        Ok(match self.unknown_fields {
            UnknownFields::Ignored => {
                let Fields { amount, currency } = Fields::deserialize(map)?;
                Money { amount, currency }
            }
            UnknownFields::Rejected => {
                let ExactFields { amount, currency } = ExactFields::deserialize(map)?;
                Money { amount, currency }
            }
        })
    }
}

/// The largest amount of a charge, in minor units: eight digits, the limit of card networks.
pub const MAX_CHARGE_AMOUNT: i64 = 99_999_999;

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        let unit = 10_u64.pow(u32::try_from(decimals).unwrap_or(0));
        let amount = self.amount.unsigned_abs();
        let sign = if self.amount < 0 { "-" } else { "" };
        if decimals == 0 {
            write!(f, "{sign}{amount} {}", self.currency)
        } else {
            write!(f, "{sign}{}.{:0decimals$} {}", amount / unit, amount % unit, self.currency)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_displays_as_a_decimal() {
        let show = |amount, currency: &str| Money { amount, currency: currency.parse().unwrap() }.to_string();
        assert_eq!(show(12_550, "USD"), "125.50 USD");
        assert_eq!(show(5, "EUR"), "0.05 EUR");
        assert_eq!(show(900, "JPY"), "900 JPY");
        assert_eq!(show(1_234, "KWD"), "1.234 KWD");
    }

    #[test]
    fn currency_is_three_capital_letters() {
        for text in ["usd", "US", "USDX", "U1D", ""] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }

    #[test]
    fn money_is_parsed_from_an_object_only() {
        let read = serde_json::from_str::<Money>;
        let read_exact = |text| exact(&mut serde_json::Deserializer::from_str(text));
        let text = r#"{"amount":5,"currency":"EUR"}"#;
        assert_eq!(read(text).unwrap().to_string(), "0.05 EUR");
        assert_eq!(read_exact(text).unwrap(), read(text).unwrap());
        for text in [r#"[5,"EUR"]"#, r#"{"amount":5}"#, r#"{"amount":5.0,"currency":"EUR"}"#, "5", "null"] {
            assert!(read(text).is_err() && read_exact(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_money_of_requests_rejects_unknown_fields() {
        let text = r#"{"amount":5,"currency":"EUR","tip":1}"#;
        assert_eq!(serde_json::from_str::<Money>(text).unwrap().to_string(), "0.05 EUR");
        let read = |text| exact_or_none(&mut serde_json::Deserializer::from_str(text));
        assert!(exact(&mut serde_json::Deserializer::from_str(text)).is_err());
        assert!(read(text).is_err());
        assert_eq!(read("null").unwrap(), None);
        assert_eq!(read(r#"{"amount":5,"currency":"EUR"}"#).unwrap().unwrap().to_string(), "0.05 EUR");
    }
}
