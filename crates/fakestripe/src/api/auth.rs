//! Authentication by the secret key (bearer token or basic-auth user name) or a browser's publishable key.

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

/// The kind of API key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Secret,
    Publishable,
}

/// Authenticates a request. `from_params` is the key in the parameters. If `required` is set, it is the only secret key
/// that is accepted.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    from_params: Option<String>,
    required: Option<&str>,
    is_public_route: bool,
) -> Result<Key, ApiError> {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(credential)
        .or(from_params)
        .filter(|key| !key.is_empty())
        .ok_or_else(|| ApiError::unauthorized(MISSING))?;
    if given.starts_with("pk_test_") {
        let error = || ApiError::unauthorized(PUBLISHABLE).status(403).code("secret_key_required");
        return is_public_route.then_some(Key::Publishable).ok_or_else(error);
    }
    let is_valid = match required {
        Some(required) => given == required,
        None => given.starts_with("sk_test_") || given.starts_with("rk_test_"),
    };
    if is_valid {
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

/// Masks a key as Stripe does in its error message: shows the first eight and the last four characters.
fn masked(key: &str) -> String {
    let (chars, length) = (key.chars().take(64), key.chars().take(64).count());
    let is_shown = |index| length > 12 && (index < 8 || index + 4 >= length);
    chars.enumerate().map(|(index, char)| if is_shown(index) { char } else { '*' }).collect()
}
