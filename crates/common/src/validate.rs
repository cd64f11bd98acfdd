//! Conversion of `validator`'s errors to field errors, and validators that `validator` lacks.
//!
//! # Why
//! Constraints are declared on the fields of the request types. The extractors check them, so that a handler can't
//! forget to, and a single conversion turns failures into a response that names every invalid field.

use std::borrow::Cow;

use serde_json::Value;
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use crate::error::Error;
use crate::money::{Currency, MAX_CHARGE_AMOUNT, Money};
use crate::problem::{FieldError, Param, Params};

/// Name of the [`ValidationError`] parameter that contains the path of the invalid part relative to the validated
/// field, such as `amount` in a price.
const NESTED_PATH: &str = "within";
/// The parameters of a [`ValidationError`] that clients are told. `validator` also adds the invalid value, which may be
/// a password.
const SHOWN_PARAMS: [&str; 4] = ["min", "max", "amount", "currency"];

/// A validation error with a human-readable message.
pub fn invalid(code: &'static str, message: impl Into<Cow<'static, str>>) -> ValidationError {
    ValidationError::new(code).with_message(message.into())
}

/// A validation error of a part of the field, or of one field if the whole request is validated.
pub fn invalid_part(path: &'static str, code: &'static str, message: impl Into<Cow<'static, str>>) -> ValidationError {
    let mut error = invalid(code, message);
    error.add_param(NESTED_PATH.into(), &path);
    error
}

/// The first error of each invalid field, sorted by path.
pub fn invalid_fields(errors: &ValidationErrors) -> Vec<FieldError> {
    let mut fields = Vec::new();
    collect(errors, "", &mut fields);
    fields.sort_by(|one, other| one.field.cmp(&other.field));
    fields.dedup_by(|one, other| one.field == other.field);
    fields
}

impl From<ValidationErrors> for Error {
    fn from(errors: ValidationErrors) -> Self {
        Self::Invalid(invalid_fields(&errors))
    }
}

fn collect(errors: &ValidationErrors, prefix: &str, fields: &mut Vec<FieldError>) {
    for (name, kind) in errors.errors() {
        // Errors of a whole struct have this name.
        let path = if name == "__all__" { prefix.to_owned() } else { join(prefix, &camel_case(name)) };
        match kind {
            ValidationErrorsKind::Struct(inner) => collect(inner, &path, fields),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect(inner, &format!("{path}[{index}]"), fields);
                }
            }
            ValidationErrorsKind::Field(found) => {
                fields.extend(found.iter().map(|error| {
                    let nested = error.params.get(NESTED_PATH).and_then(Value::as_str).unwrap_or_default();
                    let code = error.code.replace('_', "-");
                    FieldError::new(join(&path, nested), message(error)).with_code(&code, params(error))
                }));
            }
        }
    }
}

fn params(error: &ValidationError) -> Params {
    let param = |value: &Value| value.as_i64().map(Param::from).or_else(|| value.as_str().map(Param::from));
    let named = |name: &str| error.params.get(name).and_then(param);
    SHOWN_PARAMS.iter().fold(Params::default(), |params, name| match named(name) {
        Some(value) => params.with(name, value),
        None => params,
    })
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() || name.is_empty() { format!("{prefix}{name}") } else { format!("{prefix}.{name}") }
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

fn message(error: &ValidationError) -> String {
    if let Some(message) = &error.message {
        return message.to_string();
    }
    let bound = |name: &str| error.params.get(name).map(ToString::to_string);
    match (&*error.code, bound("min"), bound("max")) {
        ("length", Some(min), Some(max)) => format!("must have {min} to {max} characters"),
        ("length", None, Some(max)) => format!("must have at most {max} characters"),
        ("range", Some(min), Some(max)) => format!("must be a number from {min} to {max}"),
        _ => "is not valid".to_owned(),
    }
}

/// Validates that the currency is offered and that the payment provider accepts the amount.
pub fn price(money: &Money, offered: &[Currency]) -> Result<(), ValidationError> {
    let (minimum, increment) = (money.currency.min_charge(), money.currency.increment());
    if !offered.contains(&money.currency) {
        let codes: Vec<_> = offered.iter().map(ToString::to_string).collect();
        return Err(invalid_part("currency", "currency", format!("must be one of {}", codes.join(", "))));
    }
    within(money, minimum, "amount")?;
    if money.amount % increment == 0 {
        return Ok(());
    }
    let increment = Money { amount: increment, currency: money.currency.clone() };
    Err(invalid_amount("amount", "step", format!("must be a multiple of {increment}"), &increment))
}

/// A validation error of an amount at this path, with the money in its message.
fn invalid_amount(path: &'static str, code: &'static str, message: String, money: &Money) -> ValidationError {
    let mut error = invalid_part(path, code, message);
    error.add_param("amount".into(), &money.amount);
    error.add_param("currency".into(), &money.currency.to_string());
    error
}

/// Checks that an amount is at least `minimum`, in minor units, and at most what can be charged. The error, at this
/// path, names the bound as people write amounts.
pub(crate) fn within(money: &Money, minimum: i64, path: &'static str) -> Result<(), ValidationError> {
    let bound = |amount| Money { amount, currency: money.currency.clone() };
    if money.amount < minimum {
        let bound = bound(minimum);
        Err(invalid_amount(path, "min-amount", format!("must be at least {bound}"), &bound))
    } else if money.amount > MAX_CHARGE_AMOUNT {
        let bound = bound(MAX_CHARGE_AMOUNT);
        Err(invalid_amount(path, "max-amount", format!("must be at most {bound}"), &bound))
    } else {
        Ok(())
    }
}

/// Validates the syntax of an email address. Only ASCII is allowed, so that two addresses that look alike are equal.
pub fn email(address: &str) -> Result<(), ValidationError> {
    match address.rsplit_once('@').filter(|_| address.len() <= 254) {
        Some((local, domain)) if is_local_part(local) && is_domain(domain) => Ok(()),
        _ => Err(invalid("email", "must be an email address such as ana@example.com")),
    }
}

/// RFC 5321's dot-string; nobody uses the quoted form.
fn is_local_part(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte))
    };
    text.len() <= 64 && text.split('.').all(is_atom)
}

/// At least two labels; the last is not a number, which excludes IP addresses.
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

/// The canonical name of an IANA time zone; `name` is matched without regard to case.
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
        #[validate(custom(function = "usd_price"))]
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
        Err(invalid("never", "must not be"))
    }

    fn usd_price(price: &Money) -> Result<(), ValidationError> {
        super::price(price, &["USD".parse().unwrap()])
    }

    fn whole(inner: &Inner) -> Result<(), ValidationError> {
        if inner.some_text == "odd" { Err(invalid_part("someText", "odd", "must be even")) } else { Ok(()) }
    }

    #[test]
    fn each_invalid_field_is_reported_once_by_path() {
        let outer = Outer {
            first_name: String::new(),
            list_price: Money { amount: 1, currency: "USD".parse().unwrap() },
            inner: vec![Inner { some_text: "odd".to_owned() }, Inner { some_text: "long".to_owned() }],
            limit: Some(101),
        };
        let fields = invalid_fields(&outer.validate().unwrap_err());
        let reported: Vec<_> = fields.iter().map(|error| (error.field.as_str(), error.message.as_str())).collect();
        let expected = [
            ("firstName", "must have 1 to 5 characters"),
            ("inner[0].someText", "must be even"),
            ("inner[1].someText", "must have at most 3 characters"),
            ("limit", "must be a number from 1 to 100"),
            ("listPrice.amount", "must be at least 0.50 USD"),
        ];
        assert_eq!(reported, expected);
        let codes: Vec<_> = fields.iter().map(|error| error.code.as_str()).collect();
        assert_eq!(codes, ["length", "odd", "length", "range", "min-amount"]);
        assert_eq!(fields[0].params, Params::default().with("min", 1).with("max", 5), "and not the value");
        assert_eq!(fields[4].params.money().map(|money| money.to_string()).as_deref(), Some("0.50 USD"));
    }

    #[test]
    fn price_must_be_chargeable() {
        let usd: Currency = "USD".parse().unwrap();
        let checked = |amount, code: &str| {
            let money = Money { amount, currency: code.parse().unwrap() };
            price(&money, &[usd.clone(), "KWD".parse().unwrap()]).map_err(|error| message(&error))
        };
        assert_eq!(checked(50, "USD"), Ok(()));
        assert_eq!(checked(49, "USD"), Err("must be at least 0.50 USD".to_owned()));
        assert_eq!(checked(MAX_CHARGE_AMOUNT + 1, "USD"), Err("must be at most 999999.99 USD".to_owned()));
        assert_eq!(checked(500, "EUR"), Err("must be one of USD, KWD".to_owned()));
        assert_eq!(checked(1_001, "KWD"), Err("must be a multiple of 0.010 KWD".to_owned()));
    }

    #[test]
    fn time_zone_names_are_canonical() {
        assert_eq!(time_zone("europe/berlin").as_deref(), Some("Europe/Berlin"));
        for unknown in ["", "Atlantis/Capital", "+01:00", "CEST"] {
            assert_eq!(time_zone(unknown), None, "{unknown}");
        }
    }
}
