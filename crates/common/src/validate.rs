//! What `validator` found wrong with a request, as a problem names it; and the checks that it lacks.
//!
//! # Why
//! Requests say what they must be where their fields are declared. The extractors check it, so that a handler can't
//! forget to, and one conversion makes an answer of it that names every field at fault.

use std::borrow::Cow;

use serde_json::Value;
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use crate::error::Error;
use crate::money::{Currency, MAXIMUM, Money};
use crate::problem::FieldError;

/// The parameter of a [`ValidationError`] that names what within the field is at fault: `amount` of a price. For a
/// fault of the whole request, the field's path.
const WITHIN: &str = "within";

/// A fault with a message for people to read.
pub fn fault(code: &'static str, message: impl Into<Cow<'static, str>>) -> ValidationError {
    ValidationError::new(code).with_message(message.into())
}

/// A fault of something within the field.
pub fn fault_within(path: &'static str, code: &'static str, message: impl Into<Cow<'static, str>>) -> ValidationError {
    let mut fault = fault(code, message);
    fault.add_param(WITHIN.into(), &path);
    fault
}

/// One fault of each field, by path.
pub fn faults(errors: &ValidationErrors) -> Vec<FieldError> {
    let mut faults = Vec::new();
    collect(errors, "", &mut faults);
    faults.sort_by(|one, other| one.field.cmp(&other.field));
    faults.dedup_by(|one, other| one.field == other.field);
    faults
}

impl From<ValidationErrors> for Error {
    fn from(errors: ValidationErrors) -> Self {
        Self::Invalid(faults(&errors))
    }
}

fn collect(errors: &ValidationErrors, above: &str, faults: &mut Vec<FieldError>) {
    for (name, kind) in errors.errors() {
        // What concerns several fields is filed under no field.
        let path = if name == "__all__" { above.to_owned() } else { join(above, &camel_case(name)) };
        match kind {
            ValidationErrorsKind::Struct(inner) => collect(inner, &path, faults),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect(inner, &format!("{path}[{index}]"), faults);
                }
            }
            ValidationErrorsKind::Field(found) => {
                let first = found.first().map(|fault| {
                    let within = fault.params.get(WITHIN).and_then(Value::as_str).unwrap_or_default();
                    FieldError { field: join(&path, within), message: message(fault) }
                });
                faults.extend(first);
            }
        }
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() || name.is_empty() { format!("{above}{name}") } else { format!("{above}.{name}") }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}

fn message(fault: &ValidationError) -> String {
    if let Some(message) = &fault.message {
        return message.to_string();
    }
    let bound = |name: &str| fault.params.get(name).map(ToString::to_string);
    match (&*fault.code, bound("min"), bound("max")) {
        ("length", Some(min), Some(max)) => format!("must have {min} to {max} characters"),
        ("length", None, Some(max)) => format!("must have at most {max} characters"),
        ("range", Some(min), Some(max)) => format!("must be a number from {min} to {max}"),
        _ => "is not valid".to_owned(),
    }
}

/// Whether the amount is what the card network takes, and the currency offered.
pub fn price(money: &Money, offered: &[Currency]) -> Result<(), ValidationError> {
    let (least, step) = (money.currency.minimum(), money.currency.step());
    if !offered.contains(&money.currency) {
        let codes: Vec<_> = offered.iter().map(ToString::to_string).collect();
        Err(fault_within("currency", "currency", format!("must be one of {}", codes.join(", "))))
    } else if !(least..=MAXIMUM).contains(&money.amount) {
        Err(fault_within("amount", "range", format!("must be {least} to {MAXIMUM} in minor units")))
    } else if money.amount % step != 0 {
        Err(fault_within("amount", "step", format!("must be a multiple of {step} in minor units")))
    } else {
        Ok(())
    }
}

/// Whether mail could be sent to it. Only ASCII: there two addresses that look the same are the same.
pub fn email(address: &str) -> Result<(), ValidationError> {
    let parts = address.rsplit_once('@').filter(|_| address.len() <= 254);
    match parts {
        Some((local, domain)) if is_local_part(local) && is_domain(domain) => Ok(()),
        _ => Err(fault("email", "must be an email address such as ana@example.com")),
    }
}

/// RFC 5321's dot-string; the quoted form is not in use.
fn is_local_part(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte))
    };
    text.len() <= 64 && text.split('.').all(is_atom)
}

/// At least two labels, of which the last is not a number: no address of a machine.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = text.rsplit('.').next().unwrap_or_default();
    text.contains('.')
        && text.split('.').all(is_label)
        && top.len() > 1
        && !top.bytes().all(|byte| byte.is_ascii_digit())
}

/// A time zone by its name in the IANA database, as that writes it, however it was written.
pub fn time_zone(name: &str) -> Option<String> {
    Some(jiff::tz::TimeZone::get(name).ok()?.iana_name()?.to_owned())
}

#[cfg(test)]
mod tests {
    use validator::Validate;

    use super::*;

    #[derive(Validate)]
    struct Outer {
        #[validate(length(min = 1, max = 5), custom(function = "never"))]
        first_name: String,
        #[validate(custom(function = "dear"))]
        list_price: Money,
        #[validate(nested)]
        inner: Vec<Inner>,
        #[validate(range(min = 1, max = 100))]
        limit: Option<u32>,
    }

    #[derive(Validate)]
    #[validate(schema(function = "whole"))]
    struct Inner {
        #[validate(length(max = 3))]
        some_text: String,
    }

    fn never(_: &str) -> Result<(), ValidationError> {
        Err(fault("never", "must not be"))
    }

    fn dear(price: &Money) -> Result<(), ValidationError> {
        super::price(price, &["USD".parse().unwrap()])
    }

    fn whole(inner: &Inner) -> Result<(), ValidationError> {
        if inner.some_text == "odd" { Err(fault_within("someText", "odd", "must be even")) } else { Ok(()) }
    }

    #[test]
    fn every_field_at_fault_is_named_once_and_by_its_path() {
        let outer = Outer {
            first_name: String::new(),
            list_price: Money { amount: 1, currency: "USD".parse().unwrap() },
            inner: vec![Inner { some_text: "odd".to_owned() }, Inner { some_text: "long".to_owned() }],
            limit: Some(101),
        };
        let faults = faults(&outer.validate().unwrap_err());
        let told: Vec<_> = faults.iter().map(|fault| (fault.field.as_str(), fault.message.as_str())).collect();
        let expected = [
            ("firstName", "must have 1 to 5 characters"),
            ("inner[0].someText", "must be even"),
            ("inner[1].someText", "must have at most 3 characters"),
            ("limit", "must be a number from 1 to 100"),
            ("listPrice.amount", "must be 50 to 99999999 in minor units"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_price_is_one_that_can_be_charged() {
        let usd: Currency = "USD".parse().unwrap();
        let said = |amount, code: &str| {
            let money = Money { amount, currency: code.parse().unwrap() };
            price(&money, &[usd.clone(), "KWD".parse().unwrap()]).map_err(|fault| message(&fault))
        };
        assert_eq!(said(50, "USD"), Ok(()));
        assert_eq!(said(49, "USD"), Err(format!("must be 50 to {MAXIMUM} in minor units")));
        assert_eq!(said(500, "EUR"), Err("must be one of USD, KWD".to_owned()));
        assert_eq!(said(1_001, "KWD"), Err("must be a multiple of 10 in minor units".to_owned()));
    }

    #[test]
    fn a_time_zone_has_the_name_of_the_database() {
        assert_eq!(time_zone("europe/berlin").as_deref(), Some("Europe/Berlin"));
        for unknown in ["", "Atlantis/Capital", "+01:00", "CEST"] {
            assert_eq!(time_zone(unknown), None, "{unknown}");
        }
    }
}
