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

    /// One line of text without surrounding white space; a fault when its length in characters is
    /// outside `length`, when it holds line breaks or other control characters, or shows nothing.
    pub fn text(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) -> String {
        self.written(field, text, length, char::is_control)
    }

    /// Like [`Check::text`]; blank text counts as absent.
    pub fn optional_text(&mut self, field: &str, text: Option<&str>, longest: usize) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        Some(self.text(field, text, 1..=longest))
    }

    /// Like [`Check::optional_text`], with line breaks and tabs allowed.
    pub fn optional_paragraphs(&mut self, field: &str, text: Option<&str>, longest: usize) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        Some(self.written(field, text, 1..=longest, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')))
    }

    fn written(
        &mut self,
        field: &str,
        text: &str,
        length: RangeInclusive<usize>,
        is_control: impl Fn(char) -> bool,
    ) -> String {
        let text = text.trim();
        let count = text.chars().count();
        if text.chars().any(|c| is_control(c) || is_deceptive(c)) {
            self.fault(field, "must not hold control characters");
        } else if !length.contains(&count) {
            self.fault(field, format!("must have {} to {} characters", length.start(), length.end()));
        } else if count > 0 && text.chars().all(is_invisible) {
            self.fault(field, "must show something");
        }
        text.to_owned()
    }

    /// A fault when the amount is outside what the card network takes or the currency is not offered.
    pub fn price(&mut self, field: &str, money: &Money, offered: &[Currency]) {
        if !offered.contains(&money.currency) {
            let codes: Vec<_> = offered.iter().map(ToString::to_string).collect();
            self.fault(&format!("{field}.currency"), format!("must be one of {}", codes.join(", ")));
        } else if !(money.currency.minimum()..=MAXIMUM).contains(&money.amount) {
            let least = money.currency.minimum();
            self.fault(&format!("{field}.amount"), format!("must be {least} to {MAXIMUM} in minor units"));
        } else if money.amount % money.currency.step() != 0 {
            let step = money.currency.step();
            self.fault(&format!("{field}.amount"), format!("must be a multiple of {step} in minor units"));
        }
    }

    /// An error that names every fault, if there is one.
    pub fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

/// Line separators that are no control characters, and what makes text run the other way: a title
/// could be made to read as another one.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Characters that take no room: joiners are a part of words, but no words by themselves.
fn is_invisible(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
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

    #[test]
    fn text_reads_as_what_it_is() {
        let is_good = |text: &str| {
            let mut check = Check::default();
            check.text("title", text, 1..=200);
            check.finish().is_ok()
        };
        for good in ["Carmen", "Beyoncé", "میراث\u{200c}ها", "👩‍🎤 live"] {
            assert!(is_good(good), "{good:?}");
        }
        for bad in
            ["", "two\nlines", "a\tb", "nul\0", "\u{200b}", "\u{200b} \u{feff}", "price\u{202e}001", "a\u{2028}b"]
        {
            assert!(!is_good(bad), "{bad:?}");
        }
        let mut check = Check::default();
        assert_eq!(check.optional_paragraphs("description", Some(" a\n\tb "), 9).as_deref(), Some("a\n\tb"));
        assert!(check.finish().is_ok());
    }
}
