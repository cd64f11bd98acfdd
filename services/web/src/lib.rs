//! The web service: the pages that people look at, from a read model of its own.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | the read model: replicas of users, tickets, orders and payments; watches and read marks; a vocabulary of searches | – | `user.*` `ticket.*` `order.*` `payment.*` |
//!
//! Timers are not consumed: that an order expired is said by the order itself, and no page shows more.
//!
//! In reading order: [`config`], [`domain`], [`store`], [`state`], [`auth`], [`viewer`], [`session`],
//! [`parameters`], [`calls`], [`assets`], [`flows`], [`pages`], [`live`], [`events`], [`rebuild`].
//!
//! # Why
//! Pages join what they show when they are read: a ticket with its seller's name, an order with its
//! payments. So it does not matter which event came first, and nothing has to be corrected later.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")
)]

pub mod assets;
pub mod auth;
pub mod calls;
pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod forms;
pub mod live;
pub mod pages;
pub mod parameters;
pub mod rebuild;
pub mod session;
pub mod state;
pub mod store;
pub mod viewer;

use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "web";

/// Puts the service together.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = pages::table(&state);
    let model = state.model.clone();
    let app = App::new(routes.with_state(state.clone()), openapi).limits(&state.verifier, pages::RATE_CLASSES);
    Ok(store::own::with_indexes(app)
        .pages(pages::error::page)
        .prepare(move || {
            let model = model.clone();
            async move { model.build_indexes().await }
        })
        .admin(rebuild::routes(state.model.clone()))
        .task("read model", rebuild::run(state.model.clone(), context.tasks.clone()))
        .task("live pages", live::feed::run(state.clone(), context.clone()))
        .subscribe(events::table(&state)))
}
