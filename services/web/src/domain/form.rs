//! Parsing of form fields, and the errors shown at them.
//!
//! # Errors
//! `FormErrors` has one error for each field: a whole sentence in the reader's language, which does not name the
//! field, such as "Enter at least €0.50." It is shown at the field, and after the field's label in the list above the
//! form. A form adds what it finds itself as a message: `errors.add("price", msg::form_min_amount(price))`. Functions
//! that read a field, such as `read_amount` and `WallTimeError::message`, return such sentences. The errors of a service
//! or of a request's validation rules come from `FormErrors::from_problem` and `FormErrors::from_validation`, which
//! write the sentence by the error's code: see `problem_text::field_message`. Labels are made when they are shown, for
//! `FormErrors::of_fields`.

use std::collections::BTreeMap;
use std::str::FromStr;

use common::problem::{FieldError, Problem};
use common::validate;
use validator::ValidationErrors;

use super::problem_text::{detail, field_message, sentence};
use crate::i18n::msg;

/// Error messages by form field; errors of the whole form are under the empty name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FormErrors(BTreeMap<String, String>);

/// An error of a field, for the list of errors above the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault<'a> {
    /// Id of the field.
    pub id: &'a str,
    pub label: String,
    pub text: &'a str,
}

impl FormErrors {
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The errors of these fields, in this order. Each field is given by its id and its label.
    pub(crate) fn of_fields<L: Clone + Into<String>>(&self, fields: &[(&'static str, L)]) -> Vec<Fault<'_>> {
        let fault =
            |&(id, ref label): &(&'static str, L)| Some(Fault { id, label: label.clone().into(), text: self.get(id)? });
        fields.iter().filter_map(fault).collect()
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
    /// field. For an API field without a form field, the form says that something was not accepted.
    pub(crate) fn from_problem(problem: &Problem, field: impl Fn(&str) -> Option<&'static str>) -> Self {
        let errors = Self::from_fields(&problem.errors, field);
        if errors.is_empty() { Self::new("", detail(problem)) } else { errors }
    }

    /// The errors found by a request's own validation rules before it was sent.
    pub(crate) fn from_validation(errors: &ValidationErrors, field: impl Fn(&str) -> Option<&'static str>) -> Self {
        Self::from_fields(&validate::invalid_fields(errors), field)
    }

    fn from_fields(invalid: &[FieldError], field: impl Fn(&str) -> Option<&'static str>) -> Self {
        let mut errors = Self::default();
        for error in invalid {
            match field(&error.field) {
                Some(name) => errors.add(name, field_message(error)),
                None => errors.add("", msg::form_unknown_field()),
            }
        }
        errors
    }
}

/// The text with its first letter in upper case.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Parses the name of a variant; the error is a sentence.
pub(crate) fn parse_choice<T: FromStr>(name: &str) -> Result<T, String> {
    name.parse().map_err(|_| msg::form_choice())
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
    use common::problem::Params;

    use super::*;
    use crate::i18n::testing::in_german;

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
        let usd = common::money::Money { amount: 50, currency: "USD".parse().unwrap() };
        problem.errors = vec![
            FieldError::new("price.amount", "must be at least 0.50 USD").with_code("min-amount", Params::from(&usd)),
            FieldError::new("title", "must be another"),
            FieldError::new("nonce", "is unknown"),
        ];
        let field = |field: &str| match field {
            "title" => Some("title"),
            other => other.starts_with("price").then_some("price"),
        };
        let errors = FormErrors::from_problem(&problem, field);
        assert_eq!(errors.get("price"), Some("Enter at least $0.50."));
        assert_eq!(errors.get("title"), Some("Must be another."), "the service's own words");
        assert!(errors.general().is_some_and(|text| !text.contains("nonce")), "{errors:?}");
        let fault = |id, label: &str, text| Fault { id, label: label.to_owned(), text };
        let expected = [fault("title", "Title", "Must be another."), fault("price", "Price", "Enter at least $0.50.")];
        assert_eq!(errors.of_fields(&[("title", "Title"), ("price", "Price")]), expected);
        let errors = in_german(|| FormErrors::from_problem(&problem, field));
        assert_eq!(errors.get("price"), Some("Gib mindestens 0,50\u{a0}$ ein."));
        assert_eq!(errors.get("title"), Some("Diese Angabe ist nicht gültig."));
        problem.errors = Vec::new();
        assert_eq!(FormErrors::from_problem(&problem, |_| None).general(), Some(detail(&problem).as_str()));
    }
}
