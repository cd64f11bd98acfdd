//! The private keys: they sign access tokens, and their public halves are what others verify by.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use common::error::Error;
use common::id::{SessionId, UserId};
use common::identity::{AUDIENCE, Claims};
use common::timestamp::Timestamp;
use platform::keys::SigningKeys;

/// Signs access tokens.
#[derive(Clone)]
pub struct Keys {
    signing: SigningKeys,
    issuer: Arc<str>,
    lifetime: Duration,
}

impl Keys {
    /// Reads the keys (PEM, one behind the other). Tokens are issued by `issuer`, the public address,
    /// signed by the first key and good for `lifetime`.
    pub fn read(pems: &str, issuer: &str, lifetime: Duration) -> anyhow::Result<Self> {
        Ok(Self { signing: SigningKeys::read(pems)?, issuer: issuer.into(), lifetime })
    }

    /// The public halves, as a JWK set (JSON).
    pub fn jwks(&self) -> &str {
        self.signing.jwks()
    }

    /// The answer of the route that serves them.
    pub fn serve(&self) -> Response {
        self.signing.serve()
    }

    /// How long a token is good for.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// An access token, good from now on.
    pub fn sign(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<String, Error> {
        let claims = Claims {
            sub: user,
            sid: session,
            iss: self.issuer.to_string(),
            aud: AUDIENCE.to_owned(),
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: now.plus(self.lifetime).as_seconds(),
        };
        self.signing.sign("JWT", &claims)
    }
}
