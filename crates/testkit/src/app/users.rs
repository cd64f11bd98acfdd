//! Test users and the signing of their access tokens.

use common::clock::{Clock, SystemClock};
use common::id::{SessionId, UserId};
use common::identity::{AUDIENCE, Claims, Role};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use crate::fleet::keys::Keys;

/// The `PUBLIC_URL` of a service that runs in the test process, and the issuer of the tokens.
pub const PUBLIC_URL: &str = "http://localhost:8080";

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// An access token that is valid for a day.
    pub token: String,
}

/// Signs access tokens as `auth` does.
#[derive(Clone)]
pub struct Signer {
    /// Public key, as configured in the services.
    pub jwks: String,
    /// Private key, as configured in `auth`.
    pub pem: String,
}

impl Signer {
    /// Creates a signer with a new key.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for keys");
        let keys = Keys::load_or_create(folder.path()).expect("keys");
        Self { jwks: keys.jwks, pem: keys.jwt_private_keys }
    }

    /// Creates a user who has just signed in.
    pub fn user(&self) -> User {
        let id = UserId::new();
        User { id, token: self.sign(&Self::claims(id)) }
    }

    /// Creates a member of the staff with this role.
    pub fn staff(&self, role: Role) -> User {
        let id = UserId::new();
        User { id, token: self.sign(&Claims { roles: vec![role], ..Self::claims(id) }) }
    }

    /// The claims of a valid token.
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
            roles: Vec::new(),
        }
    }

    /// Signs a token with these claims.
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
