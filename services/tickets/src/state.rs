//! State shared by all handlers; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::api::tickets::{Listing, ListingRules};
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::id::TicketId;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::claims::Claims;
use platform::store::replica::Replica;

use crate::config::Config;
use crate::domain::ticket::Ticket;

#[derive(Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) tickets: Store<Ticket>,
    pub(crate) claims: Claims<TicketId, Listing>,
    pub(crate) orders: Replica<OrderState>,
    pub(crate) verifier: Verifier,
    pub(crate) clock: SharedClock,
    pub(crate) rules: ListingRules,
}

impl AppState {
    pub(crate) fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        Ok(Self {
            tickets: context.store(),
            claims: context.claims(),
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
