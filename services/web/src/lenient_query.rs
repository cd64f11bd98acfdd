//! The query parameters of a page.
//!
//! # Why
//! Other sites add parameters to our URLs: a newsletter adds `utm_source`, a social network `fbclid`, a card form
//! `payment_intent`. A page ignores unknown parameters. An invalid known parameter is dropped, and the page reports it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use common::problem::FieldError;
use common::seats::MAX_SEATS;
use common::validate::invalid_fields;
use http::Uri;
use http::request::Parts;
use platform::http::extract::{ValidationContext, read_query, undecodable_parameters};
use serde::de::DeserializeOwned;
use validator::ValidateArgs;

use crate::domain::problem_text::TRANSLATED;
use crate::i18n::msg;

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

/// The notice of the dropped parameters, if there are any. A parameter that no form has a field for is not named: it is
/// wrong only in a link that was edited or is out of date.
pub(crate) fn rejected_parameters_message(rejected: &[FieldError]) -> Option<String> {
    let mut sentences: Vec<String> = Vec::new();
    for error in rejected {
        let sentence = ignored(error);
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// What was ignored, as a sentence.
fn ignored(error: &FieldError) -> String {
    let of_amount = |ignored: String| match error.code.as_str() {
        TRANSLATED => format!("{ignored} {}", error.message),
        _ => ignored,
    };
    match error.field.as_str() {
        "from" => msg::form_ignored_from(),
        "to" => msg::form_ignored_to(),
        "min" => of_amount(msg::form_ignored_min()),
        "max" => of_amount(msg::form_ignored_max()),
        "number" => msg::form_ignored_number(),
        "quantity" => msg::form_ignored_quantity(MAX_SEATS),
        "currency" => msg::form_ignored_currency(),
        "q" => msg::form_ignored_search(),
        _ => msg::form_ignored_link(),
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
    use common::problem::Params;

    use super::*;
    use crate::i18n::testing::in_german;

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
        let link = "A part of the link wasn’t valid and was ignored.";
        for query in ["cursor=x", "limit=0", "limit=many", "limit=%2B5", "limit=%FF", "limit=7&limit=8"] {
            // Each query also has an empty cursor, or repeats the cursor: all invalid parameters are dropped.
            let (limit, read, notice) =
                read(&format!("{query}&cursor{}", if query.starts_with("cursor") { "" } else { "=" }));
            assert_eq!((limit, read, notice.as_deref()), (None, None, Some(link)), "{query}");
        }
        let (limit, read, notice) = read(&format!("limit=1000&cursor={cursor}"));
        assert_eq!((limit, read.as_deref()), (None, Some(cursor)), "valid parameters remain");
        assert_eq!(notice.as_deref(), Some(link));
    }

    #[test]
    fn dropped_parameters_are_named_in_the_words_of_the_form() {
        let amount = FieldError::new("max", "Enter an amount.").with_code(TRANSLATED, Params::default());
        let rejected = [amount, FieldError::new("from", "must be a day"), FieldError::new("min", "needs a currency")];
        assert_eq!(
            rejected_parameters_message(&rejected).as_deref(),
            Some(
                "The maximum price was ignored. Enter an amount. The first day was ignored: it isn’t a date. The \
                 minimum price was ignored."
            )
        );
        for field in ["from", "to", "min", "number", "quantity", "currency", "q", "cursor"] {
            let rejected = [FieldError::new(field, "must be otherwise")];
            let text = in_german(|| rejected_parameters_message(&rejected)).unwrap();
            assert!(text.contains("nicht berücksichtigt"), "{text}");
            assert!(!text.contains("must be") && !text.contains("cursor"), "{text}");
        }
    }
}
