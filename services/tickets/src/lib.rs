//! The tickets service: listings, and whether each is available, reserved, sold or withdrawn.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | listings | `ticket.created` `ticket.updated` `ticket.reserved` `ticket.refused` `ticket.released` `ticket.sold` `ticket.withdrawn` | `order.*` |
//!
//! In reading order: [`config`], [`domain`], [`store`], [`state`], [`flows`], [`routes`], [`events`].
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")
)]

pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod routes;
pub mod state;
pub mod store;

use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "tickets";

/// Puts the service together.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    Ok(App::new(routes.with_state(state.clone()), openapi)
        .limits(&state.verifier, &[])
        .store(&state.tickets, store::ticket_indexes())
        .replica(&state.orders, store::order_indexes())
        .subscribe(events::table(&state)))
}
