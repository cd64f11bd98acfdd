//! What pages and handlers share; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::clock::SharedClock;
use common::identity::Verifier;
use platform::context::Context;

use crate::auth::Auth;
use crate::config::Config;
use crate::store::model::ReadModel;

/// What pages and handlers share.
#[derive(Clone, FromRef)]
pub struct State {
    /// What the others told of what they own.
    pub model: ReadModel,
    /// Who asks.
    pub verifier: Verifier,
    /// Refreshes sessions.
    pub auth: Auth,
    /// The time.
    pub clock: SharedClock,
    /// Where browsers reach us, without a trailing slash.
    pub public_url: Arc<str>,
}

impl State {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        Ok(Self {
            model: ReadModel::new(context),
            verifier: context.verifier(&config.keys)?,
            auth: Auth::new(config.auth_url)?,
            clock: Arc::clone(&context.clock),
            public_url: context.config.public_url.as_str().into(),
        })
    }
}
