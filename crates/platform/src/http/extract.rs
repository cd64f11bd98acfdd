//! Extractors for JSON bodies, path ids and query strings. They validate the values; their errors name the field.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use common::error::Error;
use common::problem::FieldError;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use validator::ValidateArgs;

use crate::store::claims::IdempotencyKey;

/// The argument of a type's validation rules, taken from the service's state; `()` for rules without one.
pub trait ValidationContext<'a, S> {
    /// Extracts the argument.
    fn of(state: &'a S) -> Self;
}

impl<S> ValidationContext<'_, S> for () {
    fn of(_: &S) -> Self {}
}

impl<'a, S: AsRef<C>, C> ValidationContext<'a, S> for &'a C {
    fn of(state: &'a S) -> Self {
        state.as_ref()
    }
}

fn validate<'a, T, S>(value: &T, state: &'a S) -> Result<(), Error>
where
    T: ValidateArgs<'a, Args: ValidationContext<'a, S>>,
{
    Ok(value.validate_with_args(T::Args::of(state))?)
}

/// A valid JSON body.
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

/// The JSON body of a create request, with the `Idempotency-Key` if it has one.
#[derive(Debug, Clone)]
pub struct CreateRequest<T> {
    /// The validated body, or the validation error. A handler looks for a replay first: a request that was valid at
    /// first may fail validation when it is repeated, such as a listing whose event has started since.
    pub body: Result<T, Error>,
    /// The key, with the hash of the body.
    pub key: Option<IdempotencyKey>,
}

impl<T, S: Send + Sync> FromRequest<S> for Body<T>
where
    T: DeserializeOwned + for<'a> ValidateArgs<'a, Args: ValidationContext<'a, S>>,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let body = decode(&bytes(request, state).await?)?;
        validate(&body, state)?;
        Ok(Self(body))
    }
}

impl<T, S: Send + Sync> FromRequest<S> for CreateRequest<T>
where
    T: DeserializeOwned + for<'a> ValidateArgs<'a, Args: ValidationContext<'a, S>>,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let key = idempotency_key(request.headers())?;
        let bytes = bytes(request, state).await?;
        let body: T = decode(&bytes)?;
        let body = validate(&body, state).map(|()| body);
        let key = key.map(|key| IdempotencyKey { key, hash: canonical_hash(&bytes) });
        Ok(Self { body, key })
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedMediaType);
    }
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        _ => Error::field("", "the body could not be read completely"),
    })
}

/// Decodes a JSON object. Errors name the path of the field.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // serde also accepts an array in place of a struct, and for other types its error names a Rust type.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Error::field("", "must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // The path in a truncated document ends in `?`.
        let path = error.path().to_string();
        let path = path.strip_suffix('?').map_or(path.as_str(), |known| known.trim_end_matches('.'));
        let message = error.inner().to_string();
        let message = rephrase_unknown_variant(message.split(" at line ").next().unwrap_or_default());
        let named = message
            .split('`')
            .nth(1)
            .filter(|_| message.starts_with("missing field") || message.starts_with("unknown field"));
        let field = match (path, named) {
            ("." | "", Some(named)) => named.to_owned(),
            ("." | "", None) => String::new(),
            // The path of an unknown field includes its name.
            (path, Some(named)) if path == named || path.ends_with(&format!(".{named}")) => path.to_owned(),
            (path, Some(named)) => format!("{path}.{named}"),
            (path, None) => path.to_owned(),
        };
        Error::field(field, message)
    })?;
    deserializer.end().map_err(|_| Error::field("", "has trailing data after the JSON object"))?;
    Ok(value)
}

/// The hash of a JSON document, independent of whitespace and key order.
fn canonical_hash(bytes: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    format!("{:x}", Sha256::digest(value.to_string()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| Error::field("Idempotency-Key", "must have 1 to 255 visible ASCII characters"))
}

/// The id in the path.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

impl<T, S: Send + Sync> FromRequestParts<S> for Id<T>
where
    T: std::str::FromStr<Err = common::id::InvalidId> + Send,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let fault = || Error::field("id", common::id::InvalidId.to_string());
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await.map_err(|_| fault())?;
        path.0.parse().map(Self).map_err(|_| fault())
    }
}

/// A valid query string.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T, S: Send + Sync> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned + for<'a> ValidateArgs<'a, Args: ValidationContext<'a, S>>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let query = read_query(&parts.uri).map_err(|fault| Error::Invalid(vec![fault]))?;
        validate(&query, state)?;
        Ok(Self(query))
    }
}

/// Decodes a query string. The error names the parameter.
pub fn read_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, FieldError> {
    if let Some(error) = undecodable_parameters(uri.query().unwrap_or_default()).next() {
        return Err(error);
    }
    axum::extract::Query::try_from_uri(uri).map(|query| query.0).map_err(|rejection| {
        let text = rejection.body_text();
        pair_error(text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text))
    })
}

/// The errors of the parameters in a query string that are not UTF-8. The decoder would replace the invalid bytes.
pub fn undecodable_parameters(query: &str) -> impl Iterator<Item = FieldError> {
    let is_text = |part: &str| percent_decode_str(part).decode_utf8().is_ok();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(move |(name, value)| !is_text(name) || !is_text(value)).map(|(name, _)| {
        FieldError::new(percent_decode_str(name).decode_utf8_lossy(), "must be UTF-8, percent-encoded")
    })
}

/// The field error in serde's message about a query string or form: `limit: must be…`, or "duplicate field `limit`".
pub fn pair_error(text: &str) -> FieldError {
    let fault = |field: &str, message: String| FieldError::new(field, message);
    match (text.split_once(": "), text.split('`').nth(1)) {
        (Some((field, message)), _) => fault(field, rephrase_unknown_variant(message)),
        (None, Some(field)) if text.starts_with("duplicate field") => {
            fault(field, "must be given only once".to_owned())
        }
        (None, Some(field)) => fault(field, text.to_owned()),
        (None, None) => fault("query", text.to_owned()),
    }
}

/// Rewrites serde's "unknown variant `opera`, expected one of `concert`, `sport`" as "must be concert or sport".
fn rephrase_unknown_variant(message: &str) -> String {
    let variants = message.strip_prefix("unknown variant").and_then(|rest| rest.rsplit_once(", expected "));
    let names: Vec<_> = variants.map_or("", |(_, names)| names).split('`').skip(1).step_by(2).collect();
    match names.split_last() {
        Some((last, [])) => format!("must be {last}"),
        Some((last, others)) => format!("must be {} or {last}", others.join(", ")),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoded")]
    struct Outer {
        name: String,
        inner: Inner,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoded")]
    struct Inner {
        amount: i64,
    }

    #[test]
    fn error_names_the_field() {
        for (body, field) in [
            (r#"{"inner":{"amount":1}}"#, "name"),
            (r#"{"name":"x","inner":{}}"#, "inner.amount"),
            (r#"{"name":"x","inner":{"amount":"1"}}"#, "inner.amount"),
            (r#"{"name":"x","inner":{"amount":1,"more":2}}"#, "inner.more"),
            (r#"{"name":"x","inner":{"amount":1},"more":2}"#, "more"),
            (r#"{"name":1}"#, "name"),
            ("{", ""),
            (r#"{"name":"x","inner":{"amount":"#, "inner.amount"),
            (r#"{"name":"x","inner":{"#, "inner"),
            ("[]x", ""),
            (r#"["x", {"amount": 1}]"#, ""),
        ] {
            let Err(Error::Invalid(errors)) = decode::<Outer>(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(errors[0].field, field, "{body}: {}", errors[0].message);
        }
    }

    #[test]
    fn unknown_variant_lists_the_allowed_values() {
        let expected = "must be available, reserved, sold or withdrawn";
        let message = "unknown variant `gone`, expected one of `available`, `reserved`, `sold`, `withdrawn`";
        assert_eq!(rephrase_unknown_variant(message), expected);
        assert_eq!(rephrase_unknown_variant("unknown variant `a`, expected `b` or `c`"), "must be b or c");
        assert_eq!(rephrase_unknown_variant("unknown variant `a`, expected `b`"), "must be b");
        assert_eq!(rephrase_unknown_variant("unknown variant `x, expected y`, expected `a` or `b`"), "must be a or b");
        assert_eq!(rephrase_unknown_variant("missing field `a`"), "missing field `a`");
    }

    #[test]
    fn hash_ignores_whitespace_and_key_order() {
        assert_eq!(canonical_hash(br#"{"a":1,"b":2}"#), canonical_hash(br#"{ "b": 2, "a": 1 }"#));
        assert_ne!(canonical_hash(br#"{"a":1}"#), canonical_hash(br#"{"a":2}"#));
    }
}
