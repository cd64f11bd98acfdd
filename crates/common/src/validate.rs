//! Collects what is wrong with a request's fields, so that one answer names them all.

use std::ops::RangeInclusive;

use crate::error::Error;
use crate::money::{Currency, MAXIMUM, Money};
use crate::problem::FieldError;

/// The faults found so far.
#[derive(Debug, Default)]
pub struct Check(Vec<FieldError>);

impl Check {
    /// Notes a fault.
    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// The text without surrounding white space; a fault when its length in characters is outside
    /// `length` or it holds control characters other than line breaks and tabs.
    pub fn text(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) -> String {
        let text = text.trim();
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.fault(field, "must not hold control characters");
        } else if !length.contains(&text.chars().count()) {
            self.fault(field, format!("must have {} to {} characters", length.start(), length.end()));
        }
        text.to_owned()
    }

    /// Like [`Check::text`]; blank text counts as absent.
    pub fn optional_text(&mut self, field: &str, text: Option<&str>, longest: usize) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        Some(self.text(field, text, 1..=longest))
    }

    /// A fault when the amount is outside what the card network takes or the currency is not offered.
    pub fn price(&mut self, field: &str, money: &Money, offered: &[Currency]) {
        if !offered.contains(&money.currency) {
            let codes: Vec<_> = offered.iter().map(ToString::to_string).collect();
            self.fault(&format!("{field}.currency"), format!("must be one of {}", codes.join(", ")));
        } else if !(money.currency.minimum()..=MAXIMUM).contains(&money.amount) {
            let least = money.currency.minimum();
            self.fault(&format!("{field}.amount"), format!("must be {least} to {MAXIMUM} in minor units"));
        }
    }

    /// An error that names every fault, if there is one.
    pub fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named() {
        let mut check = Check::default();
        let usd: Currency = "USD".parse().unwrap();
        assert_eq!(check.text("title", "  Jazz  ", 1..=5), "Jazz");
        check.text("venue", "   ", 1..=5);
        check.price("price", &Money { amount: 49, currency: usd.clone() }, std::slice::from_ref(&usd));
        check.price("faceValue", &Money { amount: 500, currency: "EUR".parse().unwrap() }, &[usd]);
        assert_eq!(check.optional_text("seat", Some(" "), 5), None);
        let Err(Error::Invalid(errors)) = check.finish() else { panic!("must be refused") };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["venue", "price.amount", "faceValue.currency"]);
    }
}
