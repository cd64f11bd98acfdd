//! The expiration service: one timer per order, which tells orders that the hold's time has come.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | timers; Redis holds the queue of wake-ups, MongoDB the truth | `expiration.completed` | `order.*` |
//!
//! In reading order: [`config`], [`domain`], [`store`], [`state`], [`flows`], [`timers`], [`events`].
//! Nobody asks for anything over HTTP; the document of that is at `/api/expiration/openapi.json`.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")
)]

pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod state;
pub mod store;
pub mod timers;

use platform::app::App;
use platform::context::Context;
use platform::http::openapi;
use utoipa_axum::router::OpenApiRouter;

use crate::timers::schedule::WakeUps;

/// The service's name.
pub const NAME: &str = "expiration";

/// Puts the service together.
#[expect(clippy::needless_pass_by_value, reason = "the shape that every service's build has")]
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let (routes, openapi) = openapi::mount(OpenApiRouter::new(), "Expiration", "/api/expiration/openapi.json", &[]);
    let redis = &context.config.redis;
    let (wake_ups, wanted) = timers::schedule::channel();
    let wake_ups = if redis.client.is_some() { wake_ups } else { WakeUps::nowhere() };
    let state = state::AppState::new(context, wake_ups);
    let mut app = App::new(routes, openapi)
        .store(&state.timers, store::timer_indexes())
        .subscribe(events::table(&state))
        .task("timer sweep", timers::sweep::run(state.clone(), config.timer_sweep_interval));
    if let Some(client) = &redis.client {
        let queue = timers::Queue::new(client, &redis.prefix)?;
        app = app
            .task("wake-ups", timers::schedule::run(wanted, queue.clone(), context.tasks.clone()))
            .task("worker", timers::worker::run(state, queue));
    }
    Ok(app)
}
