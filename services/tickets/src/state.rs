//! What handlers share; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::api::tickets::ListingRules;
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::replica::Replica;

use crate::config::Config;
use crate::domain::ticket::Ticket;

/// What handlers share.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The listings.
    pub tickets: Store<Ticket>,
    /// What orders told of its orders.
    pub orders: Replica<OrderState>,
    /// Who asks.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
    /// What a listing must be.
    pub rules: ListingRules,
}

impl AppState {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        Ok(Self {
            tickets: context.store(),
            orders: context.replica(),
            verifier: context.verifier(&config.keys)?,
            clock: Arc::clone(&context.clock),
            rules: ListingRules { clock: Arc::clone(&context.clock), currencies: config.currencies.into() },
        })
    }
}

impl AsRef<ListingRules> for AppState {
    fn as_ref(&self) -> &ListingRules {
        &self.rules
    }
}
