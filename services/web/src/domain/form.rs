//! Forms: what was typed, what is wrong with it, and what it means.

use std::collections::BTreeMap;

use common::money::{Currency, Money};
use common::problem::FieldError;
use common::validate;
use validator::ValidationErrors;

/// What is wrong, by the name of the form's field; under the empty name what concerns no field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<String, String>);

impl Faults {
    /// What is wrong with a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// What concerns the whole form.
    pub fn general(&self) -> Option<&str> {
        self.of("")
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what is wrong with a field, in a sentence.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.entry(field.to_owned()).or_insert_with(|| sentence(&message.into()));
    }

    /// What a service found wrong: `field` names the form's field for one of the API, or none.
    pub fn from_problem(errors: &[FieldError], detail: &str, field: impl Fn(&str) -> Option<&'static str>) -> Self {
        let mut faults = Self::default();
        for error in errors {
            match field(&error.field) {
                Some(name) => faults.add(name, &error.message),
                None => faults.add("", format!("{} {}", error.field, error.message)),
            }
        }
        if faults.is_empty() {
            faults.add("", detail);
        }
        faults
    }

    /// What the rules of a request found wrong, before it was sent.
    pub fn from_rules(errors: &ValidationErrors, field: impl Fn(&str) -> Option<&'static str>) -> Self {
        Self::from_problem(&validate::faults(errors), "", field)
    }
}

/// `must be so` becomes `Must be so.`
fn sentence(message: &str) -> String {
    let mut letters = message.trim().chars();
    let text: String = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// An amount as people write it: `125`, `125.5` or `125.50` in a currency with two digits.
pub fn money(text: &str, currency: &Currency) -> Result<Money, String> {
    let text = text.trim().replace(',', ".");
    let digits = currency.digits();
    let example = if digits == 0 { "125".to_owned() } else { format!("125.{}", "5".repeat(digits)) };
    let fault = || format!("must be an amount such as {example}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > digits {
        return Err(fault());
    }
    let amount: i64 = format!("{whole}{part:0<digits$}").parse().map_err(|_| fault())?;
    Ok(Money { amount, currency: currency.clone() })
}

/// An amount as it is typed, without its currency: `125.50`.
pub fn amount(money: &Money) -> String {
    money.to_string().split(' ').next().unwrap_or_default().to_owned()
}

/// Where to go on: a path of ours, or the first page. Never another site.
pub fn next(wanted: &str) -> &str {
    let is_path = wanted.is_ascii()
        && wanted.starts_with('/')
        && !wanted.starts_with("//")
        && !wanted.contains(['\\', '\n', '\r', '\t']);
    if is_path { wanted } else { "/" }
}

/// Whether a text has digits where the pattern has a `0`, and the same elsewhere.
pub fn is_shaped(text: &str, pattern: &str) -> bool {
    let is_same = |(one, other): (u8, u8)| if other == b'0' { one.is_ascii_digit() } else { one == other };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for (text, code, minor) in [
            ("125", "USD", 12_500),
            (" 125.5 ", "USD", 12_550),
            ("125,50", "EUR", 12_550),
            ("0.01", "USD", 1),
            ("1250", "JPY", 1_250),
            ("1.005", "KWD", 1_005),
        ] {
            let money = money(text, &currency(code)).unwrap();
            assert_eq!((money.amount, money.currency), (minor, currency(code)), "{text}");
        }
        for (text, code) in [
            ("", "USD"),
            (".5", "USD"),
            ("1.555", "USD"),
            ("1.5", "JPY"),
            ("-1", "USD"),
            ("1e3", "USD"),
            ("1.2.3", "USD"),
            ("99999999999999999999", "USD"),
        ] {
            assert!(money(text, &currency(code)).unwrap_err().starts_with("must be"), "{text}");
        }
        assert_eq!(amount(&money("125.5", &currency("USD")).unwrap()), "125.50");
    }

    #[test]
    fn the_way_back_stays_with_us() {
        for (wanted, to) in [
            ("/orders?cursor=a", "/orders?cursor=a"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example", "/"),
        ] {
            assert_eq!(next(wanted), to);
        }
    }

    #[test]
    fn faults_are_told_where_they_belong() {
        let errors = [("price.amount", "must be at least 50"), ("nonce", "is unknown")]
            .map(|(field, message)| FieldError { field: field.to_owned(), message: message.to_owned() });
        let faults =
            Faults::from_problem(&errors, "Correct it.", |field| field.starts_with("price").then_some("price"));
        assert_eq!(faults.of("price"), Some("Must be at least 50."));
        assert_eq!(faults.general(), Some("Nonce is unknown."));
        let faults = Faults::from_problem(&[], "Sign in", |_| None);
        assert_eq!(faults.general(), Some("Sign in."));
    }
}
