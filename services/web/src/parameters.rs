//! The query parameters of a page.
//!
//! # Why
//! Other sites add parameters to our addresses: a newsletter adds `utm_source`, a social network `fbclid`, a card form
//! `payment_intent`. A page ignores the parameters that it does not know. One that it knows and can't read is left out,
//! and the page says so.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use common::problem::FieldError;
use common::validate::faults;
use http::Uri;
use http::request::Parts;
use platform::http::extract::read_query;
use serde::de::DeserializeOwned;
use validator::Validate;

/// The query of a page, as far as it can be read; every parameter has to be optional.
#[derive(Debug)]
pub struct Parameters<T> {
    /// What was understood.
    pub known: T,
    /// What was left out.
    pub faults: Vec<FieldError>,
}

impl<T: DeserializeOwned + Default + Validate> Parameters<T> {
    fn read(query: &str) -> Self {
        let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let mut left_out = Vec::new();
        loop {
            let found = match understand::<T>(&pairs) {
                Ok(known) => return Self { known, faults: left_out },
                Err(found) => found,
            };
            let before = pairs.len();
            pairs.retain(|(name, _)| found.iter().all(|fault| fault.field != *name));
            left_out.extend(found);
            if pairs.len() == before {
                return Self { known: T::default(), faults: left_out };
            }
        }
    }
}

fn understand<T: DeserializeOwned + Validate>(pairs: &[(String, String)]) -> Result<T, Vec<FieldError>> {
    let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build().unwrap_or_default();
    let known: T = read_query(&uri).map_err(|fault| vec![fault])?;
    known.validate().map(|()| known).map_err(|errors| faults(&errors))
}

/// The notice that names what was left out; none when nothing was.
pub fn notice(faults: &[FieldError]) -> Option<String> {
    let told: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
    (!told.is_empty())
        .then(|| format!("Some of what was asked for could not be read and was left out: {}.", told.join("; ")))
}

impl<T: DeserializeOwned + Default + Validate, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use common::api::page::PageQuery;

    use super::*;

    fn read(query: &str) -> (Option<u32>, Option<String>, Option<String>) {
        let Parameters { known, faults } = Parameters::<PageQuery>::read(query);
        (known.limit, known.cursor.map(|cursor| cursor.to_string()), notice(&faults))
    }

    #[test]
    fn what_can_not_be_read_is_left_out_and_named() {
        let cursor = "01890a5dac96774bbcceb302099a8057";
        assert_eq!(read(""), (None, None, None));
        assert_eq!(
            read(&format!("cursor={cursor}&utm_source=x&fbclid=%zz&limit=7")),
            (Some(7), Some(cursor.to_owned()), None)
        );
        for (query, said) in [
            ("cursor=x", "cursor must be the nextCursor of an earlier page"),
            ("limit=0", "limit must be a number from 1 to 100"),
            ("limit=many", "limit must be a number from 1 to 100"),
            ("limit=7&limit=8", "limit must be given once"),
        ] {
            let (limit, read, notice) =
                read(&format!("{query}&cursor{}", if query.starts_with("cursor") { "" } else { "=" }));
            assert_eq!((limit, read), (None, None), "{query}");
            assert!(notice.is_some_and(|notice| notice.contains(said)), "{query}");
        }
        let (limit, read, notice) = read(&format!("limit=1000&cursor={cursor}"));
        assert_eq!((limit, read.as_deref()), (None, Some(cursor)), "what is right stays");
        assert!(notice.unwrap().contains("limit must be a number from 1 to 100."));
    }
}
