//! Signs access tokens; other services verify them with the published public keys.

use std::sync::Arc;
use std::time::Duration;

use common::error::Error;
use common::id::{SessionId, UserId};
use common::identity::{AUDIENCE, Claims, Role};
use common::timestamp::Timestamp;
use platform::keys::SigningKeys;

#[derive(Clone)]
pub(crate) struct TokenSigner {
    pub(crate) keys: SigningKeys,
    issuer: Arc<str>,
    pub(crate) lifetime: Duration,
}

impl TokenSigner {
    /// Parses the concatenated PEM keys, of which the first signs. `issuer` is the public URL.
    pub(crate) fn new(pems: &str, issuer: &str, lifetime: Duration) -> anyhow::Result<Self> {
        Ok(Self { keys: SigningKeys::read(pems)?, issuer: issuer.into(), lifetime })
    }

    /// An access token with these roles that is valid from now on.
    pub(crate) fn sign(
        &self,
        user: UserId,
        roles: Vec<Role>,
        session: SessionId,
        now: Timestamp,
    ) -> Result<String, Error> {
        let claims = Claims {
            sub: user,
            sid: session,
            iss: self.issuer.to_string(),
            aud: AUDIENCE.to_owned(),
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: now.plus(self.lifetime).as_seconds(),
            roles,
        };
        self.keys.sign("JWT", &claims)
    }
}
