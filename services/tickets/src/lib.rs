//! The tickets service: shows, their listings, and whether each seat is available, reserved, sold or withdrawn.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | shows, listings, a replica of orders | `ticket.created` `ticket.updated` `ticket.reserved` `ticket.refused` `ticket.released` `ticket.sold` `ticket.withdrawn` `show.created` `show.moved` `show.updated` `show.merged` `show.cancelled` | `order.*`, and its own `show.*` |
//!
//! In reading order: [`config`], [`domain`], `store`, `state`, `flows`, `routes`, `events`, `admin`.

mod admin;
pub mod config;
pub mod domain;
mod events;
mod flows;
mod routes;
mod state;
mod store;

use common::aggregate::ShardKey;
use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "tickets";

/// Builds the service.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    Ok(App::new(routes.with_state(state.clone()), openapi)
        .rate_limits(&state.verifier, routes::RATE_CLASSES)
        .store(&state.tickets, store::ticket_indexes())
        .store(&state.shows, store::shows::show_indexes())
        .indexes(store::show_names::SHOW_NAMES, ShardKey::ID, store::show_names::show_name_indexes())
        .claims()
        .replica(&state.orders, store::order_indexes())
        .admin(admin::routes(state.clone()))
        .reconcile(&state, flows::reconcile_changed::reconcile_changed)
        .subscribe(events::table(&state)))
}
