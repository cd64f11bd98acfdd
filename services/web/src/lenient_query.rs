//! The query parameters of a page.
//!
//! # Why
//! Other sites add parameters to our URLs: a newsletter adds `utm_source`, a social network `fbclid`, a card form
//! `payment_intent`. A page ignores unknown parameters. An invalid known parameter is dropped, and the page reports it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use common::problem::FieldError;
use common::validate::invalid_fields;
use http::Uri;
use http::request::Parts;
use platform::http::extract::{ValidationContext, read_query, undecodable_parameters};
use serde::de::DeserializeOwned;
use validator::ValidateArgs;

/// The valid part of a page's query; every parameter must be optional.
#[derive(Debug)]
pub(crate) struct LenientQuery<T> {
    pub value: T,
    /// The errors of dropped parameters.
    pub rejected: Vec<FieldError>,
}

impl<T: DeserializeOwned + Default> LenientQuery<T> {
    /// Reads a query; `state` has the context of the validation rules.
    pub(crate) fn read<S>(query: &str, state: &S) -> Self
    where
        T: for<'a> ValidateArgs<'a, Args: ValidationContext<'a, S>>,
    {
        let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        // Names a parameter twice: fails unless the parameter is unknown.
        let is_known = |name: &str| {
            let pair = (name.to_owned(), String::new());
            parse::<T, S>(&[pair.clone(), pair], state).is_err()
        };
        let mut rejected: Vec<_> = undecodable_parameters(query).filter(|error| is_known(&error.field)).collect();
        pairs.retain(|(name, _)| rejected.iter().all(|error| error.field != *name));
        loop {
            let errors = match parse(&pairs, state) {
                Ok(value) => return Self { value, rejected },
                Err(errors) => errors,
            };
            let before = pairs.len();
            pairs.retain(|(name, _)| errors.iter().all(|error| error.field != *name));
            rejected.extend(errors);
            if pairs.len() == before {
                // No error names a parameter that could be dropped.
                return Self { value: T::default(), rejected };
            }
        }
    }
}

fn parse<T, S>(pairs: &[(String, String)], state: &S) -> Result<T, Vec<FieldError>>
where
    T: DeserializeOwned + for<'a> ValidateArgs<'a, Args: ValidationContext<'a, S>>,
{
    let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build().unwrap_or_default();
    let value: T = read_query(&uri).map_err(|error| vec![error])?;
    match value.validate_with_args(ValidationContext::of(state)) {
        Ok(()) => Ok(value),
        Err(errors) => Err(invalid_fields(&errors)),
    }
}

/// The notice that names the dropped parameters, if there are any.
pub(crate) fn rejected_parameters_message(rejected: &[FieldError]) -> Option<String> {
    let errors: Vec<_> = rejected.iter().map(|error| format!("{} {}", label(&error.field), error.message)).collect();
    (!errors.is_empty()).then(|| format!("Some choices were not valid and were ignored: {}.", errors.join("; ")))
}

/// The label of a field that users type into. Any other parameter keeps its name: only an edited link has it wrong.
fn label(parameter: &str) -> &str {
    match parameter {
        "from" => "From date",
        "to" => "To date",
        "min" => "Minimum price",
        "max" => "Maximum price",
        "number" => "Order number",
        "quantity" => "Seats together",
        other => other,
    }
}

impl<T, S: Send + Sync> FromRequestParts<S> for LenientQuery<T>
where
    T: DeserializeOwned + Default + for<'a> ValidateArgs<'a, Args: ValidationContext<'a, S>>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::read(parts.uri.query().unwrap_or_default(), state))
    }
}

#[cfg(test)]
mod tests {
    use common::api::page::PageQuery;

    use super::*;

    fn read(query: &str) -> (Option<u32>, Option<String>, Option<String>) {
        let LenientQuery { value, rejected } = LenientQuery::<PageQuery>::read(query, &());
        (value.limit, value.cursor.map(|cursor| cursor.to_string()), rejected_parameters_message(&rejected))
    }

    #[test]
    fn invalid_parameters_are_dropped_and_reported() {
        let cursor = "01890a5dac96774bbcceb302099a8057";
        assert_eq!(read(""), (None, None, None));
        assert_eq!(
            read(&format!("cursor={cursor}&utm_source=x&fbclid=%zz&gclid=%FF&limit=7")),
            (Some(7), Some(cursor.to_owned()), None)
        );
        for (query, expected) in [
            ("cursor=x", "cursor must be the nextCursor of an earlier page"),
            ("limit=0", "limit must be a number from 1 to 100"),
            ("limit=many", "limit must be a number from 1 to 100"),
            ("limit=%2B5", "limit must be a number from 1 to 100"),
            ("limit=%FF", "limit must be UTF-8"),
            ("limit=7&limit=8", "limit must be given only once"),
        ] {
            // Each query also has an empty cursor, or repeats the cursor: all invalid parameters are dropped.
            let (limit, read, notice) =
                read(&format!("{query}&cursor{}", if query.starts_with("cursor") { "" } else { "=" }));
            assert_eq!((limit, read), (None, None), "{query}");
            assert!(notice.is_some_and(|notice| notice.contains(expected)), "{query}");
        }
        let (limit, read, notice) = read(&format!("limit=1000&cursor={cursor}"));
        assert_eq!((limit, read.as_deref()), (None, Some(cursor)), "valid parameters remain");
        assert!(notice.unwrap().contains("limit must be a number from 1 to 100."));
        let typed = [FieldError { field: "max".to_owned(), message: "must be an amount".to_owned() }];
        let notice = rejected_parameters_message(&typed);
        assert_eq!(
            notice.as_deref(),
            Some("Some choices were not valid and were ignored: Maximum price must be an amount.")
        );
    }
}
