//! Money: integer minor units and an ISO 4217 currency. Never a float.
//!
//! # Why
//! What can be charged is one table, [`chargeable`]: a price that is listed and can't be charged is found when the
//! service starts, not when the first buyer pays.

use std::fmt;
use std::str::FromStr;

use chargeable::ChargeRules;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub mod chargeable;

/// The text is not three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO 4217 code of three capital letters such as USD")]
pub struct InvalidCurrency;

/// An ISO 4217 code such as `USD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
pub struct Currency(String);

impl Currency {
    /// The least amount, in minor units, that the card network takes in this currency.
    pub fn minimum(&self) -> i64 {
        self.chargeable().map_or(chargeable::LEAST, |chargeable| chargeable.minimum)
    }

    /// What every amount has to be a multiple of, in minor units: 1 for USD, 10 for KWD, 100 for ISK.
    pub fn step(&self) -> i64 {
        self.chargeable().map_or(1, |chargeable| chargeable.step)
    }

    /// What the card network says of it; `None` when it does not charge it.
    fn chargeable(&self) -> Option<ChargeRules> {
        chargeable::find(&self.0)
    }

    /// The code in lower case, as card networks write it.
    pub fn lower(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// How many digits the minor unit has, as amounts are written for the card network: 2 for USD, 0 for JPY.
    pub fn digits(&self) -> usize {
        self.chargeable().map_or(2, |chargeable| chargeable.digits)
    }
}

impl JsonSchema for Currency {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$" })
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
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCurrency)
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;
    fn try_from(text: String) -> Result<Self, InvalidCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

/// An amount in a currency's minor units: `{"amount": 12550, "currency": "USD"}` is 125.50 US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Money {
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: Currency,
}

impl<'de> Deserialize<'de> for Money {
    /// From an object alone: derived code would also take a bare list of the two values.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with amount and currency")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Money, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            amount: i64,
            currency: Currency,
        }
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Money { amount: fields.amount, currency: fields.currency })
    }
}

/// The most that one charge may be, in minor units (eight digits, as card networks have it).
pub const MAXIMUM: i64 = 99_999_999;

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.digits();
        let unit = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
        let amount = self.amount.unsigned_abs();
        let sign = if self.amount < 0 { "-" } else { "" };
        if digits == 0 {
            write!(f, "{sign}{amount} {}", self.currency)
        } else {
            write!(f, "{sign}{}.{:0digits$} {}", amount / unit, amount % unit, self.currency)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_people_write_it() {
        let show = |amount, currency: &str| Money { amount, currency: currency.parse().unwrap() }.to_string();
        assert_eq!(show(12_550, "USD"), "125.50 USD");
        assert_eq!(show(5, "EUR"), "0.05 EUR");
        assert_eq!(show(900, "JPY"), "900 JPY");
        assert_eq!(show(1_234, "KWD"), "1.234 KWD");
    }

    #[test]
    fn a_currency_is_three_capitals() {
        for text in ["usd", "US", "USDX", "U1D", ""] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }

    #[test]
    fn money_is_an_object() {
        let read = serde_json::from_str::<Money>;
        assert_eq!(read(r#"{"amount":5,"currency":"EUR"}"#).unwrap().to_string(), "0.05 EUR");
        for text in [
            r#"[5,"EUR"]"#,
            r#"{"amount":5}"#,
            r#"{"amount":5.0,"currency":"EUR"}"#,
            "5",
            r#"{"amount":5,"currency":"EUR","tip":1}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
