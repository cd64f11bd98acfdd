//! The application state that handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::id::PaymentId;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::claims::Claims;
use platform::store::replica::Replica;

use crate::config::Config;
use crate::domain::payment::Payment;
use crate::providers::stripe::Stripe;
use crate::store::declined_archive::DeclinedArchive;

/// The application state; cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The payments.
    pub payments: Store<Payment>,
    /// The idempotency keys of requests that start payments, stored as claims.
    pub claims: Claims<PaymentId>,
    /// Replica of the orders of `orders`.
    pub orders: Replica<OrderState>,
    /// The archive of declined payments.
    pub declined_archive: DeclinedArchive,
    /// The payment provider.
    pub provider: Arc<Stripe>,
    /// Verifies access tokens.
    pub verifier: Verifier,
    /// The clock.
    pub clock: SharedClock,
    /// The service's own settings.
    pub config: Arc<Config>,
}

impl AppState {
    /// The state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        let stripe = Stripe::new(&config.stripe_key, &config.stripe_url, config.provider_timeout)?;
        Ok(Self {
            payments: context.store(),
            claims: context.claims(),
            orders: context.replica(),
            declined_archive: DeclinedArchive::new(&context.database),
            provider: Arc::new(stripe),
            verifier: context.verifier(&config.keys)?,
            clock: Arc::clone(&context.clock),
            config: Arc::new(config),
        })
    }
}
