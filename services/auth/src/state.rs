//! What handlers share; cheap to clone.

use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::FromRef;
use common::clock::SharedClock;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::domain::session::Lifetimes;
use crate::domain::user::User;
use crate::hashing::Hasher;
use crate::keys::Keys;
use crate::store::sessions::Sessions;
use crate::store::throttles::Throttles;

/// What handlers share.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The users.
    pub users: Store<User>,
    /// Their sessions.
    pub sessions: Sessions,
    /// How long sessions and tokens last.
    pub lifetimes: Lifetimes,
    /// Who tried how often.
    pub throttles: Throttles,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Signs access tokens.
    pub keys: Keys,
    /// Who asks.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
}

impl AppState {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        let Config { jwt_private_keys, access_token_ttl, session_ttl, refresh_grace, hashing_concurrency, limits } =
            config;
        let issuer = &context.config.public_url;
        let wrong = || format!("{}: JWT_PRIVATE_KEYS is wrong", context.service);
        let keys = Keys::read(jwt_private_keys.expose_secret(), issuer, access_token_ttl);
        let keys = keys.with_context(wrong)?;
        let clock = Arc::clone(&context.clock);
        Ok(Self {
            users: context.store(),
            sessions: Sessions::new(&context.database),
            lifetimes: Lifetimes { session: session_ttl, grace: refresh_grace },
            throttles: Throttles::new(&context.database, limits),
            hasher: Hasher::new(hashing_concurrency)?,
            verifier: Verifier::new(keys.jwks(), issuer, Arc::clone(&clock)).with_context(wrong)?,
            keys,
            clock,
        })
    }
}
