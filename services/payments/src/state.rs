//! What handlers share; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::replica::Replica;

use crate::config::Config;
use crate::domain::payment::Payment;
use crate::providers::stripe::Stripe;
use crate::store::retention::Retention;

/// What handlers share.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The payments.
    pub payments: Store<Payment>,
    /// What orders told of its orders.
    pub orders: Replica<OrderState>,
    /// What is left of payments that were declined long ago.
    pub retention: Retention,
    /// The card network.
    pub provider: Arc<Stripe>,
    /// Who asks.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
    /// The service's own configuration.
    pub config: Arc<Config>,
}

impl AppState {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        let stripe = Stripe::new(&config.stripe_key, &config.stripe_url, config.provider_timeout)?;
        Ok(Self {
            payments: context.store(),
            orders: context.replica(),
            retention: Retention::new(&context.database),
            provider: Arc::new(stripe),
            verifier: context.verifier(&config.keys)?,
            clock: Arc::clone(&context.clock),
            config: Arc::new(config),
        })
    }
}
