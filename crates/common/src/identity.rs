//! Who asks: the access token's claims, its verification, and the extractors that handlers name.

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
use crate::error::Error;
use crate::id::{SessionId, UserId};

/// The `aud` of every access token.
pub const AUDIENCE: &str = "ticketing";

/// How far the clock of who issued a token may be ahead of ours, in seconds. `nbf` guards against
/// nothing else, since auth alone can sign; refusing a user for a wrong clock helps nobody.
const LEEWAY: i64 = 150;

/// What an access token says; times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The session that the token belongs to.
    pub sid: SessionId,
    /// Issuer: the public address of the marketplace.
    pub iss: String,
    /// Audience: [`AUDIENCE`].
    pub aud: String,
    /// Issued at.
    pub iat: i64,
    /// Not valid before.
    pub nbf: i64,
    /// Not valid from this moment on.
    pub exp: i64,
}

/// The names of the two cookies, which depend on how browsers reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieNames {
    /// Holds the access token.
    pub access: &'static str,
    /// Holds the refresh token.
    pub refresh: &'static str,
    /// Whether the cookies are marked Secure.
    pub secure: bool,
}

impl CookieNames {
    /// `__Host-` and Secure when browsers come over https.
    pub fn for_public_url(url: &str) -> Self {
        Self::for_scheme(url.starts_with("https://"))
    }

    /// The names by HTTPS, or by plain HTTP.
    pub const fn for_scheme(is_https: bool) -> Self {
        if is_https {
            Self { access: "__Host-access", refresh: "__Host-refresh", secure: true }
        } else {
            Self { access: "access", refresh: "refresh", secure: false }
        }
    }
}

/// The value of a cookie that the request bears; the first when it is there twice.
///
/// Each cookie is read by itself: what another program on this host has set need not even be text.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    let cookies = pairs.filter_map(|pair| Cookie::parse(str::from_utf8(pair).ok()?).ok());
    cookies.filter(|cookie| cookie.name() == name).find_map(|cookie| cookie.value_raw())
}

/// The public keys are not a usable JWK set.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeys {
    /// Not JSON of the right shape.
    #[error("not a JWK set: {0}")]
    Shape(#[from] serde_json::Error),
    /// A key is not Ed25519, or is damaged.
    #[error("key {0} is not a usable Ed25519 key")]
    Key(String),
    /// A key without a name cannot be chosen by a token.
    #[error("a key has no kid")]
    Unnamed,
    /// Nothing could ever be verified.
    #[error("the set holds no key")]
    Empty,
}

/// Verifies access tokens by the public keys alone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
    cookies: CookieNames,
    clock: SharedClock,
    verified: Mutex<Verified>,
}

/// How many tokens each of the two generations of [`Verified`] holds at most.
const REMEMBERED: usize = 2048;

/// Tokens whose signature was found to be ours: checking it is most of what a small request costs.
/// Their times are compared at every use all the same. When the newer generation is full, it becomes
/// the older one, and what was not used since is forgotten.
#[derive(Default)]
struct Verified {
    newer: HashMap<String, Claims>,
    older: HashMap<String, Claims>,
}

impl Verified {
    fn get(&mut self, token: &str) -> Option<Claims> {
        if let Some(claims) = self.newer.get(token) {
            return Some(claims.clone());
        }
        let (token, claims) = self.older.remove_entry(token)?;
        self.put(token, claims.clone());
        Some(claims)
    }

    fn put(&mut self, token: String, claims: Claims) {
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(token, claims);
    }
}

impl Verifier {
    /// A verifier for tokens that `issuer` (the public address) has signed with one of the keys in
    /// this JWK set (JSON).
    pub fn new(jwks: &str, issuer: &str, clock: SharedClock) -> Result<Self, InvalidKeys> {
        let set: JwkSet = serde_json::from_str(jwks)?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let kid = jwk.common.key_id.clone().ok_or(InvalidKeys::Unnamed)?;
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
        // Times are compared below with our own clock, which a test can set.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let cookies = CookieNames::for_public_url(issuer);
        Ok(Self(Arc::new(Inner { keys, validation, cookies, clock, verified: Mutex::default() })))
    }

    /// The claims of a token that is ours and valid now; `None` counts as no token at all.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let verified = || self.0.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = verified().get(token);
        let is_new = remembered.is_none();
        let claims = remembered.or_else(|| self.check_signature(token))?;
        let now = self.0.clock.now().as_seconds();
        if claims.nbf > now + LEEWAY || now >= claims.exp {
            return None;
        }
        if is_new {
            verified().put(token.to_owned(), claims.clone());
        }
        Some(claims)
    }

    /// The claims of a token that is ours, whenever it is or was valid.
    fn check_signature(&self, token: &str) -> Option<Claims> {
        let kid = decode_header(token).ok()?.kid?;
        let key = self.0.keys.get(&kid)?;
        Some(decode::<Claims>(token, key, &self.0.validation).ok()?.claims)
    }

    /// The names of our cookies.
    pub fn cookies(&self) -> CookieNames {
        self.0.cookies
    }

    /// Who sent these headers, by their access cookie.
    pub fn identify(&self, headers: &HeaderMap) -> Option<CurrentUser> {
        let claims = self.verify(cookie(headers, self.0.cookies.access)?)?;
        Some(CurrentUser { id: claims.sub, session: claims.sid })
    }
}

/// The signed-in user. As a handler's argument: 401 for anyone else. `Option<CurrentUser>` lets all in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentUser {
    /// The user.
    pub id: UserId,
    /// Their session on this device.
    pub session: SessionId,
}

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Verifier::from_ref(state).identify(&parts.headers).ok_or_else(Error::unauthenticated)
    }
}

impl<S> OptionalFromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        Ok(Verifier::from_ref(state).identify(&parts.headers))
    }
}
