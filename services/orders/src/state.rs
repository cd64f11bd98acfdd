//! The application state that handlers share.

use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::FromRef;
use common::clock::SharedClock;
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::events::ticket::TicketState;
use common::id::OrderId;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::claims::Claims;
use platform::store::replica::Replica;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::domain::order::Order;
use crate::pass_signer::PassSigner;
use crate::store::refunds_due::RefundsDue;

/// The application state; cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The orders.
    pub orders: Store<Order>,
    /// The claims of the requests that place orders: the stored records of their idempotency keys.
    pub claims: Claims<OrderId>,
    /// Replica of the listings of `tickets`.
    pub tickets: Replica<TicketState>,
    /// Replica of the shows of `tickets`.
    pub shows: Replica<ShowState>,
    /// Replica of the payments of `payments`.
    pub payments: Replica<PaymentState>,
    /// The orders that have to be refunded because their show was cancelled.
    pub refunds_due: RefundsDue,
    /// Signs passes.
    pub pass_signer: PassSigner,
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
        let pass_signer = PassSigner::read(config.pass_private_keys.expose_secret());
        Ok(Self {
            orders: context.store(),
            claims: context.claims(),
            tickets: context.replica(),
            shows: context.replica(),
            payments: context.replica(),
            refunds_due: RefundsDue::new(&context.database),
            pass_signer: pass_signer.with_context(|| format!("{}: PASS_PRIVATE_KEYS is wrong", context.service))?,
            verifier: context.verifier(&config.keys)?,
            clock: Arc::clone(&context.clock),
            config: Arc::new(config),
        })
    }
}
