//! Parsing of form fields, and the errors shown at them.

use std::collections::BTreeMap;
use std::str::FromStr;

use common::money::{Currency, Money};
use common::problem::{FieldError, Problem};
use common::validate;
use strum::VariantArray;
use validator::ValidationErrors;

/// Error messages by form field; errors of the whole form are under the empty name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FormErrors(BTreeMap<String, String>);

impl FormErrors {
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The error of the whole form.
    pub(crate) fn general(&self) -> Option<&str> {
        self.get("")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an error as a sentence, unless the field has one already.
    pub(crate) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.entry(field.to_owned()).or_insert_with(|| sentence(&message.into()));
    }

    /// The errors in a service's response, or its detail if it names no field. `field` maps an API field to a form
    /// field. An error of an API field without a form field is shown above the form.
    pub(crate) fn from_problem(problem: &Problem, field: impl Fn(&str) -> Option<&'static str>) -> Self {
        let errors = Self::from_fields(&problem.errors, field);
        if errors.is_empty() { Self::new("", &problem.detail) } else { errors }
    }

    /// The errors found by a request's own validation rules before it was sent.
    pub(crate) fn from_validation(errors: &ValidationErrors, field: impl Fn(&str) -> Option<&'static str>) -> Self {
        Self::from_fields(&validate::invalid_fields(errors), field)
    }

    fn from_fields(invalid: &[FieldError], field: impl Fn(&str) -> Option<&'static str>) -> Self {
        let mut errors = Self::default();
        for error in invalid {
            match field(&error.field) {
                Some(name) => errors.add(name, &error.message),
                None => errors.add("", format!("{} {}", error.field, error.message)),
            }
        }
        errors
    }
}

/// `must be so` becomes `Must be so.`
fn sentence(message: &str) -> String {
    let text = capitalized(message.trim());
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// The text with its first letter in upper case.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Parses the name of a variant; the error lists all names.
pub(crate) fn parse_choice<T: FromStr + VariantArray + AsRef<str>>(name: &str) -> Result<T, String> {
    let names = || T::VARIANTS.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    name.parse().map_err(|_| format!("must be one of {}", names()))
}

/// Parses an amount as people write it: `125`, `125.5` or `125,50` in a currency with two digits.
pub(crate) fn parse_money(text: &str, currency: &Currency) -> Result<Money, String> {
    let text = text.trim().replace(',', ".");
    let digits = currency.decimals();
    let example = if digits == 0 { "125".to_owned() } else { format!("125.{}", "5".repeat(digits)) };
    let error = || format!("must be an amount such as {example}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > digits {
        return Err(error());
    }
    let amount: i64 = format!("{whole}{part:0<digits$}").parse().map_err(|_| error())?;
    Ok(Money { amount, currency: currency.clone() })
}

/// An amount as it is typed, without its currency: `125.50`.
pub(crate) fn format_amount(money: &Money) -> String {
    money.to_string().split(' ').next().unwrap_or_default().to_owned()
}

/// The requested path if it is on this site, otherwise `/`.
/// Browsers read `\` as `/` and drop tabs and line breaks, so a path with one of these may lead to another site.
pub(crate) fn safe_redirect_path(requested: &str) -> &str {
    let is_path = requested.is_ascii()
        && requested.starts_with('/')
        && !requested.starts_with("//")
        && !requested.contains(['\\', '\n', '\r', '\t']);
    if is_path { requested } else { "/" }
}

/// Whether a text has a digit wherever the pattern has `0`, and equals it elsewhere.
pub(crate) fn matches_digit_pattern(text: &str, pattern: &str) -> bool {
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
    fn amounts_are_parsed_as_people_write_them() {
        for (text, code, minor) in [
            ("125", "USD", 12_500),
            (" 125.5 ", "USD", 12_550),
            ("125,50", "EUR", 12_550),
            ("0.01", "USD", 1),
            ("1250", "JPY", 1_250),
            ("1.005", "KWD", 1_005),
        ] {
            let money = parse_money(text, &currency(code)).unwrap();
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
            assert!(parse_money(text, &currency(code)).unwrap_err().starts_with("must be"), "{text}");
        }
        assert_eq!(format_amount(&parse_money("125.5", &currency("USD")).unwrap()), "125.50");
    }

    #[test]
    fn redirects_stay_on_this_site() {
        for (requested, expected) in [
            ("/orders?cursor=a", "/orders?cursor=a"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example", "/"),
        ] {
            assert_eq!(safe_redirect_path(requested), expected);
        }
    }

    #[test]
    fn errors_are_attached_to_their_fields() {
        let mut problem = common::error::Error::NotFound.problem();
        problem.errors = [("price.amount", "must be at least 50"), ("nonce", "is unknown")]
            .map(|(field, message)| FieldError { field: field.to_owned(), message: message.to_owned() })
            .into();
        let errors = FormErrors::from_problem(&problem, |field| field.starts_with("price").then_some("price"));
        assert_eq!(errors.get("price"), Some("Must be at least 50."));
        assert_eq!(errors.general(), Some("Nonce is unknown."));
        (problem.errors, problem.detail) = (Vec::new(), "Sign in".to_owned());
        assert_eq!(FormErrors::from_problem(&problem, |_| None).general(), Some("Sign in."));
    }
}
