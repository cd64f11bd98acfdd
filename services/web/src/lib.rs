//! The web service: server-rendered pages from its own read model.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | the read model: replicas of users, tickets, orders, payments and shows; watches and read marks; drafts of listings; the search vocabulary | – | `user.*` `ticket.*` `order.*` `payment.*` `show.*` |
//!
//! Timer events are not consumed, because order events include the expiry.
//!
//! In reading order: [`config`], `i18n`, [`domain`], [`store`], [`state`], [`client_context`], [`service_client`],
//! `page_error`, [`viewer`], [`lenient_query`], [`forms`], [`assets`], [`flows`], [`pages`], [`live`], [`events`],
//! [`rebuild`], `vocabulary_pruner`.
//!
//! # Why
//! Pages join entities when they are read: a ticket with its seller's name, an order with its payments. So the order of
//! events does not matter, and nothing has to be corrected later.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")
)]

pub mod assets;
pub mod client_context;
pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod forms;
mod i18n;
pub mod lenient_query;
pub mod live;
mod page_error;
pub mod pages;
pub mod rebuild;
pub mod service_client;
pub mod state;
pub mod store;
pub mod viewer;
mod vocabulary_pruner;

use common::clock::SharedClock;
use common::events::Change as _;
use common::events::order::OrderChange;
use common::events::show::ShowChange;
use common::events::ticket::TicketChange;
use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "web";

/// The entities whose events [`live`] receives directly, in addition to the durable consumers.
pub const LIVE_ENTITIES: [&str; 3] = [TicketChange::ENTITY, OrderChange::ENTITY, ShowChange::ENTITY];

/// Assembles the service.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = pages::table(&state);
    let model = state.model.clone();
    let (clock, verifier) = (SharedClock::clone(&state.clock), state.verifier.clone());
    let app = App::new(routes.with_state(state.clone()), openapi).rate_limits(&state.verifier, pages::RATE_CLASSES);
    let app = store::show_watches::with_collections(store::user_data::with_collections(app));
    let app = store::drafts::with_collections(app);
    Ok(store::model::with_collections(app)
        .error_page(pages::error::page)
        .around(move |routes| i18n::reader::wrap(routes, &clock, &verifier))
        .prepare(move || {
            let model = model.clone();
            async move { model.build_indexes().await }
        })
        .admin(rebuild::routes(state.model.clone()))
        .task("read model", rebuild::run(state.model.clone(), context.tasks.clone()))
        .task(
            "vocabulary",
            vocabulary_pruner::run(state.model.clone(), context.tasks.clone(), context.config.cleanup_interval),
        )
        .task("live pages", live::feed::run(state.clone(), context.clone()))
        .subscribe(events::table(&state)))
}
