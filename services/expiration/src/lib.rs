//! The expiration service: one timer per order, which publishes an event when the order's hold expires.
//!
//! The timers are in MongoDB. A queue in Redis wakes an instance when timers are due; a periodic sweep fires
//! the timers whose wake-up was lost or late; without Redis, all of them.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | timers, in MongoDB; a queue of wake-ups in Redis | `expiration.completed` | `order.*` |
//!
//! In reading order: [`config`], [`domain`], `store`, [`state`], [`flows`], [`timers`], `events`.
//! There are no public routes; the empty OpenAPI document is at `/api/expiration/openapi.json`.

pub mod config;
pub mod domain;
mod events;
pub mod flows;
pub mod state;
mod store;
pub mod timers;

use platform::app::App;
use platform::context::Context;
use platform::http::openapi;
use utoipa_axum::router::OpenApiRouter;

use crate::timers::wake_ups::{self, WakeUps};

/// The service's name.
pub const NAME: &str = "expiration";

/// Builds the service.
#[expect(clippy::needless_pass_by_value, reason = "every service's build has this signature")]
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let (routes, openapi) = openapi::mount(OpenApiRouter::new(), "Expiration", "/api/expiration/openapi.json", &[]);
    let redis = &context.config.redis;
    let (wake_ups, requests) = wake_ups::channel();
    let wake_ups = if redis.client.is_some() { wake_ups } else { WakeUps::disabled() };
    let state = state::AppState::new(context, wake_ups);
    let mut app = App::new(routes, openapi)
        .store(&state.timers, store::timer_indexes())
        .subscribe(events::table(&state))
        .task("timer sweep", timers::sweep::run(state.clone(), config.timer_sweep_interval));
    if let Some(client) = &redis.client {
        let queue = timers::Queue::new(client, &redis.prefix)?;
        app = app
            .task("wake-ups", wake_ups::run(requests, queue.clone(), context.tasks.clone()))
            .task("worker", timers::worker::run(state, queue));
    }
    Ok(app)
}
