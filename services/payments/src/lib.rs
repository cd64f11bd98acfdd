//! The payments service: money moves only after an order is won.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | payments and their ledger | `payment.started` `payment.authorizationDelayed` `payment.actionRequired` `payment.authorized` `payment.captureDelayed` `payment.captured` `payment.declined` `payment.failed` `payment.voided` `payment.refundStarted` `payment.refunded` `payment.disputed` | `order.*` |
//!
//! In reading order: [`config`], [`domain`], [`providers`], [`store`], [`state`], [`flows`], [`routes`],
//! [`events`], [`reconciler`], [`reducer`], [`sweeper`], [`admin`], [`gauges`].

pub mod admin;
pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod gauges;
pub mod providers;
pub mod reconciler;
pub mod reducer;
pub mod routes;
pub mod state;
pub mod store;
pub mod sweeper;
pub mod view;

use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "payments";

/// Puts the service together.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    Ok(App::new(routes.with_state(state.clone()), openapi)
        .webhooks(&[routes::WEBHOOK])
        .limits(&state.verifier, routes::RATE_CLASSES)
        .store(&state.payments, store::payment_indexes())
        .indexes(store::retention::REDUCED, store::retention::reduced_indexes())
        .gauge("payments_unsettled_oldest_age_seconds", &state, gauges::oldest_unsettled)
        .admin(admin::routes(state.clone(), context.tasks.clone()))
        .subscribe(events::table(&state))
        .task("reducer", reducer::run(state.clone(), context.tasks.clone(), context.config.cleanup_interval))
        .task("reconciler", reconciler::run(state.clone(), context.tasks.clone()))
        .task("sweeper", sweeper::run(state, context.tasks.clone())))
}
