//! Parsing of form fields, and the errors shown at them.

use std::collections::BTreeMap;
use std::str::FromStr;

use common::problem::{FieldError, Problem};
use common::validate;
use serde::{Deserialize, Serialize};
use strum::VariantArray;
use validator::ValidationErrors;

/// Error messages by form field; errors of the whole form are under the empty name, so they are stored as pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(String, String)>", into = "Vec<(String, String)>")]
pub(crate) struct FormErrors(BTreeMap<String, String>);

/// An error of a field, for the list of errors above the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault<'a> {
    /// Id of the field.
    pub id: &'a str,
    pub label: String,
    pub text: &'a str,
}

impl From<Vec<(String, String)>> for FormErrors {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<FormErrors> for Vec<(String, String)> {
    fn from(errors: FormErrors) -> Self {
        errors.0.into_iter().collect()
    }
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
        let listed = errors.of_fields(&[("title", "Title"), ("price", "Price")]);
        assert_eq!(listed, [Fault { id: "price", label: "Price".to_owned(), text: "Must be at least 50." }]);
        (problem.errors, problem.detail) = (Vec::new(), "Sign in".to_owned());
        assert_eq!(FormErrors::from_problem(&problem, |_| None).general(), Some("Sign in."));
    }
}
