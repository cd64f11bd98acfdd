//! Who calls: the secret key as bearer or basic user, or a page's publishable key.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::ApiError;

const MISSING: &str = "You did not provide an API key. You need to provide your API key in the \
    Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See \
    https://stripe.com/docs/api#authentication for details, or we can help at \
    https://support.stripe.com/.";

const PUBLISHABLE: &str = "This API call cannot be made with a publishable API key. Please use a \
    secret API key. You can find a list of your API keys at \
    https://dashboard.stripe.com/account/apikeys.";

/// Which of the two keys was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Secret,
    Publishable,
}

/// The key of a request; `named` is one among the parameters, `accepted` the one secret key, if only one is.
pub(crate) fn key(
    headers: &HeaderMap,
    named: Option<String>,
    accepted: Option<&str>,
    public_route: bool,
) -> Result<Key, ApiError> {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(credential)
        .or(named)
        .filter(|key| !key.is_empty())
        .ok_or_else(|| ApiError::unauthorized(MISSING))?;
    if given.starts_with("pk_test_") {
        return if public_route {
            Ok(Key::Publishable)
        } else {
            let error = ApiError::unauthorized(PUBLISHABLE).status(403);
            Err(error.code("secret_key_required"))
        };
    }
    let holds = match accepted {
        Some(accepted) => given == accepted,
        None => given.starts_with("sk_test_") || given.starts_with("rk_test_"),
    };
    if holds {
        Ok(Key::Secret)
    } else {
        let message = format!("Invalid API Key provided: {}", masked(&given));
        Err(ApiError::unauthorized(message))
    }
}

fn credential(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
    let user = pair.split_once(':').map_or(pair.as_str(), |(user, _)| user);
    Some(user.to_owned())
}

/// The beginning and the last four characters, as Stripe shows a wrong key.
fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().take(64).collect();
    let length = chars.len();
    chars
        .iter()
        .enumerate()
        .map(|(place, char)| {
            let shown = length > 12 && (place < 8 || place + 4 >= length);
            if shown { *char } else { '*' }
        })
        .collect()
}
