//! The orders service: places orders and thereby decides which buyer holds which seats.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | orders, replicas of tickets, shows and payments | `order.created` `order.confirmed` `order.authorized` `order.completed` `order.cancelled` | `ticket.*` `show.*` `payment.*` `expiration.completed` |

pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod gauges;
pub mod pass_signer;
pub mod routes;
pub mod state;
pub mod store;

use common::aggregate::ShardKey;
use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "orders";

/// Assembles the service.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    Ok(App::new(routes.with_state(state.clone()), openapi)
        .rate_limits(&state.verifier, routes::RATE_CLASSES)
        .store(&state.orders, store::order_indexes())
        .claims()
        .replica(&state.tickets, Vec::new())
        .replica(&state.shows, store::show_indexes())
        .replica(&state.payments, store::payment_indexes())
        .collection(store::refunds_due::REFUNDS_DUE, ShardKey::ID)
        .gauge("orders_authorized_oldest_age_seconds", &state, gauges::oldest_authorized)
        .gauge("orders_overdue_oldest_age_seconds", &state, gauges::oldest_overdue)
        .reconcile(&state, flows::reconcile_order::reconcile_changed)
        .subscribe(events::table(&state)))
}
