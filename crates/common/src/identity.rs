//! The caller's identity: claims of access tokens, their verification, and the extractors that handlers use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use cookie::Cookie;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

use crate::clock::SharedClock;
use crate::error::{Error, Rejection};
use crate::id::{SessionId, UserId};
use crate::string_form::text_enum;

/// The `aud` of every access token.
pub const AUDIENCE: &str = "ticketing";

/// Tolerance for `nbf` in seconds: how far the clock of `auth`, which signs the tokens, may be ahead of this service's
/// clock. A large tolerance is safe: `auth` issues no tokens for later use, so a token that is not valid yet is only a
/// sign of clock skew.
const LEEWAY: i64 = 150;

text_enum! {
    /// What a member of the staff may do. `ticketctl role` gives and takes roles.
    Role {
        /// Corrects, merges and cancels shows, and helps users.
        Support,
        /// Refunds the orders of cancelled shows.
        Finance,
        /// Operates the marketplace.
        Operator,
    }
}

impl Role {
    /// All roles.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
}

/// The claims of an access token. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The session that the token belongs to.
    pub sid: SessionId,
    /// Issuer: the public URL of the marketplace.
    pub iss: String,
    /// Audience: [`AUDIENCE`].
    pub aud: String,
    /// Issued at.
    pub iat: i64,
    /// Not valid before.
    pub nbf: i64,
    /// Expires at; no longer valid at this time.
    pub exp: i64,
    /// The roles of the user; absent if none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
}

/// The names of the two cookies, which depend on the scheme of the public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieNames {
    /// The cookie of the access token.
    pub access: &'static str,
    /// The cookie of the refresh token.
    pub refresh: &'static str,
    /// Whether the cookies have the attribute `Secure`.
    pub secure: bool,
}

impl CookieNames {
    /// The names for a public URL: prefixed with `__Host-` and `Secure` if it is an HTTPS URL.
    pub fn for_public_url(url: &str) -> Self {
        Self::for_scheme(url.starts_with("https://"))
    }

    /// The names for HTTPS or plain HTTP.
    pub const fn for_scheme(is_https: bool) -> Self {
        if is_https {
            Self { access: "__Host-access", refresh: "__Host-refresh", secure: true }
        } else {
            Self { access: "access", refresh: "refresh", secure: false }
        }
    }
}

/// The value of a cookie of the request; the first if it occurs repeatedly.
///
/// Cookies are parsed one by one, because another application on the same host may set values that are not UTF-8.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    let cookies = pairs.filter_map(|pair| Cookie::parse(str::from_utf8(pair).ok()?).ok());
    cookies.filter(|cookie| cookie.name() == name).find_map(|cookie| cookie.value_raw())
}

/// Why a text is not a usable set of public keys (a JWK set).
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeys {
    /// Not a JWK set in JSON.
    #[error("not a JWK set: {0}")]
    Shape(#[from] serde_json::Error),
    /// A key is not Ed25519, or is malformed.
    #[error("key {0} is not a usable Ed25519 key")]
    Key(String),
    /// A key has no id, so no token can select it.
    #[error("a key has no kid")]
    MissingKeyId,
    /// The set has no key.
    #[error("the set contains no key")]
    Empty,
}

/// Verifies access tokens with public keys, without a request to `auth`.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
    cookie_names: CookieNames,
    clock: SharedClock,
    cache: Mutex<TokenCache>,
}

/// Maximum number of tokens in each of the two maps of [`TokenCache`].
const CACHE_SIZE: usize = 2048;

/// Caches the claims of tokens whose signature was verified, since the verification is most of the cost of a small
/// request. The validity period is checked at every use nevertheless. When the newer map is full, it replaces the older
/// one, which evicts tokens that were not used since.
#[derive(Default)]
struct TokenCache {
    newer: HashMap<String, Claims>,
    older: HashMap<String, Claims>,
}

impl TokenCache {
    fn get(&mut self, token: &str) -> Option<Claims> {
        if let Some(claims) = self.newer.get(token) {
            return Some(claims.clone());
        }
        let (token, claims) = self.older.remove_entry(token)?;
        self.put(token, claims.clone());
        Some(claims)
    }

    fn put(&mut self, token: String, claims: Claims) {
        if self.newer.len() >= CACHE_SIZE {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(token, claims);
    }
}

impl Verifier {
    /// A verifier of tokens that `issuer` (the public URL) signed with a key of this JWK set (JSON).
    pub fn new(jwks: &str, issuer: &str, clock: SharedClock) -> Result<Self, InvalidKeys> {
        let set: JwkSet = serde_json::from_str(jwks)?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let kid = jwk.common.key_id.clone().ok_or(InvalidKeys::MissingKeyId)?;
            let key = DecodingKey::from_jwk(jwk).map_err(|_| InvalidKeys::Key(kid.clone()))?;
            if key.family() != jsonwebtoken::AlgorithmFamily::Ed {
                return Err(InvalidKeys::Key(kid));
            }
            keys.insert(kid, key);
        }
        if keys.is_empty() {
            return Err(InvalidKeys::Empty);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // `verify` compares times with our own clock, which tests can set.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let cookie_names = CookieNames::for_public_url(issuer);
        Ok(Self(Arc::new(Inner { keys, validation, cookie_names, clock, cache: Mutex::default() })))
    }

    /// The claims of the token if it was signed with one of the keys and is valid now, else `None`.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let cache = || self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache().get(token);
        let is_new = cached.is_none();
        let claims = cached.or_else(|| self.check_signature(token))?;
        let now = self.0.clock.now().as_seconds();
        if claims.nbf > now + LEEWAY || now >= claims.exp {
            return None;
        }
        if is_new {
            cache().put(token.to_owned(), claims.clone());
        }
        Some(claims)
    }

    /// The claims of the token if its signature, issuer and audience are right, even if it has expired or is not valid
    /// yet.
    fn check_signature(&self, token: &str) -> Option<Claims> {
        let kid = decode_header(token).ok()?.kid?;
        let key = self.0.keys.get(&kid)?;
        Some(decode::<Claims>(token, key, &self.0.validation).ok()?.claims)
    }

    /// The names of the two cookies.
    pub fn cookie_names(&self) -> CookieNames {
        self.0.cookie_names
    }

    /// The user whose access token is in the request's cookie; `None` if there is none or it is not valid.
    pub fn identify(&self, headers: &HeaderMap) -> Option<CurrentUser> {
        let claims = self.verify(cookie(headers, self.0.cookie_names.access)?)?;
        Some(CurrentUser { id: claims.sub, session: claims.sid, roles: claims.roles })
    }
}

/// The signed-in user. As an argument of a handler, it rejects anonymous requests with 401; `Option<CurrentUser>`
/// accepts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentUser {
    /// The user.
    pub id: UserId,
    /// The session of the request.
    pub session: SessionId,
    /// The roles of the user; empty unless the user is a member of the staff.
    pub roles: Vec<Role>,
}

impl CurrentUser {
    /// Rejects a user who has none of these roles, with 403.
    pub fn require_role(&self, accepted: &[Role]) -> Result<(), Error> {
        if self.roles.iter().any(|role| accepted.contains(role)) {
            return Ok(());
        }
        let names: Vec<&str> = accepted.iter().map(AsRef::as_ref).collect();
        let detail = format!("This requires the role {}.", names.join(" or "));
        Err(Error::Forbidden(Rejection::new("role-required", detail)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser
where
    Verifier: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Verifier::from_ref(state).identify(&parts.headers).ok_or_else(Error::unauthenticated)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser
where
    Verifier: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        Ok(Verifier::from_ref(state).identify(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::tests::assert_one_text_form;

    #[test]
    fn one_of_the_accepted_roles_is_required() {
        assert_one_text_form::<Role>();
        let user = |roles: &[Role]| CurrentUser { id: UserId::new(), session: SessionId::new(), roles: roles.to_vec() };
        let accepted = [Role::Support, Role::Operator];
        assert!(user(&[Role::Finance, Role::Operator]).require_role(&accepted).is_ok());
        for roles in [&[][..], &[Role::Finance]] {
            let problem = user(roles).require_role(&accepted).unwrap_err().problem();
            assert_eq!((problem.status, problem.code()), (403, "role-required"));
            assert!(problem.detail.contains("support or operator"), "{}", problem.detail);
        }
    }
}
