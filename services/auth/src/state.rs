//! State shared by all handlers; cheap to clone.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::FromRef;
use common::clock::SharedClock;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::domain::session::SessionPolicy;
use crate::domain::user::User;
use crate::hashing::Hasher;
use crate::store::emails::Emails;
use crate::store::sessions::Sessions;
use crate::store::throttles::Throttles;
use crate::token_signer::TokenSigner;

#[derive(Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) users: Store<User>,
    pub(crate) emails: Emails,
    pub(crate) sessions: Sessions,
    pub(crate) session_policy: SessionPolicy,
    /// Maximum number of sessions of one account.
    pub(crate) sessions_per_account: NonZeroU32,
    pub(crate) throttles: Throttles,
    pub(crate) hasher: Hasher,
    pub(crate) signer: TokenSigner,
    pub(crate) verifier: Verifier,
    pub(crate) clock: SharedClock,
}

impl AppState {
    pub(crate) fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        let Config {
            jwt_private_keys,
            access_token_ttl,
            session_ttl,
            sessions_per_account,
            refresh_grace,
            hashing_concurrency,
            limits,
        } = config;
        let issuer = &context.config.public_url;
        let wrong = || format!("{}: JWT_PRIVATE_KEYS is wrong", context.service);
        let signer = TokenSigner::new(jwt_private_keys.expose_secret(), issuer, access_token_ttl);
        let signer = signer.with_context(wrong)?;
        let clock = Arc::clone(&context.clock);
        Ok(Self {
            users: context.store(),
            emails: Emails::new(&context.database),
            sessions: Sessions::new(&context.database),
            session_policy: SessionPolicy { idle_timeout: session_ttl, grace_period: refresh_grace },
            sessions_per_account,
            throttles: Throttles::new(&context.database, limits),
            hasher: Hasher::new(hashing_concurrency)?,
            verifier: Verifier::new(signer.keys.jwks(), issuer, Arc::clone(&clock)).with_context(wrong)?,
            signer,
            clock,
        })
    }
}
