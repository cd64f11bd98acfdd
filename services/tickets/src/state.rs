//! What handlers share; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::identity::Verifier;
use common::money::Currency;
use platform::context::Context;
use platform::store::Store;
use platform::store::replica::Replica;

use crate::config::Config;
use crate::domain::ticket::Ticket;

/// What handlers share.
#[derive(Clone, FromRef)]
pub struct State {
    /// The listings.
    pub tickets: Store<Ticket>,
    /// What orders told of its orders.
    pub orders: Replica<OrderState>,
    /// Who asks.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
    /// What a price may be in.
    pub currencies: Arc<[Currency]>,
}

impl State {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        Ok(Self {
            tickets: context.store(),
            orders: context.replica(),
            verifier: context.verifier(&config.keys)?,
            clock: Arc::clone(&context.clock),
            currencies: config.currencies.into(),
        })
    }
}
