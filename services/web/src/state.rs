//! What pages and handlers share; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::api::tickets::ListingRules;
use common::clock::SharedClock;
use common::events::envelope::Envelope;
use common::events::ticket::TicketState;
use common::id::{OrderId, TicketId};
use common::identity::Verifier;
use platform::context::Context;
use platform::lifecycle::Tasks;
use platform::limits::marker;

use crate::auth::Auth;
use crate::calls::Calls;
use crate::config::Config;
use crate::live::hub::Hub;
use crate::live::recent::Recent;
use crate::store::model::ReadModel;
use crate::store::own::Own;

/// What pages and handlers share.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// What the others told of what they own.
    pub model: ReadModel,
    /// Watches and read marks.
    pub own: Own,
    /// Who asks.
    pub verifier: Verifier,
    /// Refreshes sessions.
    pub auth: Auth,
    /// Carries out commands.
    pub calls: Calls,
    /// Tells open pages what has changed.
    pub hub: Hub,
    /// The listings that were heard of a moment ago.
    pub heard_tickets: Recent<TicketId, Arc<Envelope<TicketState>>>,
    /// The orders that were heard of a moment ago, with their versions.
    pub heard_orders: Recent<OrderId, u64>,
    /// The time.
    pub clock: SharedClock,
    /// The signal to end.
    pub tasks: Tasks,
    /// What a listing must be, as tickets will say.
    pub rules: ListingRules,
    /// What the service was told.
    pub config: Arc<Config>,
    /// Where browsers reach us, without a trailing slash.
    pub public_url: Arc<str>,
}

impl AppState {
    /// The shared state of one instance.
    pub fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        Ok(Self {
            model: ReadModel::new(context),
            own: Own::new(&context.database),
            verifier: context.verifier(&config.keys)?,
            auth: Auth::new(config.auth_url.clone(), marker::of(&context.counters))?,
            calls: Calls::new(&config, marker::of(&context.counters))?,
            hub: Hub::default(),
            heard_tickets: Recent::default(),
            heard_orders: Recent::default(),
            clock: Arc::clone(&context.clock),
            tasks: context.tasks.clone(),
            rules: ListingRules { clock: Arc::clone(&context.clock), currencies: config.currencies.clone().into() },
            config: Arc::new(config),
            public_url: context.config.public_url.as_str().into(),
        })
    }
}
