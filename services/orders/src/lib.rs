//! The orders service: orders, and with them who holds which ticket.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | orders, a replica of tickets and one of payments | `order.created` `order.confirmed` `order.authorized` `order.completed` `order.cancelled` | `ticket.*` `payment.*` `expiration.completed` |
//!
//! In reading order: [`config`], [`domain`], [`passes`], [`store`], [`state`], [`flows`], [`routes`], [`events`],
//! [`gauges`].

pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod gauges;
pub mod passes;
pub mod routes;
pub mod state;
pub mod store;

use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "orders";

/// Puts the service together.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    Ok(App::new(routes.with_state(state.clone()), openapi)
        .limits(&state.verifier, routes::RATE_CLASSES)
        .store(&state.orders, store::order_indexes())
        .replica(&state.payments, store::payment_indexes())
        .gauge("orders_authorized_oldest_age_seconds", &state, gauges::oldest_authorized)
        .gauge("orders_overdue_oldest_age_seconds", &state, gauges::oldest_overdue)
        .subscribe(events::table(&state)))
}
