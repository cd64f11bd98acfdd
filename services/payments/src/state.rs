//! What handlers share; cheap to clone.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::replica::Replica;
use secrecy::SecretString;

use crate::config::Config;
use crate::domain::payment::Payment;
use crate::providers::Provider;
use crate::providers::measured::Measured;
use crate::providers::stripe::Stripe;
use crate::store::retention::Retention;

/// What handlers share.
#[derive(Clone, FromRef)]
pub struct State {
    /// The payments.
    pub payments: Store<Payment>,
    /// What orders told of its orders.
    pub orders: Replica<OrderState>,
    /// What is left of payments that were declined long ago.
    pub retention: Retention,
    /// The card network.
    pub provider: Arc<dyn Provider>,
    /// Who asks.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
    /// How patient the service is, and what webhooks are signed with.
    pub rules: Arc<Rules>,
}

/// Settings that do not change while the service runs.
pub struct Rules {
    /// Any of these may have signed a webhook.
    pub webhook_secrets: Vec<SecretString>,
    /// How long a payment may rest before it is looked up.
    pub reconcile_after: Duration,
    /// How long captures may fail.
    pub capture_patience: Duration,
    /// How many payments an order may have.
    pub attempts: u32,
    /// How often the provider's intents are compared with the payments.
    pub provider_sweep: Duration,
}

impl State {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        let stripe = Stripe::new(&config.stripe_key, &config.stripe_url, config.provider_timeout)?;
        Ok(Self {
            payments: context.store(),
            orders: context.replica(),
            retention: Retention::new(&context.database),
            provider: Arc::new(Measured(stripe)),
            verifier: context.verifier(&config.keys)?,
            clock: Arc::clone(&context.clock),
            rules: Arc::new(Rules {
                webhook_secrets: config.stripe_webhook_secrets,
                reconcile_after: config.reconcile_after,
                capture_patience: config.capture_patience,
                attempts: config.payment_attempts.get(),
                provider_sweep: config.provider_sweep,
            }),
        })
    }
}
