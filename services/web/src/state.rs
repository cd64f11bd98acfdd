//! What pages and handlers share; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::replica::Replica;

use crate::auth::Auth;
use crate::config::Config;

/// What pages and handlers share.
#[derive(Clone, FromRef)]
pub struct State {
    /// What auth told of its users.
    pub users: Replica<UserState>,
    /// What tickets told of its listings.
    pub tickets: Replica<TicketState>,
    /// What orders told of its orders.
    pub orders: Replica<OrderState>,
    /// What payments told of its payments.
    pub payments: Replica<PaymentState>,
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
            users: context.replica(),
            tickets: context.replica(),
            orders: context.replica(),
            payments: context.replica(),
            verifier: context.verifier(&config.keys)?,
            auth: Auth::new(config.auth_url)?,
            clock: Arc::clone(&context.clock),
            public_url: context.config.public_url.as_str().into(),
        })
    }
}
