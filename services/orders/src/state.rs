//! What handlers share; cheap to clone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::FromRef;
use common::clock::SharedClock;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::replica::Replica;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::domain::order::Order;
use crate::passes::Passes;

/// What handlers share.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The orders.
    pub orders: Store<Order>,
    /// What tickets told of its listings.
    pub tickets: Replica<TicketState>,
    /// What payments told of its payments.
    pub payments: Replica<PaymentState>,
    /// Signs what lets buyers in.
    pub passes: Passes,
    /// Who asks.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
    /// How long an unpaid order holds its ticket.
    pub hold: Duration,
    /// How many holds there may be.
    pub limits: Limits,
}

/// How many holds there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of one buyer at once.
    pub per_buyer: usize,
    /// Of one listing by one buyer that end within an hour.
    pub per_listing: usize,
}

impl AppState {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        let Config { keys, pass_private_keys, order_ttl, holds_per_buyer, holds_per_listing } = config;
        let passes = Passes::read(pass_private_keys.expose_secret(), &context.config.public_url);
        let passes = passes.with_context(|| format!("{}: PASS_PRIVATE_KEYS is wrong", context.service))?;
        Ok(Self {
            orders: context.store(),
            tickets: context.replica(),
            payments: context.replica(),
            passes,
            verifier: context.verifier(&keys)?,
            clock: Arc::clone(&context.clock),
            hold: order_ttl,
            limits: Limits { per_buyer: holds_per_buyer.get(), per_listing: holds_per_listing.get() },
        })
    }
}
