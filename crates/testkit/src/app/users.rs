//! Users whose tokens the services under test believe.

use common::clock::{Clock, SystemClock};
use common::id::{SessionId, UserId};
use common::identity::{AUDIENCE, Claims};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use crate::fleet::keys::Keys;

/// The public address in tests of one service.
pub const PUBLIC_URL: &str = "http://localhost:8080";

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// An access token, good for a day.
    pub token: String,
}

/// Signs tokens as auth would.
#[derive(Clone)]
pub struct Signer {
    /// The public half, as services are told it.
    pub jwks: String,
    /// The private half, as auth is told it.
    pub pem: String,
}

impl Signer {
    /// A signer with a key of its own.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for keys");
        let keys = Keys::of(folder.path()).expect("keys");
        Self { jwks: keys.jwks, pem: keys.jwt_private_keys }
    }

    /// A user who has just signed in.
    pub fn user(&self) -> User {
        let id = UserId::new();
        User { id, token: self.sign(&Self::claims(id)) }
    }

    /// The claims of a token that is good.
    pub fn claims(id: UserId) -> Claims {
        let now = SystemClock.now().as_seconds();
        Claims {
            sub: id,
            sid: SessionId::new(),
            iss: PUBLIC_URL.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: now,
            nbf: now - 60,
            exp: now + 86_400,
        }
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Claims) -> String {
        let jwks: serde_json::Value = serde_json::from_str(&self.jwks).expect("JSON");
        let kid = jwks["keys"][0]["kid"].as_str().map(ToOwned::to_owned);
        let header = Header { kid, ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &EncodingKey::from_ed_pem(self.pem.as_bytes()).expect("a key")).expect("a token")
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}
